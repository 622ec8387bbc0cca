"""Delivery: an answer goes over a connection, as aiohttp sends it or byte by byte past aiohttp."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web

from asyncchat.sandbox.serving.answers import Answer, Raw, Stream
from asyncchat.sandbox.serving.latency import pieces

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from asyncchat.sandbox.serving.answers import Pace

_NO_LINGER: Final = struct.pack("ii", 1, 0)
_BODILESS: Final = frozenset({204, 304})


async def deliver(
    answer: Answer | Raw | Stream, request: web.BaseRequest, headers: dict[str, str]
) -> web.StreamResponse:
    """Send an answer, or give the response that aiohttp is to send.

    Args:
        answer: What to send.
        request: Whom to.
        headers: Those that every answer has.
    """
    if isinstance(answer, Stream):
        return await _stream(answer, request, headers)
    if isinstance(answer, Raw):
        return await _past_aiohttp(answer, request, headers)
    merged = headers | dict(answer.headers)
    if answer.pace is None or not answer.body or answer.status in _BODILESS:
        return web.Response(body=answer.body, status=answer.status, headers=merged)
    return await _trickle(answer.body, answer.pace, request, web.StreamResponse(status=answer.status, headers=merged))


async def _stream(stream: Stream, request: web.BaseRequest, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers | {"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    async for chunk in stream.chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


async def _trickle(
    body: bytes, pace: Pace, request: web.BaseRequest, response: web.StreamResponse
) -> web.StreamResponse:
    response.content_length = len(body)
    await response.prepare(request)
    begun = asyncio.get_running_loop().time()
    for number, piece in enumerate(pieces(body, pace), start=1):
        await asyncio.sleep(begun + number * pace.pause - asyncio.get_running_loop().time())
        await response.write(piece)
    await response.write_eof()
    return response


class _Sent(web.StreamResponse):
    """What aiohttp is given when everything has been sent already: it only has to close the connection."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002 - nothing is left
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        pass


async def _past_aiohttp(raw: Raw, request: web.BaseRequest, headers: dict[str, str]) -> web.StreamResponse:
    transport = request.transport
    if raw.ending == "wait":
        await asyncio.get_running_loop().create_future()  # cancelled with the connection
    if transport is not None:
        transport.set_write_buffer_limits(high=0)
        transport.write(head(raw, headers) + raw.payload if raw.status else b"")
        await request.writer.drain()
        if raw.ending == "reset":
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()
    return _Sent()


def head(raw: Raw, headers: dict[str, str]) -> bytes:
    """The first line and the headers of a raw answer.

    Args:
        raw: The answer.
        headers: Those that every answer has.
    """
    status = raw.status or 0
    own = {name for name, _ in raw.headers}
    pairs = [pair for pair in headers.items() if pair[0] not in own]
    lines = [f"{name}: {value}\r\n" for name, value in (*pairs, *raw.headers)]
    reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return f"HTTP/1.1 {status} {reason}\r\n{''.join(lines)}Connection: close\r\n\r\n".encode()
