"""Answers that are garbage, cut off, endless or bombs, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib

import pytest
from rawserver import answer_to, client_of, failure_of, http, serving

from asyncchat import APIConnectionError, APIStatusError, DecodeError, Request, ServerError

pytestmark = pytest.mark.usefixtures("any_way")

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
@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "unheard-of", "gzip, gzip", "deflate,GZIP"])
async def test_encodings_that_were_not_asked_for(encoding: str) -> None:
    """A body in an encoding that is not read, or in several, is refused by the encoding's name, once (row 20)."""
    error = await failure_of(http(b"\x00\x01\x02", f"Content-Encoding: {encoding}"), retry=3)
    assert isinstance(error, DecodeError)
    assert repr(", ".join(part.strip() for part in encoding.lower().split(","))) in str(error)
    assert (error.attempts, error.retryable) == (1, False)


@pytest.mark.asyncio
async def test_encodings_in_several_headers() -> None:
    """Encodings that are named line by line are on top of each other too (row 20)."""
    error = await failure_of(http(b"\x00", "Content-Encoding: gzip", "Content-Encoding: br"))
    assert isinstance(error, DecodeError)
    assert "'gzip, br'" in str(error)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "raw",
    [
        http(b"{}", "Content-Encoding: gzip"),
        http(b"\x78\x9c\xff\xff\xff\xff", "Content-Encoding: deflate"),
        http(gzip.compress(b"{}") + b"rubbish", "Content-Encoding: gzip"),
    ],
)
async def test_a_body_that_is_not_in_its_encoding(raw: bytes) -> None:
    """A body that does not inflate is told so, and may be asked for again."""
    error = await failure_of(raw)
    assert isinstance(error, DecodeError)
    assert ("its Content-Encoding says" in str(error), error.retryable) == (True, True)


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified"])
async def test_an_empty_body_in_an_encoding(status: str, encoding: str) -> None:
    """An empty body is empty in every encoding, whatever the status."""
    answer = await answer_to(http(b"", f"Content-Encoding: {encoding}", status=status))
    assert answer.body == b""


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "br"])
async def test_the_head_of_a_packed_body(encoding: str) -> None:
    """The answer to HEAD has the encoding and length of a body that does not come."""
    raw = http(b"", f"Content-Encoding: {encoding}", length=10**9)
    async with serving(raw) as server, client_of(server.base_url) as chat:
        assert (await chat.request(Request("HEAD", "/x"))).body == b""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body", [http(b"\x00", "Content-Encoding: br", status="503 x"), http(b"x" * 2_000, status="503 x")]
)
async def test_a_status_is_told_whatever_its_body_is(body: bytes) -> None:
    """What cannot be read of an error's body does not hide its status."""
    error = await failure_of(body, max_body=1_000)
    assert isinstance(error, ServerError)
    assert (error.status, error.body) == (503, "")


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


def bomb(size: int, wbits: int) -> bytes:
    """That many MiB of zeros, packed."""
    packer = zlib.compressobj(9, wbits=wbits)
    block = bytes(2**20)
    return b"".join([*(packer.compress(block) for _ in range(size)), packer.flush()])


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_half_a_packed_stream(encoding: str) -> None:
    """A packed body that was cut before it was sent is a lost answer, worth another try."""
    whole = zlib.compress(b"1, " * 1_000, wbits=31 if encoding == "gzip" else 15)
    error = await failure_of(http(whole[:-5], f"Content-Encoding: {encoding}"))
    assert isinstance(error, APIConnectionError)
    assert ("cut off" in str(error), error.sent, error.retryable) == (True, True, True)


@pytest.mark.asyncio
async def test_packed_bytes_that_are_nothing() -> None:
    """An endless stream of packed bytes that inflate to nothing is left at the limit (row 20)."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n")
        while True:
            writer.write(b"\x00\x00\x00\xff\xff" * 2**13)  # stored blocks of no bytes
            await writer.drain()

    error = await failure_of(endless, max_body=2**20)
    assert isinstance(error, DecodeError)
    assert "larger than max_body" in str(error)


BOMB = """
import asyncio, re, resource, sys
from pathlib import Path
from asyncchat import AsyncClient, DecodeError, Request

def peak():  # in KiB; where there is no /proc, what a child inherits of its parent's peak may hide growth
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search("VmHWM:[^0-9]*([0-9]+) kB", status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)

async def main():
    async with AsyncClient(sys.argv[1], token="t0ken") as chat:
        await chat.request(Request("GET", "/before"))
        before = peak()
        try:
            await chat.request(Request("GET", "/bomb"))
        except DecodeError as error:
            print(peak() - before, error)

asyncio.run(main())
"""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("encoding", "wbits", "says"),
    [
        ("gzip", 31, "larger than max_body (33554432 bytes)"),
        ("deflate", 15, "larger than max_body (33554432 bytes)"),
        ("deflate", -15, "larger than max_body (33554432 bytes)"),
        ("gzip, gzip", 31, "'gzip, gzip', which was not asked for"),
        ("br", 31, "'br', which was not asked for"),
        ("zstd", 31, "'zstd', which was not asked for"),
    ],
)
async def test_a_bomb(encoding: str, wbits: int, says: str) -> None:
    """100 MiB in 100 KB are refused, and the process grows by less than 40 MB (row 20)."""
    raw = http(bomb(100, wbits), f"Content-Encoding: {encoding}")

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(http() if len(server.heads) == 1 else raw)
        await writer.drain()

    async with serving(answer) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", BOMB, server.base_url, stdout=asyncio.subprocess.PIPE
        )
        grown, _, error = (await process.communicate())[0].decode().partition(" ")
    assert says in error
    assert int(grown) * 1024 < 40_000_000
    assert len(server.heads) == 2
