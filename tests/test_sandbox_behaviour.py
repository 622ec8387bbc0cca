"""The behaviour: one value, changed from three places."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from attrs import asdict, fields_dict
from contract_shapes import ask

from asyncchat.sandbox import Sandbox
from asyncchat.sandbox.behaviour import Behaviour
from asyncchat.sandbox.serving.current import Changes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=5) as running:
        yield running


async def patch(box: Sandbox, body: bytes) -> tuple[int, Any]:
    url = f"{box.origin}/_sandbox/behaviour"
    async with aiohttp.ClientSession() as session, session.patch(url, data=BytesIO(body)) as response:
        return response.status, await response.json()


def test_the_keywords_are_the_fields() -> None:
    """What `Sandbox(...)` and `behave(...)` take is what a Behaviour has."""
    assert set(Changes.__annotations__) == set(fields_dict(Behaviour))


@pytest.mark.asyncio
async def test_it_can_be_read(box: Sandbox) -> None:
    """`GET /_sandbox/behaviour` gives every field, without a token."""
    reply = await ask(box, "/_sandbox/behaviour", origin=box.origin, headers={})
    assert reply.body == asdict(Behaviour())


def test_an_argument_is_the_behaviour() -> None:
    """A keyword of `Sandbox(...)` is a field of its behaviour."""
    assert Sandbox(latency=0.5, order="-id").behaviour == Behaviour(latency=0.5, order="-id")


@pytest.mark.parametrize("changes", [{"latency": -1}, {"order": "size"}, {"burst": 0}, {"auth": "basic"}])
def test_a_senseless_value(changes: Changes) -> None:
    """A value that makes no sense is refused before anything starts, and by behave()."""
    with pytest.raises(ValueError, match=next(iter(changes))):
        Sandbox(**changes)
    with pytest.raises(ValueError, match=next(iter(changes))):
        Sandbox().behave(**changes)


@pytest.mark.asyncio
async def test_it_changes_for_the_next_request(box: Sandbox) -> None:
    """behave() counts from the next request on, and leaves the other fields alone."""
    box.behave(max_per_page=2)
    box.behave(latency=0.001)
    assert (await ask(box, "/conversations")).body["rows_per_page"] == 2


@pytest.mark.asyncio
async def test_it_can_be_patched(box: Sandbox) -> None:
    """`PATCH /_sandbox/behaviour` changes what it names and gives the whole."""
    assert await patch(box, b'{"max_per_page": 3, "count_cap": null}') == (200, asdict(Behaviour(max_per_page=3)))
    assert box.behaviour == Behaviour(max_per_page=3)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ('{"speed": 1, "max_per_page": 2}', ["speed"]),
        ('{"latency": -1, "burst": "two", "max_per_page": 2}', ["latency", "burst"]),
        ('{"order": "size"}', ["order"]),
        ('{"auth": "basic"}', ["auth"]),
        ('{"fractions": null}', ["fractions"]),
        ("[]", ["body"]),
        ("{", ["body"]),
        ("", ["body"]),
    ],
)
async def test_a_wrong_patch(box: Sandbox, body: str, parameters: list[str]) -> None:
    """A patch with an unknown field or a wrong value is a 422 that says why, and changes nothing."""
    status, answer = await patch(box, body.encode())
    assert (status, [error["parameter"] for error in answer["errors"]]) == (422, parameters)
    assert all(error["message"] for error in answer["errors"])
    assert box.behaviour == Behaviour()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("auth", "query", "headers"),
    [
        ("header:X-Token", "", {"X-Token": "t"}),
        ("query:key", "?key=t", {}),
        ("bearer", "", {"Authorization": "Bearer t"}),
    ],
)
async def test_the_token_moves(auth: str, query: str, headers: dict[str, str]) -> None:
    """The place of the token can be changed while it runs."""
    with Sandbox(conversations=0, token="t", auth="header:X-First") as box:
        assert (await ask(box, f"/models{query}", headers=headers)).status == 401
        assert (await patch(box, json.dumps({"auth": auth}).encode()))[0] == 200
        assert (await ask(box, f"/models{query}", headers=headers)).status == 200


@pytest.mark.asyncio
async def test_a_control_body_that_is_too_large(box: Sandbox) -> None:
    """A control route takes a megabyte at most, and says so."""
    status, answer = await patch(box, b" " * (2**20 + 1))
    assert (status, bool(answer["message"])) == (413, True)
