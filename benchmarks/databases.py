"""What a row costs in each database, beside a loop written by hand for the library's quickest way in.

Both write the same rows into tables with the same columns and key, in transactions of the same size. Candidates take
turns, and the best of each counts. PostgreSQL runs in a server of the benchmark's own, if one is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final, TypeAlias

import duckdb
import msgspec
import psycopg
import pyarrow as pa

from asyncchat import RawRow
from asyncchat.export import ExportReport, Query
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.urls import make_database

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from postgres_server import NotInstalledError, running_server

ROUNDS: Final = 3
BLOCK: Final = 10_000
COMMIT: Final = 50_000
OWNED: Final = 20
"""Messages of one conversation: so many come in a batch."""

QUERY: Final = Query(source="b", format="b", since=None, until=None, model_ids=(), messages=True)
ZONE: Final = timezone(timedelta(hours=7))
START: Final = datetime(2025, 5, 5, 10, tzinfo=ZONE)
COLUMNS: Final = "id, conversation_id, seq, sender, message, created_at, created_at_offset, extra"
TABLE: Final = "id {0} PRIMARY KEY, conversation_id {0}, seq {1}, sender {1}, message {1}, created_at {2}, "
MORE: Final = "created_at_offset {1}, extra {1}"

Loop: TypeAlias = Callable[[str, Sequence[Batch]], None]
decode: Final = msgspec.json.Decoder().decode


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


def values(block: Sequence[Batch]) -> list[tuple[Any, ...]]:
    """What a script would make of rows."""
    rows = []
    for batch in block:
        for raw in batch.rows:
            row = decode(raw.json)
            sent = row["created_at"]
            moment = raw.created_at.astimezone(UTC)
            line = (raw.id, batch.conversation_id, row["seq"], row["sender"], row["message"], moment, sent[19:], None)
            rows.append(line)
    return rows


def blocks(work: Sequence[Batch]) -> Iterator[tuple[list[tuple[Any, ...]], bool]]:
    """Rows by the block, and whether a transaction ends after it."""
    step = BLOCK // OWNED
    for at in range(0, len(work), step):
        yield values(work[at : at + step]), (at + step) * OWNED % COMMIT == 0 or at + step >= len(work)


# ---- by hand


def sqlite_loop(url: str, work: Sequence[Batch]) -> None:
    """Many rows in large transactions."""
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -32768")
        connection.execute(f"CREATE TABLE messages ({(TABLE + MORE).format('INTEGER', 'TEXT', 'TEXT')})")
        for rows, is_last in blocks(work):
            if not connection.in_transaction:
                connection.execute("BEGIN")
            texts = ((*row[:5], row[5].replace(tzinfo=None).isoformat(" "), *row[6:]) for row in rows)
            connection.executemany("INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", texts)
            if is_last:
                connection.execute("COMMIT")


def duckdb_loop(url: str, work: Sequence[Batch]) -> None:
    """Arrow tables."""
    kinds = [pa.int64(), pa.int64(), *[pa.string()] * 3, pa.timestamp("us", "UTC"), pa.string(), pa.string()]
    with contextlib.closing(duckdb.connect(url.removeprefix("duckdb:///"))) as connection:
        connection.execute(f"CREATE TABLE messages ({(TABLE + MORE).format('BIGINT', 'VARCHAR', 'TIMESTAMPTZ')})")
        connection.execute("BEGIN")
        for rows, is_last in blocks(work):
            arrays = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
            connection.register("rows", pa.table(arrays, COLUMNS.split(", ")))
            connection.execute("INSERT OR REPLACE INTO messages SELECT * FROM rows")
            connection.unregister("rows")
            if is_last:
                connection.execute("COMMIT")
                connection.execute("BEGIN")


def postgres_loop(url: str, work: Sequence[Batch]) -> None:
    """COPY into a temporary table, and from there into the real one."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[1:])
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE messages ({(TABLE + MORE).format('bigint', 'text', 'timestamptz')})".encode())
        cursor.execute("CREATE TEMPORARY TABLE rows (LIKE messages)")
        for rows, is_last in blocks(work):
            with cursor.copy("COPY rows FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                f"INSERT INTO messages SELECT * FROM rows ON CONFLICT (id) DO UPDATE SET {changes}".encode()  # noqa: S608
            )
            cursor.execute("TRUNCATE rows")
            if is_last:
                connection.commit()


# ---- ours


def ours(url: str, work: Sequence[Batch]) -> None:
    """The destination, up to its last commit."""
    destination = make_database(url)
    assert destination is not None
    destination.open(QUERY, fresh=False)
    for number, batch in enumerate(work, 1):
        destination.write(batch)
        if number * OWNED % COMMIT == 0 or number == len(work):
            destination.commit([str(number)])
    destination.close()


def finish(url: str, count: int) -> None:
    """What comes after the last commit: counting, indexes, full-text search."""
    destination = make_database(url)
    assert destination is not None
    destination.open(QUERY, fresh=False)
    report = ExportReport(
        destination=url,
        query=QUERY,
        as_of=START,
        rows={"models": 0, "conversations": 0, "messages": count},
        parts=(),
        certificates={},
    )
    destination.finish(report)
    destination.close()


def microseconds(work: Callable[[], None], count: int) -> float:
    """Time of a row."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / count * 1e6


def compare(name: str, make_url: Callable[[], str], loop: Loop, count: int) -> None:
    """Print what a row costs both ways."""
    work = list(batches(count))
    hand, own, end = [], [], []
    for _ in range(ROUNDS):
        hand.append(microseconds(lambda: loop(make_url(), work), count))
        url = make_url()
        own.append(microseconds(lambda url=url: ours(url, work), count))  # type: ignore[misc]
        end.append(microseconds(lambda url=url: finish(url, count), count))  # type: ignore[misc]
    ratio = min(hand) / min(own)
    print(f"{name:<12}{min(own):>8.2f} us a row{min(hand):>8.2f} by hand{ratio:>7.2f} ratio{min(end):>8.2f} at the end")


def main() -> None:
    """Print a line for each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    count = parser.parse_args().rows
    numbers = iter(range(1_000))
    with tempfile.TemporaryDirectory() as folder:
        compare("SQLite", lambda: f"sqlite:///{folder}/{next(numbers)}.db", sqlite_loop, count)
        compare("DuckDB", lambda: f"duckdb:///{folder}/{next(numbers)}.db", duckdb_loop, count)
    try:
        with running_server() as server, psycopg.connect(server.url(), autocommit=True) as connection:

            def database() -> str:
                name = f"b{next(numbers)}"
                connection.execute(f"CREATE DATABASE {name}".encode())
                return server.url(name)

            compare("PostgreSQL", database, postgres_loop, count)
    except NotInstalledError as exc:
        print(f"PostgreSQL  {exc}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB, with all rows in it")


if __name__ == "__main__":
    main()
