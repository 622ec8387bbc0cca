"""The targets of the project, each with what this machine gives: ratios in one run, medians of at least 7 rounds.

* typed rows: `async for` over messages and conversations, over the hand-written limit on the same loop (rows a second,
  8 requests in flight, no latency);
* decode: a page with detection of unknown fields, over msgspec straight into attrs classes (time);
* raw export: `export` into JSON Lines, over a loop by hand that fetches the same pages and writes their bytes;
* sync: rows a second of the blocking client over those of the asynchronous one;
* httpx + pydantic: its CPU for a row over that of asyncchat, 32 requests in flight;
* requests: rows a second of asyncchat with 32 requests in flight over those of requests one by one, at 20 ms;
* account: a whole export beside a script on aiohttp that guarantees nothing, and beside dlt;
* Parquet, DuckDB, SQLite: rows a second of the destination over the library's quickest way in, both fed from memory;
* memory: what a million rows add to an export's peak, over five million beyond the first 100,000; up to 10 MiB count as
  flat;
* help: `asyncchat --help` over `python -c "import click"`, by the clock.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from asyncchat._codec import readers
from asyncchat._wire.response import Response
from asyncchat.models import Conversation, Message
from benchmarks import account, databases, export, growth, import_time, reading, sync
from benchmarks.candidates import limit
from benchmarks.kit import listings
from benchmarks.kit.chart import Bars
from benchmarks.kit.figures import Spread, ratio
from benchmarks.kit.loops import best_loop
from benchmarks.kit.output import Record, Result
from benchmarks.kit.processes import page_server, workers
from benchmarks.kit.rounds import take_turns
from benchmarks.kit.rows import batches

KINDS: Final[Mapping[str, Any]] = {"messages": Message, "conversations": Conversation}
MAKES: Final[Mapping[str, Callable[[int], bytes]]] = {
    "messages": listings.message,
    "conversations": listings.conversation,
}
PAGES: Final[Mapping[str, int]] = {"messages": 2_000, "conversations": 800}
SLOW: Final = 0.02
ROWS: Final = (100_000, 5_100_000)


@attrs.frozen
class Figure:
    """A figure with its target.

    Attributes:
        name: What it is.
        measured: What was measured.
        target: The bound.
        at_most: Whether it must not be passed, or be reached.
    """

    name: str
    measured: Spread
    target: float
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the median is on the right side."""
        return self.measured.median <= self.target if self.at_most else self.measured.median >= self.target

    @property
    def share(self) -> float:
        """How far it is met: from 1 on it is."""
        if self.at_most:
            return self.target / max(self.measured.median, self.target / 10)
        return self.measured.median / self.target


@attrs.frozen
class Setting:
    """How all are measured."""

    rounds: int
    loop: str
    notes: list[str] = attrs.field(factory=list)


def typed(setting: Setting) -> Iterator[Figure]:
    """Typed rows over the limit."""
    names = {name: reading.SIDE_BY_SIDE[name] for name in ("asyncchat", "limit")}
    with page_server("listings") as (url,), workers(names, setting.loop, setting.notes) as started:
        for kind, pages in PAGES.items():
            cases = dict.fromkeys(names, reading.Case(kind, 0.0, 8, pages))
            taken = reading.compare(started, cases, {0.0: url}, setting.rounds)
            rates = {name: reading.rates(costs) for name, costs in taken.items()}
            yield Figure(f"typed {kind} / limit", ratio(rates["asyncchat"], rates["limit"]), 0.90)


def decode(setting: Setting) -> Iterator[Figure]:
    """Decoding with detection of unknown fields over decoding without."""
    for kind, make in MAKES.items():
        body = listings.page(make, 100_000, 5, 100)
        read, straight = readers(KINDS[kind]).page, limit.DECODERS[kind].decode
        response = Response(status=200, body=body)
        ways = {
            "ours": functools.partial(_timed, functools.partial(read, response)),
            "straight": functools.partial(_timed, functools.partial(straight, body)),
        }
        taken = take_turns(ways, 3 * setting.rounds)
        yield Figure(f"decode {kind} / msgspec", ratio(taken["ours"], taken["straight"]), 1.15, at_most=True)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(200):
        work()
    return time.perf_counter() - began


def raw(setting: Setting) -> Iterator[Figure]:
    """Raw export over a loop by hand."""
    _, taken = export.measure_raw(3_000, 47.0, 0.0, setting.rounds, setting.loop)
    yield Figure("raw export / loop by hand", export.throughput(taken), 0.85)


def blocking(setting: Setting) -> Iterator[Figure]:
    """The blocking client over the asynchronous one."""
    with page_server("listings", latencies=tuple(sync.PAGES)) as urls:
        told = sync.measure(setting.loop, urls, setting.rounds, sync.IN_TURN)
    for latency, kind, found in sync.ratios(told):
        if not latency:
            yield Figure(f"sync / async, {kind}", found, 0.95)


