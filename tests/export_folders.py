"""Destination folders written by hand, without an API."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from asyncchat.export import ExportReport, Query
from asyncchat.export.destinations.files import Folder
from asyncchat.export.report import KINDS

QUERY = Query(source="s", format="jsonl", since=None, until=None, model_ids=(), messages=True)


def lines(count: int) -> list[bytes]:
    return [b'{"id":%d}\n' % i for i in range(count)]


def report(folder: Folder, rows: dict[str, int]) -> ExportReport:
    return ExportReport(
        destination=str(folder.root),
        query=QUERY,
        as_of=datetime(2025, 6, 1, tzinfo=UTC),
        rows=rows,
        parts=folder.finish_parts(),
        certificates={"one page": 1},
        uncertified=("\ud800 of a server",),
        deleted=(3,),
    )


def write(root: Path) -> ExportReport:
    """A small export: 3 models, 5 conversations, no messages."""
    with Folder.opened(root, KINDS) as folder:
        folder.write("models", lines(3))
        folder.write("conversations", lines(2))
        folder.write("conversations", lines(3))
        done = report(folder, {"models": 3, "conversations": 5, "messages": 0})
        folder.commit(done)
    return done


WRITTEN = [
    "conversations",
    "conversations/part-00000.jsonl",
    "manifest.json",
    "messages",
    "models",
    "models/part-00000.jsonl",
]
