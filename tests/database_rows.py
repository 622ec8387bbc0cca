"""Rows for databases, and what databases then hold, read by their own drivers and not by ours."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, TypeAlias

import attrs

from asyncchat import RawRow
from asyncchat.export import ExportReport, Query
from asyncchat.export.destinations.base import Batch, Destination
from asyncchat.export.report import KINDS

QUERY: Final = Query(source="s", format="x", since=None, until=None, model_ids=(), messages=True)
OTHER: Final = attrs.evolve(QUERY, model_ids=(7,))
ZONE: Final = timezone(timedelta(hours=7))
START: Final = datetime(2025, 5, 5, 10, 0, 0, tzinfo=ZONE)
OWNER: Final = 70

Table: TypeAlias = dict[int, tuple[Any, ...]]


def created(row_id: int) -> datetime:
    return START + timedelta(seconds=row_id)


def text(row_id: int, edition: str = "") -> str:
    return f"text {row_id} {edition}é '\" \\ \t\n %s"


def fields(kind: str, row_id: int, edition: str = "") -> dict[str, Any]:
    """A row as the API sends it."""
    stamp = created(row_id).strftime("%Y-%m-%dT%H:%M:%S%z")
    if kind == "models":
        return {"id": row_id, "name": text(row_id, edition), "created_at": stamp}
    if kind == "messages":
        body = {"seq": "01", "sender": "user", "message": text(row_id, edition), "created_at": stamp}
        return {"id": row_id, **body}
    return {
        "id": row_id,
        "model_id": 1,
        "model_name": text(row_id, edition),
        "created_at": stamp,
        "updated_at": stamp,
        "most_recent_message": None,
        "recent_messages": [],
        "platform": "web",
        "platform_user_id": "u",
    }


def raw(kind: str, row_id: int, edition: str = "", **more: Any) -> RawRow:
    updated = created(row_id) if kind == "conversations" else None
    body = json.dumps({**fields(kind, row_id, edition), **more}).encode()
    return RawRow(id=row_id, created_at=created(row_id), updated_at=updated, json=body)


def batch(kind: str, *ids: int, edition: str = "") -> Batch:
    owner = OWNER if kind == "messages" else None
    return Batch(kind=kind, rows=[raw(kind, row_id, edition) for row_id in ids], conversation_id=owner)


def report(destination: Destination, counts: dict[str, int], query: Query = QUERY) -> ExportReport:
    return ExportReport(
        destination=destination.name,
        query=query,
        as_of=datetime(2025, 6, 1, tzinfo=UTC),
        rows=counts,
        parts=(),
        certificates={"one page": 1},
        uncertified=("\ud800 of a server",),
    )


def batches(edition: str = "") -> list[Batch]:
    """The batches of a small export."""
    return [
        batch("models", 1, 2, 3, edition=edition),
        batch("conversations", *range(40), edition=edition),
        batch("messages", *range(70), edition=edition),
        batch("messages", *range(100, 170), edition=edition),
    ]


COUNTS: Final = {"models": 3, "conversations": 40, "messages": 140}


def truth(edition: str = "") -> dict[str, Table]:
    """What the batches say, as `held` tells it: text, time and owner of each row."""
    tables: dict[str, Table] = {kind: {} for kind in KINDS}
    for each in batches(edition):
        for row in each.rows:
            said = text(row.id, edition)
            tables[each.kind][row.id] = (said, created(row.id), each.conversation_id)
    return tables


def write_all(destination: Destination, *, edition: str = "", fresh: bool = False) -> ExportReport:
    """Export all batches, but for those whose marks are there, and finish."""
    opened = destination.open(QUERY, fresh=fresh)
    if opened.report is not None:
        return opened.report
    for number, each in enumerate(batches(edition)):
        if str(number) not in opened.marks:
            destination.write(each)
            destination.commit([str(number)])
    return destination.finish(report(destination, COUNTS))


# ---- what is there


_COLUMNS: Final = {
    "models": "id, name, created_at, NULL",
    "conversations": "id, model_name, created_at, NULL",
    "messages": "id, message, created_at, conversation_id",
}


def select(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a statement, through the database's own driver."""
    with contextlib.closing(connection(url)) as opened:
        return [tuple(row) for row in opened.execute(sql).fetchall()]


def connection(url: str) -> Any:
    """A connection of the database's own driver, which commits each statement."""
    if url.startswith("sqlite:///"):
        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    if url.startswith("duckdb:///"):
        import duckdb  # noqa: PLC0415 - tests of SQLite need it not

        return duckdb.connect(url.removeprefix("duckdb:///"))
    import psycopg  # noqa: PLC0415

    return psycopg.connect(url, autocommit=True)


def held(url: str) -> dict[str, Table]:
    """The rows that a database holds: text, time and owner of each."""
    with contextlib.closing(connection(url)) as opened:
        # to fetch DuckDB's own kind of time, its older versions need a package more
        time = "CAST(timezone('UTC', created_at) AS TEXT)" if url.startswith("duckdb") else "created_at"
        return {kind: _table(opened, kind, time) for kind in KINDS}


def _table(opened: Any, kind: str, time: str) -> Table:
    columns = _COLUMNS[kind].replace("created_at", time)
    rows = opened.execute(f"SELECT {columns} FROM {kind}").fetchall()  # noqa: S608 - our own names
    found: Table = {row[0]: (row[1], _moment(row[2]), row[3]) for row in rows}
    assert len(found) == len(rows)
    return found


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(f"{value}+00:00") if isinstance(value, str) else value
    assert isinstance(moment, datetime)
    return moment
