"""What blocking code pays: the throughput of `Client` over that of `AsyncClient`, and what one call costs more.

The server is a process of its own with answers made beforehand, and answers at once or after 20 ms. Both clients read
the same listings, in turns whose order changes; the ratios are those of rounds, of some turns each, and their medians
are shown. Each kind of event loop has a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from asyncchat import AsyncClient, Client
from benchmarks.candidates.ours import TOKEN, pager_of
from benchmarks.kit.chart import Bars
from benchmarks.kit.figures import Spread, ratio
from benchmarks.kit.loops import loops, make_loop
from benchmarks.kit.output import Record, Result
from benchmarks.kit.processes import page_server, worker
from benchmarks.kit.rounds import take_turns

RATIO: Final = 0.95
"""Of the asynchronous client's rows a second that the blocking one is to reach."""
OVERHEAD: Final = 200.0
"""Microseconds that a call may take longer."""
IN_TURN: Final = 20
PAGES: Final[Mapping[float, int]] = {0.0: 500, 0.02: 100}
"""By latency."""
TURNS: Final[Mapping[float, int]] = {0.0: 4, 0.02: 1}
"""How often both take turns in a round: in short turns a slow moment of the machine hits both."""
PATHS: Final[Mapping[str, str]] = {
    "messages": "/conversations/{}/messages",
    "conversations": "/models/{}/conversations",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=300, help="single calls in a round, of each client")
    parser.add_argument("--loop", choices=loops(), help="only this kind")


def run(given: argparse.Namespace) -> Result:
    """Compare both clients on each kind of event loop."""
    records: list[Record] = []
    with page_server("listings", latencies=tuple(PAGES)) as urls:
        for loop in [given.loop] if given.loop else loops():
            told = measure(loop, urls, given.rounds, given.calls)
            records += [_line(loop, each) for each in told["listings"]]
            records.append(_call_line(loop, *told["calls"]))
    bars = {f"{r['loop']}, {r['what']}, {r['latency ms']} ms": r["ratio"] for r in records if r["ratio"]}
    return Result(records=records, charts=[Bars("rows a second, blocking / asynchronous", bars, RATIO)])


def measure(loop: str, urls: list[str], rounds: int, calls: int) -> dict[str, Any]:
    """Compare both clients in a process of its own."""
    with worker("benchmarks.sync:measure_here") as started:
        told: dict[str, Any] = started(loop=loop, urls=urls, rounds=rounds, calls=calls).value
        return told


def measure_here(loop: str, urls: list[str], rounds: int, calls: int) -> dict[str, Any]:
    """Compare both clients in this process: rows, and seconds of each, in all cases; seconds of single calls."""
    asyncio.set_event_loop_policy(_Policy(loop))  # else the blocking client takes uvloop where it is there
    listings: list[tuple[float, str, int, list[float], list[float]]] = []
    singles: list[tuple[float, float]] = []
    with asyncio.Runner() as runner:
        for (latency, pages), url in zip(PAGES.items(), urls, strict=True):
            chat, blocking = AsyncClient(url, token=TOKEN), Client(url, token=TOKEN)
            for kind, path in PATHS.items():
                turns = TURNS[latency]
                taken = take_turns(_ways(runner, chat, blocking, path.format(pages * 100)), rounds * turns)
                first, second = (_sums(taken[name], turns) for name in ("async", "sync"))
                listings.append((latency, kind, pages * 100 * turns, first, second))
            if not latency:
                singles = [_time_calls(runner, chat, blocking, calls) for _ in range(rounds)]
            runner.run(chat.aclose())
            blocking.close()
    return {"listings": listings, "calls": list(zip(*singles, strict=True))}


class _Policy(asyncio.DefaultEventLoopPolicy):
    """Makes event loops of a kind, for both clients."""

    def __init__(self, loop: str) -> None:
        super().__init__()
        if loop != "asyncio":  # which is what asyncio's own policy makes
            self.new_event_loop = make_loop(loop)  # type: ignore[method-assign]


def _ways(runner: asyncio.Runner, chat: AsyncClient, blocking: Client, path: str) -> dict[str, Callable[[], float]]:
    return {
        "async": lambda: runner.run(_walk(chat, path)),
        "sync": lambda: _walk_blocking(blocking, path),
    }


def _sums(seconds: list[float], turns: int) -> list[float]:
    """What the turns of each round took."""
    return [sum(seconds[start : start + turns]) for start in range(0, len(seconds), turns)]


async def _walk(chat: AsyncClient, path: str) -> float:
    began = time.perf_counter()
    async for _row in pager_of(chat, path):
        pass
    return time.perf_counter() - began


def _walk_blocking(chat: Client, path: str) -> float:
    began = time.perf_counter()
    for _row in pager_of(chat, path):
        pass
    return time.perf_counter() - began


def _time_calls(runner: asyncio.Runner, chat: AsyncClient, blocking: Client, calls: int) -> tuple[float, float]:
    """Seconds that one call takes, by the median of many, of each client: some calls of the one, some of the other."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(calls // IN_TURN):
        runner.run(_get(chat, taken[0]))
        _get_blocking(blocking, taken[1])
    return statistics.median(taken[0]), statistics.median(taken[1])


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


def _line(loop: str, told: tuple[float, str, int, list[float], list[float]]) -> Record:
    latency, kind, rows, first, second = told
    found = ratio(first, second)
    return {
        "loop": loop,
        "latency ms": round(latency * 1e3),
        "what": kind,
        "async": Spread.of(rows / seconds for seconds in first),
        "sync": Spread.of(rows / seconds for seconds in second),
        "unit": "rows/s",
        "ratio": found,
        "reached": found.median >= RATIO,
    }


def _call_line(loop: str, first: list[float], second: list[float]) -> Record:
    over = Spread.of((b - a) * 1e6 for a, b in zip(first, second, strict=True))
    return {
        "loop": loop,
        "latency ms": 0,
        "what": "models.get",
        "async": Spread.of(seconds * 1e6 for seconds in first),
        "sync": Spread.of(seconds * 1e6 for seconds in second),
        "unit": "us",
        "ratio": None,
        "over us": over,
        "reached": over.median <= OVERHEAD,
    }


def ratios(told: Mapping[str, Any]) -> Iterator[tuple[float, str, Spread]]:
    """The latency, the listing and the ratio of each comparison."""
    for latency, kind, _rows, first, second in told["listings"]:
        yield latency, kind, ratio(first, second)
