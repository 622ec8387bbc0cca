"""What blocking code pays: the throughput of `Client` over that of `AsyncClient`, and what one call costs more.

The server is a process of its own with answers made beforehand, and answers at once or after 20 ms. Both clients read
the same listings, in turns whose order changes; the ratios are those of neighbouring turns, and their medians are
shown. Each kind of event loop has a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from asyncchat import AsyncClient, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Way = Callable[[], int]

RATIO: Final = 0.95
"""Of the asynchronous client's rows a second that the blocking one is to reach."""
OVERHEAD: Final = 200.0
"""Microseconds that a call may take longer."""
IN_TURN: Final = 20
PER_PAGE: Final = 100
LATENCIES: Final = (0.0, 0.02)
PAGES: Final = {0.0: 300, 0.02: 100}
KINDS: Final = ("messages", "conversations")
TOKEN: Final = "t0ken"  # noqa: S105 - made up


def main() -> None:
    """Print a table for each kind of event loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=300, help="single calls in a round, of each client")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), help="only this kind, in this process")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(_serve())
    elif given.loop:
        if given.loop == "uvloop":
            asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())
        _measure(given.loop, given.rounds, given.calls)
    else:
        print(f"{'loop':<8} {'latency':>7}  {'what':<14} {'async':>12}  {'sync':>12}  ratio")
        for loop in ("asyncio", "uvloop"):
            if importlib.util.find_spec(loop) is None:
                print(f"{loop} is not installed: pip install 'asyncchat[speed]'")
                continue
            subprocess.run([sys.executable, __file__, "--loop", loop, *sys.argv[1:]], check=True)  # noqa: S603 - itself


def _measure(loop: str, rounds: int, calls: int) -> None:
    with _server() as ports, asyncio.Runner() as runner:
        for latency, port in zip(LATENCIES, ports, strict=True):
            base_url = f"http://127.0.0.1:{port}"
            chat, blocking = AsyncClient(base_url, token=TOKEN), Client(base_url, token=TOKEN)
            for kind in KINDS:
                _tell(loop, latency, kind, _take_turns(_ways(runner, chat, blocking, kind), rounds))
            if not latency:
                _tell_overhead(loop, [_time_calls(runner, chat, blocking, calls) for _ in range(rounds)])
            runner.run(chat.aclose())
            blocking.close()


def _ways(runner: asyncio.Runner, chat: AsyncClient, blocking: Client, kind: str) -> tuple[Way, Way]:
    return lambda: runner.run(_walk(chat, kind)), lambda: _walk_blocking(blocking, kind)


def _take_turns(ways: tuple[Way, Way], rounds: int) -> list[tuple[float, float, int]]:
    """Seconds of the first way, of the second, and what they counted, for each round but one that warms up."""
    taken: list[tuple[float, float, int]] = []
    for turn in range(rounds + 1):
        seconds = [0.0, 0.0]
        for which in (0, 1) if turn % 2 else (1, 0):
            began = time.perf_counter()
            count = ways[which]()
            seconds[which] = time.perf_counter() - began
        taken.append((seconds[0], seconds[1], count))
    return taken[1:]


def _tell(loop: str, latency: float, kind: str, taken: list[tuple[float, float, int]]) -> None:
    first, second = (statistics.median(row[2] / row[way] for row in taken) for way in (0, 1))
    ratio = statistics.median(row[0] / row[1] for row in taken)
    verdict = "reached" if ratio >= RATIO else "MISSED"
    print(
        f"{loop:<8} {latency * 1e3:4.0f} ms  {kind:<14} {first:8,.0f} r/s  {second:8,.0f} r/s  {ratio:5.2f}"
        f"  {RATIO} {verdict}",
        flush=True,
    )


def _time_calls(runner: asyncio.Runner, chat: AsyncClient, blocking: Client, calls: int) -> tuple[float, float]:
    """Seconds that one call takes, by the median of many, of each client: some calls of the one, some of the other."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(calls // IN_TURN):
        runner.run(_get(chat, taken[0]))
        _get_blocking(blocking, taken[1])
    return statistics.median(taken[0]), statistics.median(taken[1])


