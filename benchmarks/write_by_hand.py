"""Loops by hand for the quickest way into each database and into Parquet, for rows in memory."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from typing import Any, Final, TypeAlias

import duckdb
import msgspec
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from asyncchat.export import Batch
from benchmarks.kit.rows import OWNED

BLOCK: Final = 10_000
COMMIT: Final = 50_000
COLUMNS: Final = "id, conversation_id, seq, sender, message, created_at, created_at_offset, extra"
TABLE: Final = "id {0} PRIMARY KEY, conversation_id {0}, seq {1}, sender {1}, message {1}, created_at {2}, "
MORE: Final = "created_at_offset {1}, extra {1}"

Loop: TypeAlias = Callable[[str, Sequence[Batch]], None]
decode: Final = msgspec.json.Decoder().decode


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


def _arrow(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    kinds = [pa.int64(), pa.int64(), *[pa.string()] * 3, pa.timestamp("us", "UTC"), pa.string(), pa.string()]
    arrays = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    return pa.table(arrays, COLUMNS.split(", "))


def duckdb_loop(url: str, work: Sequence[Batch]) -> None:
    """Arrow tables."""
    with contextlib.closing(duckdb.connect(url.removeprefix("duckdb:///"))) as connection:
        connection.execute(f"CREATE TABLE messages ({(TABLE + MORE).format('BIGINT', 'VARCHAR', 'TIMESTAMPTZ')})")
        connection.execute("BEGIN")
        for rows, is_last in blocks(work):
            connection.register("rows", _arrow(rows))
            connection.execute("INSERT OR REPLACE INTO messages SELECT * FROM rows")
            connection.unregister("rows")
            if is_last:
                connection.execute("COMMIT")
                connection.execute("BEGIN")


def parquet_loop(path: str, work: Sequence[Batch]) -> None:
    """Row groups of a file, compressed likewise."""
    writer = None
    for rows, _ in blocks(work):
        table = _arrow(rows)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


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
