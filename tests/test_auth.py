"""The token: where it goes, and that it is shown nowhere else."""

from __future__ import annotations

import base64
import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from answers import mock, model
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import (
    APIConnectionError,
    AsyncChatError,
    Auth,
    BearerAuth,
    ConfigurationError,
    DecodeError,
    HeaderAuth,
    QueryAuth,
    Request,
    Response,
)
from asyncchat._policy.auth import make_auth, redact
from asyncchat._policy.secret import Token, _Finder
from asyncchat.testing import json_response

if TYPE_CHECKING:
    from collections.abc import Generator

SECRET = "s3cr3t+/=token"
GET = Request("GET", "/models/1")
FLOWS: list[Auth] = [
    BearerAuth(Token(SECRET)),
    HeaderAuth("X-Token", Token(SECRET)),
    QueryAuth("api_key", Token(SECRET)),
]


def authorised(auth: Auth) -> Request:
    return next(auth.auth_flow(GET))


def test_bearer() -> None:
    """The bearer flow sets the header Authorization."""
    assert authorised(FLOWS[0]).headers == (("Authorization", f"Bearer {SECRET}"),)


def test_named_header() -> None:
    """The header flow sets a header of that name to the token alone."""
    assert authorised(FLOWS[1]).headers == (("X-Token", SECRET),)


def test_query_parameter() -> None:
    """The query flow sets a parameter, escaped."""
    assert authorised(FLOWS[2]).query == "api_key=s3cr3t%2B%2F%3Dtoken"


@pytest.mark.parametrize("auth", FLOWS)
@pytest.mark.parametrize("show", [repr, str, "{}".format, lambda value: f"{value!r:>200}"])
def test_a_flow_does_not_show_its_token(auth: Any, show: Any) -> None:
    """Neither repr, str nor format of a flow, its token or the request that it makes shows the token."""
    for value in (auth, auth.token, authorised(auth)):
        assert SECRET not in show(value)


@pytest.mark.parametrize("make", [pickle.dumps, copy.deepcopy, copy.copy])
def test_a_token_is_not_pickled(make: Any) -> None:
    """A token does not leave the process in a pickle or a copy."""
    with pytest.raises(TypeError, match="not pickled"):
        make(Token(SECRET))


def test_space_around_a_token_is_dropped() -> None:
    """A token read from a file with its line end is the token."""
    assert Token(f"  {SECRET}\r\n").reveal() == SECRET


@pytest.mark.parametrize("text", ["", "   ", "a b", "a\nb", "a\r\nX: y", "tökén", "a\x00b", "a\x7f", "a\u2028b"])
def test_tokens_that_are_refused(text: str) -> None:
    """A token that cannot stand in a header is refused, without showing it."""
    with pytest.raises(ConfigurationError) as caught:
        Token(text)
    assert not text.strip() or text not in str(caught.value)


@pytest.mark.parametrize("value", [None, b"token", 5])
def test_a_token_is_a_text(value: Any) -> None:
    """Something else is not turned into a token: a variable that is not set does not become "None"."""
    with pytest.raises(ConfigurationError, match="must be a text"):
        BearerAuth(value)


def test_a_flow_brings_its_own_token() -> None:
    """A flow is taken as it is."""
    assert make_auth(FLOWS[1], None) is FLOWS[1]