def _tell_overhead(loop: str, taken: list[tuple[float, float]]) -> None:
    first, second = (statistics.median(row[way] for row in taken) * 1e6 for way in (0, 1))
    over = statistics.median(second - first for first, second in taken) * 1e6
    verdict = "within" if over <= OVERHEAD else "ABOVE"
    print(
        f"{loop:<8}    0 ms  {'models.get':<14} {first:9.0f} us  {second:9.0f} us  {over:+5.0f} us"
        f"  {verdict} {OVERHEAD:g} us",
        flush=True,
    )


async def _get(chat: AsyncClient, taken: list[float]) -> None:
    for _ in range(IN_TURN):
        began = time.perf_counter()
        await chat.models.get(1)
        taken.append(time.perf_counter() - began)


def _get_blocking(chat: Client, taken: list[float]) -> None:
    for _ in range(IN_TURN):
        began = time.perf_counter()
        chat.models.get(1)
        taken.append(time.perf_counter() - began)


async def _walk(chat: AsyncClient, kind: str) -> int:
    count = 0
    async for _row in chat.messages.list(1) if kind == "messages" else chat.conversations.list():
        count += 1
    return count


def _walk_blocking(chat: Client, kind: str) -> int:
    count = 0
    for _row in chat.messages.list(1) if kind == "messages" else chat.conversations.list():
        count += 1
    return count


@contextlib.contextmanager
def _server() -> Iterator[list[int]]:
    """The ports of a server, one for each latency."""
    process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)  # noqa: S603 - itself
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


STAMPS: Final = {"created_at": "2025-05-05T05:05:05+0700"}


def _message(number: int) -> dict[str, Any]:
    text = f"message {number}: what a customer writes, and what a bot says to it"
    return {"id": number, "seq": f"{number:026d}", "sender": "user", "message": text, **STAMPS}


def _conversation(number: int) -> dict[str, Any]:
    recent = [_message(number * 10 + offset) for offset in range(3)]
    return {
        "id": number,
        "model_id": 7,
        "model_name": "model",
        "platform": "web",
        "platform_user_id": f"u-{number}",
        "updated_at": "2025-05-06T05:05:05+0700",
        "most_recent_message": recent[-1],
        "recent_messages": recent,
        **STAMPS,
    }


def _page(make: Callable[[int], dict[str, Any]], number: int, pages: int) -> bytes:
    rows = [make(number * PER_PAGE + offset) for offset in range(PER_PAGE)]
    counts = {"page": number, "rows_per_page": PER_PAGE, "total_pages": pages, "total_rows": pages * PER_PAGE}
    return _answer({"data": rows, **counts})


def _answer(value: object) -> bytes:
    body = json.dumps(value).encode()
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class _Answering(asyncio.Protocol):
    """Answers each request with the page that it names, after some seconds."""

    def __init__(self, latency: float, pages: dict[bytes, list[bytes]], one: bytes) -> None:
        self._latency = latency
        self._pages = pages
        self._one = one
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._head.endswith(b"\r\n\r\n"):
            return
        target, self._head = self._head.split(b" ", 2)[1], b""
        path, _, query = target.partition(b"?")
        answer = self._one
        for part in query.split(b"&"):
            if part.startswith(b"page="):
                answer = self._pages[path.rpartition(b"/")[2]][int(part[5:]) - 1]
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
        else:
            self._transport.write(answer)


async def _serve() -> None:
    ports = [await _listen(latency) for latency in LATENCIES]
    print(json.dumps(ports), flush=True)
    await asyncio.Event().wait()


async def _listen(latency: float) -> int:
    """Start a server, and give its port."""
    one = _answer({"id": 1, "name": "model", **STAMPS})
    numbers = range(1, PAGES[latency] + 1)
    makes = {b"messages": _message, b"conversations": _conversation}
    pages = {kind: [_page(make, number, PAGES[latency]) for number in numbers] for kind, make in makes.items()}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answering(latency, pages, one), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return port


if __name__ == "__main__":
    main()
