"""What a row costs in each database and in Parquet, beside a loop by hand for the library's quickest way in.

Both write the same rows from memory, into tables with the same columns and key, in transactions of the same size, and
take turns. PostgreSQL runs in a server of the benchmark's own, if one is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs
import psycopg

from asyncchat.export import Batch, Destination, ExportReport, Query
from asyncchat.export.destinations.folder import FolderDestination
from asyncchat.export.destinations.urls import make_database
from benchmarks.kit.chart import Bars
from benchmarks.kit.costs import peak_memory
from benchmarks.kit.figures import Spread, ratio
from benchmarks.kit.output import Record, Result
from benchmarks.kit.rounds import take_turns
from benchmarks.kit.rows import OWNED, START, batches
from benchmarks.write_by_hand import COMMIT, Loop, duckdb_loop, parquet_loop, postgres_loop, sqlite_loop

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from postgres_server import NotInstalledError, running_server

QUERY: Final = Query(source="b", format="b", since=None, until=None, model_ids=(), messages=True)


@attrs.frozen
class Way:
    """Somewhere to write rows to, by the destination and by hand.

    Attributes:
        make: Opens the destination at a place.
        loop: Writes them there by hand.
        place: Gives a new place.
    """

    make: Callable[[str], Destination]
    loop: Loop
    place: Callable[[], str]


def _database(url: str) -> Destination:
    made = make_database(url)
    assert made is not None
    return made


def _parquet(folder: str) -> Destination:
    return FolderDestination(Path(folder), format="parquet")


def ways(folder: str) -> dict[str, Way]:
    """What needs no server."""
    numbers = itertools.count()
    return {
        "SQLite": Way(_database, sqlite_loop, lambda: f"sqlite:///{folder}/{next(numbers)}.db"),
        "DuckDB": Way(_database, duckdb_loop, lambda: f"duckdb:///{folder}/{next(numbers)}.db"),
        "Parquet": Way(_parquet, parquet_loop, lambda: f"{folder}/{next(numbers)}"),
    }


@contextlib.contextmanager
def postgres() -> Iterator[Way]:
    """A server of PostgreSQL.

    Raises:
        NotInstalledError: There is none.
    """
    numbers = itertools.count()
    with running_server() as server, psycopg.connect(server.url(), autocommit=True) as connection:

        def place() -> str:
            name = f"b{next(numbers)}"
            connection.execute(f"CREATE DATABASE {name}".encode())
            return server.url(name)

        yield Way(_database, postgres_loop, place)


def measure(way: Way, work: Sequence[Batch], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of "ours" until the last commit, and of what comes after it; of the loop "by hand"."""
    turns = {"ours": functools.partial(_ours, way, work), "by hand": functools.partial(_by_hand, way, work)}
    return take_turns(turns, rounds)


def _ours(way: Way, work: Sequence[Batch]) -> tuple[float, float]:
    began = time.perf_counter()
    destination = way.make(way.place())
    destination.open(QUERY, fresh=False)
    for number, batch in enumerate(work, 1):
        destination.write(batch)
        if number * OWNED % COMMIT == 0 or number == len(work):
            destination.commit([str(number)])
    written = time.perf_counter()
    _finish(destination, len(work) * OWNED)
    return written - began, time.perf_counter() - written


def _finish(destination: Destination, count: int) -> None:
    """What comes after the last commit: counting, indexes, full-text search."""
    rows = {"models": 0, "conversations": 0, "messages": count}
    report = ExportReport(destination="b", query=QUERY, as_of=START, rows=rows, parts=(), certificates={})
    destination.finish(report)
    destination.close()


def _by_hand(way: Way, work: Sequence[Batch]) -> tuple[float, float]:
    place = way.place()
    began = time.perf_counter()
    way.loop(place, work)
    return time.perf_counter() - began, 0.0


def record_of(name: str, taken: Mapping[str, Sequence[tuple[float, float]]], count: int) -> Record:
    """A line of the table."""
    hand, ours = ([wall for wall, _ in taken[way]] for way in ("by hand", "ours"))
    return {
        "where": name,
        "us/row": Spread.of(wall / count * 1e6 for wall in ours),
        "by hand": Spread.of(wall / count * 1e6 for wall in hand),
        "ratio": ratio(hand, ours),
        "at the end": Spread.of(end / count * 1e6 for _, end in taken["ours"]),
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)


def run(given: argparse.Namespace) -> Result:
    """Measure each of them."""
    work, notes = list(batches(given.rows)), []
    with tempfile.TemporaryDirectory() as folder:
        taken = {name: measure(way, work, given.rounds) for name, way in ways(folder).items()}
    try:
        with postgres() as way:
            taken["PostgreSQL"] = measure(way, work, given.rounds)
    except NotInstalledError as exc:
        notes.append(f"PostgreSQL is left out: {exc}")
    records = [record_of(name, costs, given.rows) for name, costs in taken.items()]
    notes.append(f"peak memory {peak_memory():.0f} MiB, with all rows in it")
    chart = Bars("rows a second over a loop by hand", {each["where"]: each["ratio"] for each in records})
    return Result(records=records, charts=[chart], notes=notes)
