"""A whole account into files: models, conversations, and each conversation's messages as JSON Lines.

`asyncchat` proves that nothing is missing and can be gone on with; the scripts on aiohttp, httpx and requests guarantee
nothing; dlt's `rest_api_source` writes files of its own. All read the same account of a server in another process,
each into an empty folder, and have to find the same rows. CPU counts threads and children of a candidate. The scripts
use the `json` of the standard library, as response.json() does.

A large account, for which one round takes some minutes (941,000 messages): --conversations 20000 --rounds 1.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.kit.chart import Bars
from benchmarks.kit.costs import Cost
from benchmarks.kit.figures import Spread, ratio
from benchmarks.kit.loops import best_loop
from benchmarks.kit.output import Record, Result
from benchmarks.kit.processes import Worker, page_server, workers
from benchmarks.kit.rounds import take_turns

OURS: Final = "asyncchat"
IN_FLIGHT: Final = 32
CANDIDATES: Final[Mapping[str, str]] = {
    OURS: "ours:export_account",
    "aiohttp script": "account_aiohttp:export",
    "httpx script": "account_httpx:export",
    "requests script": "account_requests:export",
    "dlt rest_api_source": "account_dlt:export",
}
KINDS: Final = ("models", "conversations", "messages")


def exported(started: Worker, base_url: str, in_flight: int) -> Cost:
    """Let a candidate export into a folder that is dropped afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        return started(base_url=base_url, folder=str(Path(folder)), in_flight=in_flight)


def measure(started: Mapping[str, Worker], base_url: str, rounds: int, in_flight: int) -> dict[str, list[Cost]]:
    """Let candidates export in turns.

    Raises:
        AssertionError: They have not found the same rows, or not all is certified.
    """
    ways: dict[str, Callable[[], Cost]] = {
        name: functools.partial(exported, each, base_url, in_flight) for name, each in started.items()
    }
    taken = take_turns(ways, rounds)
    found = {name: {tuple(_rows(cost.value)) for cost in costs} for name, costs in taken.items()}
    assert len(set().union(*found.values())) == 1, found
    assert all(cost.value.get("certified", True) for costs in taken.values() for cost in costs)
    return taken


def _rows(value: Mapping[str, Any]) -> Iterator[int]:
    return (value[kind] for kind in KINDS)


def records_of(taken: Mapping[str, Sequence[Cost]]) -> Iterator[Record]:
    """A line for each candidate."""
    ours = taken[OURS]
    for name, costs in taken.items():
        yield {
            "candidate": name,
            "rows": sum(_rows(costs[0].value)),
            "seconds": Spread.of(cost.wall for cost in costs),
            "CPU s": Spread.of(cost.cpu for cost in costs),
            "peak MiB": max(cost.peak for cost in costs),
            "x our time": ratio([cost.wall for cost in costs], [cost.wall for cost in ours]),
            "x our CPU": ratio([cost.cpu for cost in costs], [cost.cpu for cost in ours]),
        }


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--conversations", type=int, default=1_000)
    parser.add_argument("--messages", type=float, default=47.0, help="in a conversation on average")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that an answer takes")
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES), metavar="CANDIDATE")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default=best_loop(), help="of asynchronous candidates")


def run(given: argparse.Namespace) -> Result:
    """Compare the candidates."""
    notes = [f"asynchronous candidates ran on {given.loop}, {given.in_flight} requests in flight"]
    names = {OURS: CANDIDATES[OURS], **{name: CANDIDATES[name] for name in given.only}}
    size = {"conversations": given.conversations, "messages": given.messages}
    with (
        page_server("account", latencies=(given.latency,), **size) as (base_url,),
        workers(names, given.loop, notes) as started,
    ):
        taken = measure(started, base_url, given.rounds, given.in_flight)
    records = list(records_of(taken))
    charts = [Bars(title, {each["candidate"]: each[title] for each in records}) for title in ("seconds", "CPU s")]
    named = [
        attrs.evolve(chart, title=f"whole account, {records[0]['rows']:,} rows: {chart.title}") for chart in charts
    ]
    return Result(records=records, charts=named, notes=notes)
