"""How time, requests and memory grow: with the rows, with requests in flight, with the size of a page.

* rows, export: a whole account by `export` into JSON Lines;
* rows, reading: `async for` over one listing of messages;
* in flight: the same at 20 ms latency;
* page size: the same without latency.

Each size has a process of its own: memory that one has given back stays with the process, and would hide what another
takes. The slope is that of a straight line through logarithms: 1 means twice as much for twice as many, 0 that it
stays.
`problems` says of a run what no machine excuses: it looks at ratios only, and tests/test_benchmarks.py calls it.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Final, TypeAlias

import attrs

from benchmarks.account import exported
from benchmarks.kit.chart import Lines
from benchmarks.kit.costs import Cost
from benchmarks.kit.figures import slope
from benchmarks.kit.loops import best_loop
from benchmarks.kit.output import Record, Result
from benchmarks.kit.processes import Worker, page_server, worker
from benchmarks.kit.rounds import take_turns

ROWS: Final = (10_000, 100_000, 1_000_000)
IN_FLIGHT: Final = (1, 8, 32, 128)
PER_PAGE: Final = (10, 100, 1_000)
MESSAGES: Final = 47.0
LATENCY: Final = 0.02

READING: Final = "rows, reading"
EXPORT: Final = "rows, export"
FLIGHT: Final = "in flight"
PAGE: Final = "page size"

READER: Final = "benchmarks.candidates.ours:read"
CPU_SLOPE: Final = 1.4
"""Of a reader whose work is in proportion to the rows: 1, and less where beginning weighs; quadratic work has 2."""
BYTES_A_ROW: Final = 150
"""Memory that a row may add to the peak. A message that is kept takes some 400 bytes, what is in flight none."""
REQUESTS_A_ROW: Final = 0.07
"""Of an export: one for each conversation of 47 messages on average is 0.021, and the longer ones take more."""

_Way: TypeAlias = Callable[[], tuple[Cost, int]]
"""Reads once, and gives what it cost and how many requests it took."""


@attrs.frozen(kw_only=True)
class Point:
    """What one size has cost.

    Attributes:
        study: Which growth it belongs to.
        x: The size.
        rows: How many were read.
        requests: How many it took.
        wall: Seconds by the clock, the median of the rounds.
        cpu: Seconds of CPU, likewise.
        peak: MiB of memory at most, likewise.
    """

    study: str
    x: int
    rows: int
    requests: int
    wall: float
    cpu: float
    peak: float


def read_rows(sizes: Sequence[int], rounds: int, loop: str, *, reader: str = READER) -> list[Point]:
    """Read listings of so many messages, 100 a page, 8 requests in flight."""
    cases = {size: {"path": f"/conversations/{size}/messages", "in_flight": 8, "per_page": 100} for size in sizes}
    return _read(READING, cases, rounds, loop, reader=reader)


def read_in_flight(numbers: Sequence[int], rounds: int, loop: str, *, rows: int) -> list[Point]:
    """Read a listing with so many requests in flight, at a latency."""
    path = f"/conversations/{rows}/messages"
    cases = {number: {"path": path, "in_flight": number, "per_page": 100} for number in numbers}
    return _read(FLIGHT, cases, rounds, loop, latency=LATENCY)


def read_pages(sizes: Sequence[int], rounds: int, loop: str, *, rows: int) -> list[Point]:
    """Read a listing by pages of so many rows."""
    path = f"/conversations/{rows}/messages"
    return _read(PAGE, {size: {"path": path, "in_flight": 8, "per_page": size} for size in sizes}, rounds, loop)


def export_rows(sizes: Sequence[int], rounds: int, loop: str) -> list[Point]:
    """Export accounts of about so many rows."""
    return [_point(EXPORT, total, total, costs=costs) for total, costs in _exports(sizes, rounds, loop)]


def export_peaks(sizes: Sequence[int], rounds: int, loop: str) -> list[tuple[int, list[float]]]:
    """The rows of accounts of about such sizes, and the peaks of memory of their exports."""
    return [(total, [cost.peak for cost, _ in costs]) for total, costs in _exports(sizes, rounds, loop)]


def _exports(sizes: Sequence[int], rounds: int, loop: str) -> list[tuple[int, list[tuple[Cost, int]]]]:
    with ExitStack() as stack:
        ways = {}
        for size in sizes:
            count = math.ceil(size / (MESSAGES + 1))
            (url,) = stack.enter_context(page_server("account", conversations=count, messages=MESSAGES))
            started = stack.enter_context(worker("benchmarks.candidates.ours:export_account", loop=loop))
            ways[str(size)] = _exporting(started, url)
        taken = take_turns(ways, rounds)
    return [(_total(costs[0]), costs) for costs in taken.values()]


def _exporting(started: Worker, url: str) -> _Way:
    def once() -> tuple[Cost, int]:
        cost = exported(started, url, 32)
        return cost, cost.value["requests"]

    return once


def _total(taken: tuple[Cost, int]) -> int:
    return sum(taken[0].value[kind] for kind in ("models", "conversations", "messages"))


def _read(
    study: str,
    cases: Mapping[int, Mapping[str, object]],
    rounds: int,
    loop: str,
    *,
    latency: float = 0.0,
    reader: str = READER,
) -> list[Point]:
    with page_server("listings", latencies=(latency,)) as (url,), ExitStack() as stack:
        ways = {
            str(x): _reading(stack.enter_context(worker(reader, loop=loop)), url, case) for x, case in cases.items()
        }
        taken = take_turns(ways, rounds)
    return [_point(study, x, taken[str(x)][0][0].value, costs=taken[str(x)]) for x in cases]


def _reading(started: Worker, url: str, case: Mapping[str, object]) -> _Way:
    def once() -> tuple[Cost, int]:
        _requests(url)
        cost = started(base_url=url, **case)
        return cost, _requests(url)

    return once


def _requests(url: str) -> int:
    """Requests that the page server has had since it was asked last."""
    with urllib.request.urlopen(url.rpartition("/")[0] + "/requests") as answer:  # noqa: S310 - our own server
        count: int = json.load(answer)
        return count


def _point(study: str, x: int, rows: int, *, costs: Sequence[tuple[Cost, int]]) -> Point:
    median = statistics.median
    return Point(
        study=study,
        x=x,
        rows=rows,
        requests=round(median(requests for _, requests in costs)),
        wall=median(cost.wall for cost, _ in costs),
        cpu=median(cost.cpu for cost, _ in costs),
        peak=median(cost.peak for cost, _ in costs),
    )


def bytes_a_row(points: Sequence[Point]) -> float:
    """Bytes that a row adds to the peak, from the smallest size to the largest."""
    small, large = min(points, key=lambda point: point.x), max(points, key=lambda point: point.x)
    return (large.peak - small.peak) * 2**20 / (large.rows - small.rows)


def problems(points: Sequence[Point]) -> list[str]:
    """What is wrong with the growth of a study, whatever machine it ran on."""
    return [sentence for check in (_requests_of, _work_of, _memory_of) for sentence in check(points)]


def _requests_of(points: Sequence[Point]) -> Iterator[str]:
    for point in points:
        per_page = point.x if point.study == PAGE else 100
        most = point.rows * REQUESTS_A_ROW + 50 if point.study == EXPORT else math.ceil(point.rows / per_page)
        if point.requests > most:
            yield f"{point.study} {point.x}: {point.requests} requests, {most:g} were expected at most"


def _work_of(points: Sequence[Point]) -> Iterator[str]:
    if points[0].study in {READING, EXPORT}:
        found = slope((point.x, point.cpu) for point in points)
        if found > CPU_SLOPE:
            yield f"{points[0].study}: CPU grows with the power {found:.2f} of the rows"


def _memory_of(points: Sequence[Point]) -> Iterator[str]:
    if points[0].study == READING and (found := bytes_a_row(points)) > BYTES_A_ROW:
        yield f"{points[0].study}: each row adds {found:.0f} bytes to the peak of memory"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--in-flight", type=int, nargs="+", default=list(IN_FLIGHT), metavar="REQUESTS")
    parser.add_argument("--per-page", type=int, nargs="+", default=list(PER_PAGE), metavar="ROWS")
    parser.add_argument(
        "--listing", type=int, default=20_000, help="rows of the listing that the last two studies read"
    )
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default=best_loop())


def run(given: argparse.Namespace) -> Result:
    """Make all four studies."""
    rounds, loop, listing = given.rounds, given.loop, given.listing
    studies = [
        export_rows(given.rows, rounds, loop),
        read_rows(given.rows, rounds, loop),
        read_in_flight(given.in_flight, rounds, loop, rows=listing),
        read_pages(given.per_page, rounds, loop, rows=listing),
    ]
    records = [record for points in studies for record in _records(points)]
    notes = [sentence for points in studies for sentence in [*_memory_told(points), *problems(points)]]
    charts = [
        Lines(f"{points[0].study}: seconds", points[0].study.partition(",")[0], _series(points))
        for points in studies
        if len(points) > 1
    ]
    return Result(records=records, charts=charts, notes=notes)


def _records(points: Sequence[Point]) -> Iterator[Record]:
    for point in points:
        yield attrs.asdict(point)
    if len(points) > 1:
        names = ("requests", "wall", "cpu", "peak")
        slopes = {name: slope((point.x, getattr(point, name)) for point in points) for name in names}
        yield {"study": f"{points[0].study}: slope", **slopes}


def _memory_told(points: Sequence[Point]) -> list[str]:
    told = [point for point in points if point.study in {READING, EXPORT}]
    if len(told) < 2:  # noqa: PLR2004 - a line
        return []
    return [f"{told[0].study}: {bytes_a_row(told[-2:]) * 1e6 / 2**20:.1f} MiB more per million rows at the end"]


def _series(points: Sequence[Point]) -> dict[str, list[tuple[float, float]]]:
    return {"wall": [(p.x, p.wall) for p in points], "CPU": [(p.x, p.cpu) for p in points]}
