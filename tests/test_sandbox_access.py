"""Where the token goes."""

from __future__ import annotations

import pytest
from contract_shapes import ask, check_refusal

from asyncchat.sandbox import Sandbox


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("auth", "path", "headers"),
    [
        ("bearer", "/models", {"Authorization": "Bearer s3cret+/="}),
        ("bearer", "/models", {"authorization": "bearer s3cret+/="}),
        ("header:X-Api-Token", "/models", {"x-api-token": "s3cret+/="}),
        ("query:api_token", "/models?api_token=s3cret%2B/%3D", {}),
    ],
)
async def test_the_right_token(auth: str, path: str, headers: dict[str, str]) -> None:
    """A token in the place that was agreed opens the door."""
    with Sandbox(conversations=0, auth=auth, token="s3cret+/=") as box:
        assert (await ask(box, path, headers=headers)).status == 200


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("auth", "path", "headers", "counter"),
    [
        ("bearer", "/models", {}, "without_token"),
        ("bearer", "/models", {"Authorization": "Bearer "}, "without_token"),
        ("bearer", "/models", {"Authorization": "Basic s3cret"}, "without_token"),
        ("bearer", "/models", {"Authorization": "Bearer s3cre"}, "wrong_token"),
        ("bearer", "/models", {"Authorization": "Bearer s3cret2"}, "wrong_token"),
        ("bearer", "/models", {"Authorization": "Bearer \u00e9"}, "wrong_token"),
        ("bearer", "/models?token=s3cret", {"X-Token": "s3cret"}, "without_token"),
        ("bearer", "/nothing", {}, "without_token"),
        ("header:X-Token", "/models", {"Authorization": "Bearer s3cret"}, "without_token"),
        ("header:X-Token", "/models", {"X-Token": "other"}, "wrong_token"),
        ("query:token", "/models", {"token": "s3cret"}, "without_token"),
        ("query:token", "/models?token=S3CRET", {}, "wrong_token"),
    ],
)
async def test_no_right_token(auth: str, path: str, headers: dict[str, str], counter: str) -> None:
    """A token that is missing, wrong or elsewhere is a 401 with a JSON body, and is counted."""
    with Sandbox(conversations=0, auth=auth, token="s3cret") as box:
        reply = await ask(box, path, headers=headers)
        assert reply.status == 401
        check_refusal(reply.body)
        assert box.stats()[counter] == 1


@pytest.mark.asyncio
async def test_a_refusal_does_not_show_the_token() -> None:
    """A 401 says where the token goes, not what it is."""
    with Sandbox(conversations=0, auth="header:X-Token", token="s3cret") as box:
        reply = await ask(box, "/models", headers={})
    assert "X-Token" in reply.body["message"]
    assert "s3cret" not in reply.text


@pytest.mark.parametrize("auth", ["", "basic", "header", "header:", "query:", "bearer:x"])
def test_an_unknown_place(auth: str) -> None:
    """A place for the token that is none is refused before anything starts."""
    with pytest.raises(ValueError, match="auth is"):
        Sandbox(auth=auth)


def test_an_empty_token() -> None:
    """An empty token is refused before anything starts."""
    with pytest.raises(ValueError, match="token is empty"):
        Sandbox(token="")


def test_the_repr_hides_the_token() -> None:
    """A sandbox can be logged."""
    assert "s3cret" not in repr(Sandbox(token="s3cret"))