def peers(setting: Setting) -> Iterator[Figure]:
    """Beside httpx and pydantic, and beside requests."""
    ours, pydantic, one_by_one = "asyncchat", "httpx + pydantic", "requests"
    every = {**reading.SIDE_BY_SIDE, **reading.IN_TURN}
    names = {name: every[name] for name in (ours, pydantic, one_by_one)}
    with (
        page_server("listings", latencies=(0.0, SLOW)) as urls,
        workers(names, setting.loop, setting.notes) as started,
    ):
        by_latency = dict(zip((0.0, SLOW), urls, strict=True))
        if pydantic in started:
            cases = dict.fromkeys((ours, pydantic), reading.Case("messages", 0.0, 32, 300))
            costs = reading.compare(started, cases, by_latency, setting.rounds)
            cpu = {name: reading.cpu_per_row(each) for name, each in costs.items()}
            yield Figure("httpx + pydantic / asyncchat, CPU a row", ratio(cpu[pydantic], cpu[ours]), 8)
        if one_by_one in started:
            cases = {ours: reading.Case("messages", SLOW, 32, 1_500), one_by_one: reading.Case("messages", SLOW, 1, 25)}
            costs = reading.compare(started, cases, by_latency, setting.rounds)
            rates = {name: reading.rates(each) for name, each in costs.items()}
            yield Figure("asyncchat / requests at 20 ms", ratio(rates[ours], rates[one_by_one]), 25)


def whole(setting: Setting) -> Iterator[Figure]:
    """A whole account."""
    script, dlt = "aiohttp script", "dlt rest_api_source"
    names = {name: account.CANDIDATES[name] for name in (account.OURS, script, dlt)}
    with (
        page_server("account", conversations=1_000, messages=47.0) as (url,),
        workers(names, setting.loop, setting.notes) as started,
    ):
        taken = account.measure(started, url, setting.rounds, account.IN_FLIGHT)
    wall = {name: [cost.wall for cost in costs] for name, costs in taken.items()}
    cpu = {name: [cost.cpu for cost in costs] for name, costs in taken.items()}
    yield Figure("account: aiohttp script / asyncchat", ratio(wall[script], wall[account.OURS]), 2.5)
    yield Figure("account: asyncchat / aiohttp script, CPU", ratio(cpu[account.OURS], cpu[script]), 0.4, at_most=True)
    if dlt in wall:
        yield Figure("account: dlt / asyncchat", ratio(wall[dlt], wall[account.OURS]), 8)


def stores(setting: Setting) -> Iterator[Figure]:
    """Destinations that have columns."""
    work = list(batches(50_000))
    with tempfile.TemporaryDirectory() as folder:
        for name, way in databases.ways(folder).items():
            taken = databases.measure(way, work, setting.rounds)
            seconds = {key: [wall for wall, _ in costs] for key, costs in taken.items()}
            yield Figure(f"{name} / by hand, from memory", ratio(seconds["by hand"], seconds["ours"]), 0.6)


def memory(setting: Setting) -> Iterator[Figure]:
    """The memory of an export that grows."""
    peaks = growth.export_peaks(ROWS, setting.rounds, setting.loop)
    (few, small), (many, large) = peaks
    found = Spread.of((b - a) / (many - few) * 1e6 for a, b in zip(small, large, strict=True))
    yield Figure("memory per further million rows, MiB", found, 10, at_most=True)


def command(setting: Setting) -> Iterator[Figure]:
    """The start of the command."""
    taken = import_time.measure(setting.rounds)
    found = ratio(taken[import_time.HELP], taken[import_time.CLICK])
    yield Figure("asyncchat --help / import click", found, 2, at_most=True)


GROUPS: Final[Mapping[str, Callable[[Setting], Iterator[Figure]]]] = {
    "typed": typed,
    "decode": decode,
    "raw": raw,
    "sync": blocking,
    "peers": peers,
    "account": whole,
    "stores": stores,
    "memory": memory,
    "help": command,
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="GROUP", help=str([*GROUPS]))
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default=best_loop())


def run(given: argparse.Namespace) -> Result:
    """Measure each figure."""
    setting = Setting(given.rounds, given.loop, [f"on {given.loop}, medians of {given.rounds} rounds"])
    figures = [figure for name in given.only for figure in GROUPS[name](setting)]
    records: list[Record] = [
        {
            "figure": figure.name,
            "target": f"{'at most' if figure.at_most else 'at least'} {figure.target:g}",
            "median": figure.measured.median,
            "spread": figure.measured,
            "met": figure.is_met,
        }
        for figure in figures
    ]
    chart = Bars("how far each target is met: 1 is met", {figure.name: figure.share for figure in figures}, 1.0)
    return Result(records=records, charts=[chart], notes=setting.notes)
