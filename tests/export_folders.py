"""Destination folders written by hand, without an API."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import attrs
from export_api import raw

from asyncchat import RawRow
from asyncchat.export import Batch, ExportReport, Opened, Query
from asyncchat.export.destinations.folder import FolderDestination

QUERY = Query(source="s", format="jsonl", since=None, until=None, model_ids=(), messages=True)

ROWS = {"models": 3, "conversations": 5, "messages": 2}


def rows(ids: Iterable[int]) -> list[RawRow]:
    return [raw(i, text=b'{"id":%d}' % i) for i in ids]


def report(counts: dict[str, int], query: Query = QUERY) -> ExportReport:
    return ExportReport(
        destination="a folder",
        query=query,
        as_of=datetime(2025, 6, 1, tzinfo=UTC),
        rows=counts,
        certificates={"one page": 1},
        uncertified=("\ud800 of a server",),
        deleted=(3,),
    )


def opened(root: Path, *, query: Query = QUERY, fresh: bool = False) -> tuple[FolderDestination, Opened]:
    """A folder that is open, and what it held."""
    folder = FolderDestination(root, format=query.format)
    try:
        return folder, folder.open(query, fresh=fresh)
    except BaseException:
        folder.close()
        raise


STEPS = (
    ("models", None, range(3)),
    ("conversations", None, range(2)),
    ("messages", 1, range(2)),
    ("conversations", None, range(2, 5)),
)
"""A small export: each with a commit and a mark after it, whose text is its number."""


def write(root: Path, *, query: Query = QUERY, fresh: bool = False) -> ExportReport:
    """A small export, which goes on after what was committed before."""
    folder, found = opened(root, query=query, fresh=fresh)
    try:
        if found.report is not None:
            return found.report
        assert list(found.marks) == [str(i) for i in range(len(found.marks))]
        for number, (kind, owner, ids) in enumerate(STEPS):
            if number >= len(found.marks):
                folder.write(Batch(kind=kind, rows=rows(ids), conversation_id=owner))
                folder.commit([str(number)])
        return folder.finish(attrs.evolve(report(ROWS, query), destination=str(root)))
    finally:
        folder.close()


WRITTEN = [
    "conversations",
    "conversations/part-00000.jsonl",
    "conversations/part-00001.jsonl",
    "manifest.json",
    "messages",
    "messages/part-00000.jsonl",
    "models",
    "models/part-00000.jsonl",
]
