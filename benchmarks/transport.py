"""What a call of the client costs in CPU over a bare `session.get` and `read` of the same answer.

The server is a process of its own, so that its work is not counted. The two ways take turns, in an order that changes
from round to round; the figures are medians of rounds, in microseconds of this process's CPU for a call. The answers
are an empty object, which shows the bare cost of a call, and a page of 100 rows, plain and as gzip.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gzip
import json
import pstats
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

import aiohttp

from asyncchat import AsyncClient, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BOUND: Final = 60.0
"""Microseconds of CPU for a call that the pipeline may cost."""

ROW: Final = {
    "id": 1,
    "model_id": 7,
    "model_name": "model",
    "created_at": "2025-05-05T05:05:05+0700",
    "updated_at": "2025-05-05T05:05:05+0700",
    "platform": "web",
    "platform_user_id": "u-1",
}
PAGE: Final = json.dumps(
    {
        "data": [{**ROW, "id": number} for number in range(100)],
        "page": 1,
        "rows_per_page": 100,
        "total_pages": 1,
        "total_rows": 100,
    }
).encode()
ANSWERS: Final = {
    "empty": (b"{}", ""),
    "page": (PAGE, ""),
    "page-gzip": (gzip.compress(PAGE, 6), "Content-Encoding: gzip\r\n"),
}


def main() -> None:
    """Print one line for each answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300, help="in a round, of each way")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", action="store_true", help="show where the client's calls spend their time")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(_serve())
        return
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)  # noqa: S603 - itself
    try:
        assert server.stdout is not None
        base_url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        asyncio.run(_profile(base_url, given.calls) if given.profile else _compare(base_url, given.calls, given.rounds))
    finally:
        server.terminate()
        server.communicate()


async def _serve() -> None:
    """Answer each request with what its path names, on connections that are kept."""
    ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    answers = {
        name.encode(): f"{ok}{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        for name, (body, head) in ANSWERS.items()
    }

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(answers[head.split(b" ", 2)[1].strip(b"/")])
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


async def _compare(base_url: str, calls: int, rounds: int) -> None:
    async with AsyncClient(base_url, token="t0ken") as chat, aiohttp.ClientSession() as session:  # noqa: S106 - made up
        for name in ANSWERS:
            taken: dict[str, list[float]] = {"bare": [], "client": []}
            ways = [("bare", _bare(session, f"{base_url}/{name}")), ("client", _called(chat, f"/{name}"))]
            for _ in range(rounds + 1):
                ways.reverse()
                for way, call in ways:
                    taken[way].append(await _cost(call, calls))
            _report(name, taken)


def _bare(session: aiohttp.ClientSession, url: str) -> Callable[[], Awaitable[bytes]]:
    async def call() -> bytes:
        async with session.get(url) as answer:
            return await answer.read()

    return call


def _called(chat: AsyncClient, path: str) -> Callable[[], Awaitable[bytes]]:
    async def call() -> bytes:
        return (await chat.request(Request("GET", path))).body

    return call


async def _cost(call: Callable[[], Awaitable[bytes]], calls: int) -> float:
    """Microseconds of this process's CPU for a call."""
    began = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - began) / calls * 1e6


def _report(name: str, taken: dict[str, list[float]]) -> None:
    bare, client = (statistics.median(taken[way][1:]) for way in ("bare", "client"))  # the first round warms up
    over = statistics.median(mine - theirs for mine, theirs in zip(taken["client"][1:], taken["bare"][1:], strict=True))
    print(
        f"{name:<10} bare {bare:6.1f} us   client {client:6.1f} us   over {over:6.1f} us"
        f"   ratio {client / bare:4.2f}   {'within' if over <= BOUND else 'ABOVE'} {BOUND:g} us"
    )


async def _profile(base_url: str, calls: int) -> None:
    async with AsyncClient(base_url, token="t0ken") as chat:  # noqa: S106 - made up
        call = _called(chat, "/empty")
        await _cost(call, calls)
        profile = cProfile.Profile()
        profile.enable()
        await _cost(call, calls)
        profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
