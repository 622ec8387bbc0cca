"""Reading listings: asyncchat beside the hand-written limit, and beside what users would write today.

All read the same pages of a server in another process, in processes of their own, with a new client or session for each
run; candidates take turns. Those that go page after page
read fewer of them where answers are slow: rows a second do not depend on how many there are.

* asyncchat, asyncchat blocking, asyncchat raw: typed rows by `async for` and `for`, and rows as lines of a file;
* limit, limit raw: aiohttp and msgspec straight into attrs classes, and into lines, without an SDK;
* httpx + pydantic, and page after page, as the SDKs of large services do it;
* generated client: attrs classes with from_dict on httpx, as generators from OpenAPI make them;
* requests, requests + threads: dicts.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from benchmarks.kit.chart import Bars, Chart, Lines
from benchmarks.kit.costs import Cost
from benchmarks.kit.figures import Spread
from benchmarks.kit.loops import best_loop
from benchmarks.kit.output import Record, Result
from benchmarks.kit.processes import Worker, page_server, workers
from benchmarks.kit.rounds import take_turns

LATENCIES: Final = (0.0, 0.02, 0.1)
IN_FLIGHT: Final = (1, 8, 32, 128)
PER_PAGE: Final = 100
_PAGE_SECONDS: Final = 0.001
"""About what a page takes besides the latency."""

SIDE_BY_SIDE: Final[Mapping[str, str]] = {
    "asyncchat": "ours:read",
    "asyncchat blocking": "ours:read_blocking",
    "asyncchat raw": "ours:read_raw",
    "limit": "limit:read",
    "limit raw": "limit:read_raw",
    "httpx + pydantic": "httpx_pydantic:read",
    "generated client": "generated:read",
    "requests + threads": "with_requests:read_in_threads",
}
IN_TURN: Final[Mapping[str, str]] = {
    "httpx + pydantic, page after page": "httpx_pydantic:read_in_turn",
    "requests": "with_requests:read",
}


@attrs.frozen
class Case:
    """What all candidates read in a comparison.

    Attributes:
        kind: "messages" or "conversations".
        latency: Seconds that an answer takes.
        in_flight: Requests in flight.
        pages: How many there are to read.
        per_page: Rows in each.
    """

    kind: str
    latency: float
    in_flight: int
    pages: int
    per_page: int = PER_PAGE

    @property
    def path(self) -> str:
        """Of the listing."""
        owner = "conversations" if self.kind == "messages" else "models"
        return f"/{owner}/{self.pages * self.per_page}/{self.kind}"

    @property
    def rows(self) -> int:
        """In all pages."""
        return self.pages * self.per_page


def pages_for(latency: float, in_flight: int, seconds: float, most: int) -> int:
    """How many pages keep a quick candidate busy for some seconds."""
    return max(5, min(most, round(seconds * in_flight / (latency + _PAGE_SECONDS * in_flight))))


def compare(
    started: Mapping[str, Worker], cases: Mapping[str, Case], urls: Mapping[float, str], rounds: int
) -> dict[str, list[Cost]]:
    """Let candidates read, each its case, in turns.

    Raises:
        AssertionError: One has not read all rows.
    """
    ways: dict[str, Callable[[], Cost]] = {
        name: functools.partial(
            started[name],
            base_url=urls[case.latency],
            path=case.path,
            in_flight=case.in_flight,
            per_page=case.per_page,
        )
        for name, case in cases.items()
        if name in started
    }
    taken = take_turns(ways, rounds)
    for name, costs in taken.items():
        assert {cost.value for cost in costs} == {cases[name].rows}, name
    return taken


def rates(costs: Sequence[Cost]) -> list[float]:
    """Rows a second of each run."""
    return [cost.value / cost.wall for cost in costs]


def cpu_per_row(costs: Sequence[Cost]) -> list[float]:
    """Microseconds of CPU for a row, of each run."""
    return [cost.cpu / cost.value * 1e6 for cost in costs]


def records_of(taken: Mapping[str, Sequence[Cost]], cases: Mapping[str, Case]) -> Iterator[Record]:
    """A line for each candidate."""
    for name, costs in taken.items():
        case = cases[name]
        yield {
            "rows of": case.kind,
            "latency ms": round(case.latency * 1e3),
            "in flight": case.in_flight,
            "candidate": name,
            "rows/s": Spread.of(rates(costs)),
            "CPU us/row": Spread.of(cpu_per_row(costs)),
            "peak MiB": max(cost.peak for cost in costs),
        }


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--kinds", nargs="+", default=["messages", "conversations"], metavar="KIND")
    parser.add_argument("--latencies", type=float, nargs="+", default=list(LATENCIES), metavar="SECONDS")
    parser.add_argument("--in-flight", type=int, nargs="+", default=list(IN_FLIGHT), metavar="REQUESTS")
    parser.add_argument("--seconds", type=float, default=0.3, help="that a quick candidate is to take for a run")
    parser.add_argument("--pages", type=int, default=400, help="at most, in a run")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default=best_loop(), help="of asynchronous candidates")


def run(given: argparse.Namespace) -> Result:
    """Compare all candidates in all cases."""
    notes: list[str] = [f"asynchronous candidates ran on {given.loop}"]
    records: list[Record] = []
    names = {**SIDE_BY_SIDE, **IN_TURN}
    latencies = tuple(given.latencies)
    with page_server("listings", latencies=latencies) as addresses, workers(names, given.loop, notes) as started:
        urls = dict(zip(latencies, addresses, strict=True))
        for kind in given.kinds:
            for latency in latencies:
                for in_flight in given.in_flight:
                    cases = cases_of(given, kind, latency, in_flight)
                    records += records_of(compare(started, cases, urls, given.rounds), cases)
    return Result(records=records, charts=list(_charts(records)), notes=notes)


def cases_of(given: argparse.Namespace, kind: str, latency: float, in_flight: int) -> dict[str, Case]:
    """What each candidate reads; those that go page after page do so once for each latency."""
    pages = pages_for(latency, in_flight, given.seconds, given.pages)
    cases = dict.fromkeys(SIDE_BY_SIDE, Case(kind, latency, in_flight, pages))
    if in_flight == min(given.in_flight):
        cases.update(dict.fromkeys(IN_TURN, Case(kind, latency, 1, pages_for(latency, 1, given.seconds, given.pages))))
    return cases


def _charts(records: Sequence[Record]) -> Iterator[Chart]:
    for kind, latency in dict.fromkeys((record["rows of"], record["latency ms"]) for record in records):
        found = [r for r in records if (r["rows of"], r["latency ms"]) == (kind, latency)]
        title = f"{kind}, {latency} ms latency: rows a second"
        if len({record["in flight"] for record in found}) == 1:
            yield Bars(title, {record["candidate"]: record["rows/s"] for record in found})
        else:
            yield Lines(title, "requests in flight", _series(found))


def _series(records: Sequence[Record]) -> dict[str, list[tuple[float, float]]]:
    series: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        point: tuple[float, Any] = (record["in flight"], record["rows/s"].median)
        series.setdefault(record["candidate"], []).append(point)
    return series
