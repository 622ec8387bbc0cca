"""The process of a page server: `python -m benchmarks.kit.server [SOURCE, LATENCY, OPTIONS]`, as JSON.

It does as little as a server can, so that it is not what is measured: an answer is made at the first request for it,
and its bytes are written again at the next. `/requests` tells how many requests came, and counts anew.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, cast

from benchmarks.kit.account import NOW, account
from benchmarks.kit.answers import answers
from benchmarks.kit.listings import listings
from benchmarks.kit.loops import best_loop, make_loop
from benchmarks.kit.made import Made, Make

PREFIX: Final = "/v1"
ROOM: Final = 2**30
"""Bytes of answers that are kept."""
_SOURCES: Final[Mapping[str, Callable[..., Make]]] = MappingProxyType(
    {"account": account, "answers": answers, "listings": listings}
)


class Shelf:
    """Answers that were made."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._kept: dict[bytes, bytes] = {}
        self._size = 0
        self.requests = 0

    def take(self, target: bytes) -> bytes:
        """The answer to a target, all its bytes."""
        if target == b"/requests":
            count, self.requests = self.requests, 0
            return _written(Made(200, json.dumps(count).encode()))
        self.requests += 1
        kept = self._kept.get(target)
        if kept is None:
            kept = _written(self._make(target.decode()))
            self._size += len(kept)
            if self._size <= ROOM:
                self._kept[target] = kept
        return kept


def _written(made: Made) -> bytes:
    head = (
        f"HTTP/1.1 {made.status} {HTTPStatus(made.status).phrase}\r\nDate: {formatdate(NOW, usegmt=True)}\r\n"
        f"Content-Type: application/json\r\n{made.headers}Content-Length: {len(made.body)}\r\n\r\n"
    )
    return head.encode() + made.body


class _Answering(asyncio.Protocol):
    """Answers each request of a connection, after some seconds."""

    def __init__(self, shelf: Shelf, latency: float) -> None:
        self._shelf = shelf
        self._latency = latency
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._head.endswith(b"\r\n\r\n"):
            return
        target, self._head = self._head.split(b" ", 2)[1], b""
        answer = self._shelf.take(target)
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
        else:
            self._transport.write(answer)


async def _serve(source: str, latency: float, options: dict[str, float]) -> None:
    shelf = Shelf(_SOURCES[source](**options))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answering(shelf, latency), "127.0.0.1", 0, backlog=512)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps(f"http://127.0.0.1:{port}{PREFIX}"), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until it is killed, on uvloop where that is installed."""
    source, latency, options = json.loads(sys.argv[1])
    with asyncio.Runner(loop_factory=make_loop(best_loop())) as runner:
        runner.run(_serve(source, latency, options))


if __name__ == "__main__":
    main()
