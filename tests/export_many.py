"""An export with many commits, written into a folder by hand, and a check that it is whole."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from export_api import raw
from export_folders import report
from export_formats import stored

from asyncchat import RawRow
from asyncchat.export import Batch, Query
from asyncchat.export.destinations.files import read_report
from asyncchat.export.destinations.folder import FolderDestination
from asyncchat.export.destinations.parts import is_sound
from asyncchat.export.destinations.staging import STAGING
from asyncchat.export.report import KINDS

BATCHES = 24
ROWS_PER_BATCH = 50
BATCHES_PER_COMMIT = 2


def row(kind: str, number: int) -> RawRow:
    told = {"id": number, "created_at": "2025-05-05T10:00:00+0700", "name": f"{kind} {number}", "new": [number, "=x"]}
    return raw(number, text=json.dumps(told).encode())


def batch(number: int) -> Batch:
    kind = KINDS[number % len(KINDS)]
    first = number * ROWS_PER_BATCH
    rows = [row(kind, i) for i in range(first, first + ROWS_PER_BATCH)]
    return Batch(kind=kind, rows=rows, conversation_id=number if kind == "messages" else None)


def run(root: Path, query: Query, *, fresh: bool = False) -> None:
    """An export with many commits, which goes on after what was committed before."""
    with contextlib.closing(FolderDestination(root, format=query.format)) as out:
        found = out.open(query, fresh=fresh)
        if found.report is not None:
            return
        done = int(found.marks[-1]) if found.marks else 0
        for number in range(done, BATCHES):
            out.write(batch(number))
            if (number + 1) % BATCHES_PER_COMMIT == 0:
                out.commit([str(number + 1)])
        count = BATCHES // len(KINDS) * ROWS_PER_BATCH
        out.finish(report(dict.fromkeys(KINDS, count), query))


def check(root: Path, truth: Path) -> None:
    """Every row is there once and whole, and nothing else is."""
    done = read_report(root)
    assert done is not None
    assert all(is_sound(root, part) for part in done.parts)
    assert {str(path.relative_to(root)) for path in root.rglob("part-*")} == {part.file for part in done.parts}
    assert not (root / STAGING).exists()
    for kind in KINDS:
        assert stored(root, kind) == stored(truth, kind)
        assert len(stored(truth, kind)) == BATCHES // len(KINDS) * ROWS_PER_BATCH