ECHOES = [
    pytest.param(lambda text: Response(status=500, body=f'{{"message": "bad {text}"}}'.encode()), id="message"),
    pytest.param(lambda text: Response(status=500, body=text.encode()), id="plain body"),
    pytest.param(lambda text: Response(status=400, headers={"x-request-id": text}), id="request id"),
    pytest.param(lambda text: Response(status=200, headers={"content-type": text}, body=b"x"), id="content type"),
    pytest.param(lambda text: json_response(model(1, created_at=text)), id="value"),
    pytest.param(lambda text: APIConnectionError(f"lost {text}"), id="transport"),
    pytest.param(lambda text: Response(status=500, body=b" " * 1_990 + text.encode()), id="cut body"),
    pytest.param(lambda text: Response(status=500, body=b"m" * 290 + text.encode()), id="cut message"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("auth", FLOWS)
@pytest.mark.parametrize("spelling", [SECRET, "s3cr3t%2B%2F%3Dtoken"])
async def test_a_server_that_sends_the_token_back(echo: Any, auth: Auth, spelling: str) -> None:
    """No error, event or log holds the token, should the server repeat it."""
    told: list[Any] = []
    client, _ = mock(lambda _: echo(spelling), auth=auth, hooks=[told.append])
    with pytest.raises(AsyncChatError) as caught:
        await client.models.get(1)
    shown = f"{caught.value} {caught.value!r} {vars(caught.value)} {told}"
    assert SECRET not in shown
    assert spelling[:6] not in shown
    assert spelling.encode() not in pickle.dumps(caught.value)


@pytest.mark.parametrize(
    ("token", "text", "shown"),
    [
        ("a", "the answer", "the answer"),
        ("abc", "abc", "abc"),
        ("mock", "the mock is mocked", "the *** is mocked"),
        ("token", "tokens, token, x=token", "tokens, ***, x=***"),
        ("longtoken", "verylongtokens", "very***s"),
        ("longtoken", "LONGTOKEN l%6Fngtoken long\\u0074oken", "*** *** ***"),
    ],
)
def test_how_tokens_are_looked_for(token: str, text: str, shown: str) -> None:
    """Up to 3 characters are no secret; up to 7 are hidden as a word of their own; more are hidden anywhere."""
    error = DecodeError(text, paths=(text,))
    error.add_note(text)
    redact(BearerAuth(Token(token)), error)
    assert (str(error), error.paths, error.__notes__) == (shown, (shown,), [shown])


def test_a_text_of_backslashes_is_searched_in_no_time() -> None:
    """Looking for a token of backslashes ends, however many there are."""
    assert Token("\\" * 40).hidden_in("\\" * 39) == "\\" * 39


def test_what_stands_behind_an_error_becomes_a_note() -> None:
    """A foreign exception is kept as a text without the token, and not as an object with all its frames."""
    error = DecodeError("it broke")
    error.__context__ = OSError(f"no {SECRET}")
    redact(FLOWS[0], error)
    assert [error.__context__, *error.__notes__] == [None, "behind it: OSError: no ***"]


@pytest.mark.parametrize("token", [SECRET, Token(SECRET)])
def test_the_token_of_a_flow_of_the_users_own(token: Any) -> None:
    """A flow of the user's own that has a `token` is kept out of errors too."""

    class Own(Challenge):
        def __init__(self) -> None:
            self.token = token

    error = DecodeError(f"no {SECRET}")
    redact(Own(), error)
    assert str(error) == "no ***"


def test_a_flow_without_a_token_redacts_nothing() -> None:
    """A flow of the user's own may have no token."""
    error = DecodeError("the answer")
    redact(Challenge(), error)
    assert str(error) == "the answer"


class Challenge:
    """A flow that answers a 401 with a second request."""

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        response = yield request
        if response.status == 401:
            yield request.with_header("X-Answer", response.headers["x-nonce"])


@pytest.mark.asyncio
async def test_a_flow_may_answer_a_challenge() -> None:
    """A flow may yield again; the last answer counts."""
    script = [Response(status=401, headers={"X-Nonce": "n"}), json_response(model(1))]
    client, transport = mock(script, auth=Challenge())
    assert (await client.models.get(1)).id == 1
    assert [request.headers for request in transport.requests] == [(), (("X-Answer", "n"),)]


@given(st.data())
def test_the_short_way_through_plain_texts_finds_what_the_long_way_finds(data: st.DataObject) -> None:
    """Most texts have no escape: in them a token is looked for without a pattern."""
    secret = data.draw(st.text("aKs-._~%&\\'\"9", min_size=4, max_size=12), label="token")
    coded = [base64.b64encode(b"x" * shift + secret.encode()).decode() for shift in range(3)]
    piece = st.sampled_from([secret, secret.upper(), secret.swapcase(), secret.replace("K", "\u212a"), *coded])
    pieces = data.draw(st.lists(piece | st.text("aK s-/+=\\&%\0\u017f", max_size=6), max_size=6), label="text")
    text = "".join(pieces)
    assert Token(secret).hidden_in(text) == _Finder.of(secret).pattern.sub("***", text)
