"""Answers that are garbage, cut off, endless or bombs, over real sockets."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
from rawserver import GET, answer_to, client_of, failure_of, http, serving

from asyncchat import APIConnectionError, APIStatusError, AsyncChatError, DecodeError

if TYPE_CHECKING:
    import asyncio

GARBAGE = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": http(b'{"data": [', length=1_000),
    "no http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "other words": b"220 mail ESMTP\r\n\r\n",
    "http 0.9": b"<html>hello</html>",
    "a bad status": b"HTTP/1.1 abc OK\r\n\r\n",
    "a big status": b"HTTP/1.1 99999 OK\r\n\r\n",
    "a bad length": http(b"{}").replace(b"2\r\n", b"two\r\n", 1),
    "a negative length": http(b"{}", length=-5),
    "two lengths": http(b"{}", "Content-Length: 5"),
    "length and chunks": http(b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    "a bad header": http(b"{}", "no colon here"),
    "a bad header name": http(b"{}", "bad name: x"),
    "a bare line end": http(b"{}", "X: a\rb"),
    "NUL in a header": http(b"{}", "X: a\0b"),
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a cut chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{}",
    "a bad chunk end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}zz0\r\n\r\n",
    "no gzip": http(b"{}", "Content-Encoding: gzip"),
    "broken deflate": http(b"\x78\x9c\xff\xff\xff\xff", "Content-Encoding: deflate"),
    "a 1 MB header": http(b"{}", "X: " + "a" * 2**20),
    "10,000 headers": http(b"{}", *[f"X-{i}: {'a' * 100}" for i in range(10_000)]),
    "a long status line": b"HTTP/1.1 200 " + b"a" * 2**20 + b"\r\n\r\n",
    "an endless trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 200_000,
    "an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nxxx",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in GARBAGE.items()])
async def test_garbage(raw: bytes) -> None:
    """What is no whole, proper HTTP answer is a typed error after a request that was sent."""
    error = await failure_of(raw, timeout=5)
    assert isinstance(error, APIConnectionError | APIStatusError), repr(error)
    if isinstance(error, APIConnectionError):
        assert (error.sent, error.method, error.path) == (True, "GET", "/x")


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["br", "zstd", "unheard-of"])
async def test_encodings_that_were_not_asked_for(encoding: str) -> None:
    """A body in an encoding that cannot be read ends in a typed error, or in bytes that are no JSON."""
    with pytest.raises(AsyncChatError):
        (await answer_to(http(b"\x00\x01\x02", f"Content-Encoding: {encoding}"))).json()


@pytest.mark.asyncio
async def test_a_body_as_large_as_allowed() -> None:
    """A body of `max_body` bytes is read."""
    assert (await answer_to(http(b"x" * 1_000), max_body=1_000)).body == b"x" * 1_000


@pytest.mark.asyncio
@pytest.mark.parametrize("length", [1_001, 2**40])
async def test_a_body_that_is_too_large(length: int) -> None:
    """A larger body is refused, with what to do about it."""
    error = await failure_of(http(b"x" * 1_001, length=length), max_body=1_000)
    assert isinstance(error, DecodeError)
    assert "per_page=" in str(error)
    assert not error.retryable


@pytest.mark.asyncio
async def test_an_endless_body() -> None:
    """A body without an end is left at the limit."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 2**16)
            await writer.drain()

    assert isinstance(await failure_of(endless, max_body=2**20), DecodeError)


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    block = bytes(2**20)
    return b"".join([*(packer.compress(block) for _ in range(size)), packer.flush()])


@pytest.mark.asyncio
async def test_a_gzip_bomb() -> None:
    """256 MiB in a quarter of a MiB are refused at the limit, without being inflated further."""
    raw = http(bomb(256), "Content-Encoding: gzip")
    async with serving(raw) as server, client_of(server.base_url, max_body=2**20) as chat:
        tracemalloc.start()
        try:
            with pytest.raises(DecodeError, match="larger than max_body"):
                await chat.request(GET)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 16 * 2**20


@pytest.mark.asyncio
async def test_half_a_gzip_stream_is_no_json() -> None:
    """A compressed body that was cut before it was sent is refused when it is read, and may be asked for again."""
    whole = gzip.compress(b'{"data": [' + b"1, " * 1_000 + b"1]}")
    with pytest.raises(DecodeError) as caught:
        (await answer_to(http(whole[:-12], "Content-Encoding: gzip"))).json()
    assert caught.value.retryable
