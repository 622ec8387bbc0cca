"""A server that answers with whatever bytes a test likes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from attrs import field, frozen

from asyncchat import AsyncChatError, AsyncClient, Request, Response

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable


@frozen
class RawServer:
    """Where it listens, and the head of each request that it got."""

    base_url: str
    heads: list[bytes] = field(factory=list, repr=False)


@asynccontextmanager
async def serving(
    answer: bytes | Callable[[asyncio.StreamWriter], Awaitable[None]],
    *,
    tls: ssl.SSLContext | None = None,
    early: bool = False,
) -> AsyncIterator[RawServer]:
    """Answer each connection's first request, with bytes or by a function, and hang up; `early`: before it."""
    heads: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            if not early:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield RawServer(f"{'https' if tls else 'http'}://127.0.0.1:{port}", heads)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def routing(**answers: bytes) -> AsyncIterator[RawServer]:
    """Answer by the last part of the path that is asked."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        path = urlsplit(server.heads[-1].split()[1].decode()).path
        writer.write(answers[path.rpartition("/")[2]])
        await writer.drain()

    async with serving(answer) as server:
        yield server


def http(body: bytes = b"{}", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP answer; `length` may lie."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


GET = Request("GET", "/x")
SECRET = "s3cr3t-token"


def client_of(base_url: str, **options: Any) -> AsyncClient:
    return AsyncClient(base_url, **{"token": SECRET, "retry": 0, **options})


async def answer_to(raw: bytes | Callable[[asyncio.StreamWriter], Any], **options: Any) -> Response:
    async with serving(raw) as server, client_of(server.base_url, **options) as chat:
        return await chat.request(GET)


async def failure_of(raw: bytes | Callable[[asyncio.StreamWriter], Any], **options: Any) -> AsyncChatError:
    with pytest.raises(AsyncChatError) as caught:
        await answer_to(raw, **options)
    shown = f"{caught.value!r} {vars(caught.value)}"
    assert SECRET not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "the context's exception would hold the headers"
    return caught.value
