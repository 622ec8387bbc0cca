"""The client against a hostile server: a typed error or the stated result, in a bounded number of requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hostile import CONVERSATIONS, TOKEN, check_shown, client_of, counted, failure_of, ids_under, named, truth
from rawserver import serving

from asyncchat import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncChatError,
    AuthenticationError,
    ConflictError,
    DecodeError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from asyncchat.sandbox import Fault, Sandbox

DIGITS = "9" * 5_000


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(models=3, conversations=CONVERSATIONS, messages_mean=2, token=TOKEN) as box:
        yield box


@pytest.fixture
def box(running: Sandbox) -> Sandbox:
    running.clear_faults()
    return running


# ---- statuses


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["json", "html", "empty", "answer"])
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524, 408, 425])
async def test_a_status_that_may_pass(box: Sandbox, status: int, form: Any) -> None:
    """A failure of the server is tried as often as allowed, whatever its body is, and told by its status."""
    error, sent = await failure_of(box, Fault("status", status=status, form=form))
    assert isinstance(error, ServerError if status >= 500 else APIStatusError)
    assert (error.status, error.attempts, sent) == (status, 3, 3)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (418, APIStatusError),
        (422, InvalidRequestError),
        (501, ServerError),
        (599, ServerError),
    ],
)
async def test_a_status_that_stays(box: Sandbox, status: int, kind: type[AsyncChatError]) -> None:
    """A refusal is told at once, by its own class."""
    error, sent = await failure_of(box, Fault("status", status=status))
    assert (type(error), sent) == (kind, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["json", "html", "empty", "answer"])
@pytest.mark.parametrize("status", [201, 204, 206, 304])
async def test_a_success_that_brings_nothing(box: Sandbox, status: int, form: Any) -> None:
    """A success other than 200 is no page, even with a page in it (row 29)."""
    error, sent = await failure_of(box, Fault("status", status=status, form=form))
    assert isinstance(error, DecodeError)
    assert (f"status is {status}" in str(error), sent) == (True, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_origin(box: Sandbox, status: int) -> None:
    """A redirect is an error; the other origin is not asked, so it gets no token (row 23)."""
    async with serving(b"") as elsewhere:
        error, sent = await failure_of(box, Fault("redirect", status=status, location=f"{elsewhere.base_url}/v1"))
    assert isinstance(error, APIStatusError)
    assert (error.status, sent, elsewhere.heads) == (status, 1, [])


@pytest.mark.asyncio
async def test_a_redirect_loop(box: Sandbox) -> None:
    """A redirect to itself is told at once (row 23)."""
    error, sent = await failure_of(box, Fault("redirect-loop"))
    assert (type(error), "in a loop" in str(error), sent) == (APIStatusError, True, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    ["nan", "inf", "-1", "1e309", "5, 10", "0x10", "\u0665", "1_000", "1.5", "+1", "Fri, 31 Dec 99999 23:59:59 GMT"],
)
async def test_a_retry_after_that_says_nothing(box: Sandbox, text: str) -> None:
    """A Retry-After in no agreed form counts as absent (row 25)."""
    error, sent = await failure_of(box, Fault("status", status=429, retry_after=text))
    assert isinstance(error, RateLimitError)
    assert (error.retry_after, sent) == (None, 3)


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["0", "Fri, 31 Dec 1999 23:59:59 GMT"])
async def test_a_retry_after_that_is_over(box: Sandbox, text: str) -> None:
    """A Retry-After of no time, or in the past, asks for no wait (row 25)."""
    error, sent = await failure_of(box, Fault("status", status=429, retry_after=text))
    assert isinstance(error, RateLimitError)
    assert (error.retry_after, sent) == (0, 3)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [429, 500])
async def test_a_retry_after_of_days(box: Sandbox, status: int) -> None:
    """A server that asks to stay away for 114 hours is not asked again, and the caller is told (row 26)."""
    box.faults(Fault("status", status=status, retry_after="410400"))
    before = counted(box)
    async with client_of(box) as chat:
        with pytest.raises(APIStatusError) as caught:
            await chat.conversations.list().collect()
    check_shown(caught.value)
    assert (caught.value.status, caught.value.retry_after, counted(box) - before) == (status, 410_400, 1)


# ---- connections


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["reset", "reset-inside", "truncated", "content-length", "bad-chunk"])
async def test_a_broken_answer(box: Sandbox, kind: Any) -> None:
    """A connection that breaks is tried again as often as allowed, and told (row 2)."""
    error, sent = await failure_of(box, Fault(kind))
    assert isinstance(error, APIConnectionError)
    assert (error.attempts, error.sent, sent) == (3, True, 3)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["reset", "reset-inside", "truncated", "content-length", "bad-chunk", "html"])
async def test_one_broken_answer(box: Sandbox, kind: Any) -> None:
    """A page that breaks once is read again, and every row is there once (row 2)."""
    ids, sent = await ids_under(box, Fault(kind, page=2, nth=1))
    assert (sorted(ids), sent) == (sorted(truth(box)), 4)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["silence", "slow"])
async def test_an_answer_that_takes_for_ever(box: Sandbox, kind: Any) -> None:
    """No answer, or one byte now and then, is a timeout, at each attempt (row 22)."""
    error, sent = await failure_of(box, Fault(kind, seconds=60, times=2), retry=1, timeout=0.3)
    assert isinstance(error, APITimeoutError)
    assert (error.attempts, sent) == (2, 2)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["huge-header", "many-headers", "trailers"])
async def test_headers_without_end(box: Sandbox, kind: Any) -> None:
    """Headers beyond reason are refused (row 21)."""
    error, sent = await failure_of(box, Fault(kind))
    assert (type(error), sent) == (APIConnectionError, 3)


@pytest.mark.asyncio
async def test_a_flood_of_cookies(box: Sandbox) -> None:
    """Cookies are ignored (row 24)."""
    assert await ids_under(box, Fault("cookies", size=50)) == await ids_under(box)


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_bomb(box: Sandbox, encoding: Any) -> None:
    """A body that inflates past `max_body` is refused, once (row 20)."""
    error, sent = await failure_of(box, Fault("bomb", encoding=encoding, size=2**23))
    assert (type(error), "larger than max_body" in str(error), sent) == (DecodeError, True, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [Fault("nested-encoding"), Fault("bomb", encoding="zstd")], ids=named)
async def test_an_encoding_that_was_not_asked_for(box: Sandbox, fault: Fault) -> None:
    """Encodings on top of each other, and those that were not asked for, are refused by their names, once (row 20)."""
    error, sent = await failure_of(box, fault)
    assert (type(error), "which was not asked for" in str(error), sent) == (DecodeError, True, 1)


# ---- bodies


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(kind) for kind in ("html", "empty", "invalid-json", "deep", "utf-16", "latin-1")),
        *(Fault("body", value=text) for text in ("\0", '{"data":[]} x', DIGITS, f'{{"token": "{TOKEN}"', f"<{TOKEN}>")),
        *(Fault("envelope", name="total_rows", value=text) for text in ("nan", DIGITS, "1,", "01")),
    ],
    ids=named,
)
async def test_a_body_that_is_no_json(box: Sandbox, fault: Fault) -> None:
    """What is no JSON in UTF-8 is asked for twice; the error says what came, and keeps nothing of it (1, 4, 18, 19)."""
    error, sent = await failure_of(box, fault)
    assert (type(error), "is not JSON but" in str(error), sent) == (DecodeError, True, 2)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("{}", "$.data"),
        ("[]", "$"),
        ("null", "$"),
        ("1", "$"),
        ('"x"', "$"),
        ('{"data": null}', "$.data"),
        ('{"data": {}}', "$.data"),
        (f'["{TOKEN}"]', "$"),
    ],
)
async def test_a_body_of_another_shape(box: Sandbox, body: str, path: str) -> None:
    """JSON of another shape is told at once, with the path (row 3)."""
    error, sent = await failure_of(box, Fault("body", value=body))
    assert isinstance(error, DecodeError)
    assert (error.paths[0], sent) == (path, 1)
