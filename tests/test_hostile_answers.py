"""HTTP that no careful server speaks: refused by name, or read as what it plainly says; soon, and in little memory."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from rawserver import GET, answer_to, client_of, failure_of, http, serving

from asyncchat import APIConnectionError, APIStatusError, APITimeoutError, AsyncChatError, DecodeError, ServerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.usefixtures("any_way")

LINE = b"HTTP/1.1 200 OK\r\n"
CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"
JSON = http(b"{}")

REFUSED = {
    "chunk of a negative size": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "chunk of a signed size": CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n",
    "chunk of 2^80 bytes": CHUNKED + b"f" * 20 + b"\r\nhello",
    "chunk size with 0x": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "length of 10^30": http(b"{}", length=10**30),
    "signed length": JSON.replace(b": 2", b": +2"),
    "hex length": JSON.replace(b": 2", b": 0x2"),
    "empty length": JSON.replace(b": 2", b": "),
    "arabic length": JSON.replace(b": 2", b": \xd9\xa2"),
    "list of lengths": JSON.replace(b": 2", b": 2, 2"),
    "two lengths": http(b"{}", "Content-Length: 5"),
    "two equal lengths": http(b"{}", "Content-Length: 2"),
    "length and chunks": http(b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    "status 99": http(status="99 x"),
    "status 1000": http(status="1000 x"),
    "status -1": http(status="-1 x"),
    "status 2e2": http(status="2e2 x"),
    "http 0.9": b"<html>",
    "http 9.9": JSON.replace(b"1.1", b"9.9"),
    "http in lower case": JSON.replace(b"HTTP", b"http"),
    "NUL in a header": http(b"{}", "X: a\0b"),
    "NUL in a name": http(b"{}", "X\0: a"),
    "space before a colon": http(b"{}", "X : a"),
    "10,000 cookies": http(b"{}", *["Set-Cookie: a=b"] * 10_000),
    "100 with a body": b"HTTP/1.1 100 C\r\nContent-Length: 5\r\n\r\nhello" + JSON,
    "location of 1 MB": http(b"", "Location: /" + "a" * 2**20, status="302 Found"),
    "body of a 204": http(b"{}", status="204 No Content"),
}

READ = {
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + JSON,
    "many continues": b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000 + JSON,
    "bytes in the reason": JSON.replace(b"OK", b"\xff\xfe"),
    "no reason": JSON.replace(b" OK", b""),
    "bytes in a header": http(b"{}", "X: \xff\xfe"),
    "folded header": http(b"{}", "X: a\r\n b"),
    "chunk extension": CHUNKED + b"2;a=b\r\n{}\r\n0\r\n\r\n",
    "chunks twice": CHUNKED.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") + b"2\r\n{}\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"2\r\n{}\r\n0\r\nX: y\r\nContent-Encoding: br\r\n\r\n",
    "an answer behind it": JSON + http(b'"theirs"'),
    "an upgrade that nobody asked for": http(b"{}", "Upgrade: h2c", "Connection: upgrade"),
    "cookies that are none": http(b"{}", "Set-Cookie: \x01=;;;=,", *["Set-Cookie: a=b; Max-Age=" + "9" * 99] * 50),
    "headers that are none": http(b"{}", 'Content-Type: ;;;="', "Link: <<<>>>;", "Keep-Alive: timeout=-1, max=x"),
}

ENDLESS = {
    "junk": (b"", b"\0" * 2**16),
    "line ends": (b"", b"\r\n" * 2**15),
    "a status line": (b"HTTP/1.1 200 ", b"a" * 2**16),
    "headers": (LINE, b"X: y\r\n" * 1_000),
    "a header": (LINE + b"X: ", b"a" * 2**16),
    "continues": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1_000),
    "a chunk size": (CHUNKED, b"0" * 2**16),
    "a chunk extension": (CHUNKED + b"2;", b"a" * 2**16),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n" * 1_000),
    "a trailer": (CHUNKED + b"0\r\nX: ", b"y" * 2**16),
    "chunks of a byte": (CHUNKED, b"1\r\nx\r\n" * 5_000),
    "members of nothing": (LINE + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"") * 1_000),
}


def named(cases: dict[str, Any]) -> list[Any]:
    return [pytest.param(case, id=name) for name, case in cases.items()]


@pytest.mark.asyncio
@pytest.mark.parametrize("raw", named(REFUSED))
async def test_what_is_no_proper_http(raw: bytes) -> None:
    """What leaves doubt about where an answer begins or ends is refused, after a request that was sent (rows 2, 21)."""
    error = await failure_of(raw, timeout=5)
    assert type(error) is APIConnectionError
    assert (error.sent, error.retryable) == (True, True)


@pytest.mark.asyncio
@pytest.mark.parametrize("raw", named(READ))
async def test_what_is_odd_but_plain(raw: bytes) -> None:
    """What is odd, and yet says plainly what the answer is, is read (row 24)."""
    assert (await answer_to(raw, timeout=5)).json() == {}


def without_end(head: bytes, more: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(more)
            await writer.drain()

    return answer


@pytest.mark.asyncio
@pytest.mark.parametrize("parts", named(ENDLESS))
async def test_what_never_ends(parts: tuple[bytes, bytes]) -> None:
    """An answer whatever part of which has no end is refused, or left when the time is up, in 16 MiB (20, 21, 22)."""
    async with serving(without_end(*parts)) as server, client_of(server.base_url, timeout=0.3, max_body=2**20) as chat:
        tracemalloc.start()
        try:
            with pytest.raises((APIConnectionError, DecodeError)) as caught:
                await chat.request(GET)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 16 * 2**20
    assert "x" * 100 not in str(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", ["000", "099", "101", "600", "999"])
async def test_a_status_that_there_is_not(status: str) -> None:
    """A status outside the classes that a call can end with is told as a failure of the server's."""
    error = await failure_of(http(status=f"{status} x"), timeout=5)
    assert isinstance(error, APIStatusError)
    assert error.status == int(status)
    assert "The server failed" in str(error)


@pytest.mark.asyncio
async def test_an_answer_before_the_request() -> None:
    """An answer that comes before the request is an answer, or none: the call ends either way."""
    async with serving(http(b'"early"'), early=True) as server, client_of(server.base_url, timeout=5) as chat:
        try:
            found = (await chat.request(GET)).json()
        except AsyncChatError as error:
            found = type(error)
    assert found in {"early", APIConnectionError}


@pytest.mark.asyncio
async def test_a_reason_that_hurts_a_terminal() -> None:
    """The reason phrase of an error is not shown: it may hold escape sequences."""
    error = await failure_of(http(status="500 \x1b]52;c;eA==\x07"))
    assert isinstance(error, ServerError)
    assert "\x1b" not in str(error)


@pytest.mark.asyncio
async def test_one_byte_now_and_then() -> None:
    """A server that sends a byte before the idle time is over, again and again, is left when the attempt's is (22)."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(http(b"", length=1_000))
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    assert isinstance(await failure_of(drip, timeout=0.1), APITimeoutError)
