"""What a row costs in each format of part files, beside a plain write of the same lines, and in memory.

Each candidate writes the same messages, commits as an export does, and syncs; they take turns. Peak memory is that of
processes of their own, for two sizes.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from asyncchat.export import FORMATS, Batch, ExportReport, Query
from asyncchat.export.destinations.folder import FolderDestination
from benchmarks.kit.chart import Bars
from benchmarks.kit.figures import Spread, ratio
from benchmarks.kit.output import Record, Result
from benchmarks.kit.processes import worker
from benchmarks.kit.rounds import take_turns
from benchmarks.kit.rows import batches

COMMIT: Final = 200_000
"""Messages between two commits."""
PLAIN: Final = "plain write"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)


def run(given: argparse.Namespace) -> Result:
    """Measure each format."""
    work = list(batches(given.rows))
    candidates = {PLAIN: write_plainly, **{name: write_as(name) for name in FORMATS}}
    ways = {name: functools.partial(_once, write, work) for name, write in candidates.items()}
    taken = take_turns(ways, given.rounds)
    sizes = (given.rows, 5 * given.rows)
    records: list[Record] = []
    for name, costs in taken.items():
        peaks = {f"MiB, {size:,}": None if name == PLAIN else _peak(name, size) for size in sizes}
        seconds = [wall for wall, _ in costs]
        records.append(
            {
                "format": name,
                "us/row": Spread.of(wall / given.rows * 1e6 for wall in seconds),
                "x plain": ratio(seconds, [wall for wall, _ in taken[PLAIN]]),
                "bytes/row": costs[0][1] // given.rows,
                **peaks,
            }
        )
    chart = Bars("microseconds for a row", {each["format"]: each["us/row"] for each in records})
    return Result(records=records, charts=[chart])


def write_plainly(folder: Path, work: Iterator[Batch]) -> None:
    """What a script would do: lines, a sync at the end."""
    with (folder / "lines").open("wb", buffering=2**20) as file:
        for batch in work:
            file.write(b"\n".join([row.json for row in batch.rows]) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def write_as(name: str) -> Callable[[Path, Iterator[Batch]], None]:
    """Write an export in a format."""

    def write(folder: Path, work: Iterator[Batch]) -> None:
        out = FolderDestination(folder, format=name)
        query = Query(source="b", format=name, since=None, until=None, model_ids=(), messages=True)
        out.open(query, fresh=False)
        count = 0
        for batch in work:
            out.write(batch)
            count += len(batch.rows)
            if count % COMMIT == 0:
                out.commit([str(count)])
        out.commit(["end"])
        rows = {"models": 0, "conversations": 0, "messages": count}
        as_of = datetime(2025, 6, 1, tzinfo=UTC)
        out.finish(ExportReport(destination=out.name, query=query, as_of=as_of, rows=rows, parts=(), certificates={}))
        out.close()

    return write


def _once(write: Callable[[Path, Iterator[Batch]], None], work: list[Batch]) -> tuple[float, int]:
    """Seconds and bytes."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        write(Path(folder), iter(work))
        seconds = time.perf_counter() - began
        return seconds, sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def write_many(name: str, count: int) -> None:
    """Write so many rows in a format, as they are made."""
    with tempfile.TemporaryDirectory() as folder:
        write_as(name)(Path(folder), batches(count))


def _peak(name: str, count: int) -> float:
    """MiB at most in a process of its own that writes as many rows."""
    with worker("benchmarks.destinations:write_many") as started:
        return started(name=name, count=count).peak
