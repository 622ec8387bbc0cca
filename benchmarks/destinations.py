"""What a row costs in each format of part files, beside a plain write of the same lines, and in memory.

Each candidate writes the same messages, commits as an export does, and syncs. Candidates take turns, and the best of
each counts. Peak memory is that of processes of their own, for two sizes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import msgspec

from asyncchat import RawRow
from asyncchat.export import FORMATS, Batch, ExportReport, Query
from asyncchat.export.destinations.folder import FolderDestination

ROUNDS: Final = 3
OWNED: Final = 20
"""Messages of one conversation: so many come in a batch."""
COMMIT: Final = 200_000
"""Messages between two commits."""
ZONE: Final = timezone(timedelta(hours=7))
START: Final = datetime(2025, 5, 5, 10, tzinfo=ZONE)
PLAIN: Final = "plain write"


def main() -> None:
    """Print a line for each format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--one", nargs=2, metavar=("FORMAT", "ROWS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        _one(given.one[0], int(given.one[1]))
        return
    best = _measure(list(batches(given.rows)), given.rows)
    sizes = (given.rows, 5 * given.rows)
    print(f"{'format':12}{'us/row':>8}{'x plain':>9}{'bytes/row':>11}{f'MiB, {sizes[0]:,}':>15}{f'{sizes[1]:,}':>12}")
    for name, (seconds, size) in best.items():
        peaks = ["", ""] if name == PLAIN else [f"{_peak(name, count):.0f}" for count in sizes]
        ratio = seconds / best[PLAIN][0]
        cost = f"{seconds / given.rows * 1e6:8.2f}{ratio:9.2f}{size / given.rows:11.0f}"
        print(f"{name:12}{cost}{peaks[0]:>15}{peaks[1]:>12}")


def message(number: int) -> RawRow:
    """A message of usual length."""
    moment = START + timedelta(seconds=number)
    row = {
        "id": number,
        "seq": f"01HX{number:022}",
        "sender": "user",
        "message": f"Good morning, order {number} has not come yet. Can you tell me where it is? " * 2,
        "created_at": moment.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    return RawRow(id=number, created_at=moment, json=msgspec.json.encode(row))


def batches(count: int) -> Iterator[Batch]:
    """Messages by conversation."""
    for first in range(0, count, OWNED):
        yield Batch(kind="messages", rows=list(map(message, range(first, first + OWNED))), conversation_id=first)


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


def _measure(work: list[Batch], count: int) -> dict[str, tuple[float, int]]:
    """Seconds and bytes of each candidate, the best of some rounds."""
    candidates = {PLAIN: write_plainly, **{name: write_as(name) for name in FORMATS}}
    best: dict[str, tuple[float, int]] = {}
    for _ in range(ROUNDS):
        for name, write in candidates.items():
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                write(Path(folder), iter(work))
                seconds = time.perf_counter() - began
                size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
            best[name] = min(best.get(name, (seconds, size)), (seconds, size))
    assert count == sum(len(batch.rows) for batch in work)
    return best


def _peak(name: str, count: int) -> float:
    """MiB at most in a process of its own that writes as many rows."""
    command = [sys.executable, __file__, "--one", name, str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603


def _one(name: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_as(name)(Path(folder), batches(count))
    status = Path("/proc/self/status").read_text(encoding="ascii")  # rusage would count what the parent had, too
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)


if __name__ == "__main__":
    main()
