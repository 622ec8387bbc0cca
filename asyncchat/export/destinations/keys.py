"""Part files read back: of each row its ids and its times, in every format that parts are written in."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import attrs

from asyncchat.export.destinations.formats import ZSTD
from asyncchat.export.destinations.heads import head_of, whole

_CELL: Final = 2**31 - 1


@attrs.frozen
class Key:
    """What a row is known by.

    Attributes:
        id: Its id.
        second: When it was made, in whole seconds since the epoch; None where that was kept in no such form.
        owner: Of a message its conversation, of a conversation its model.
        changed: Of a conversation when it changed last, as `second` tells when it was made.
    """

    id: int
    second: int | None
    owner: int | None
    changed: int | None = None


def read_keys(path: Path, kind: str, form: str) -> Iterator[Key]:
    """The keys of all rows of a part file.

    Args:
        path: The file.
        kind: Of its rows.
        form: Its format, as a query names it.

    Raises:
        Exception: What the format's library raises where the file is damaged.
    """
    owner = {"messages": "conversation_id", "conversations": "model_id"}.get(kind)
    yield from _READERS[form](path, owner)


def open_lines(path: Path, form: str) -> IO[bytes]:
    """Open a part file of lines for reading, whatever it is compressed with.

    Args:
        path: The file.
        form: Its format, as a query names it.
    """
    if form == "jsonl.gz":
        return io.BufferedReader(gzip.open(path))
    if form == "jsonl.zst":
        zstd: Any = importlib.import_module(ZSTD)
        return io.BufferedReader(zstd.open(path))
    return path.open("rb")


def _of_lines(form: str) -> Callable[[Path, str | None], Iterator[Key]]:
    def read(path: Path, owner: str | None) -> Iterator[Key]:
        with open_lines(path, form) as file:
            for line in file:
                row = head_of(line)
                owned_by = whole(getattr(row, owner)) if owner else None
                yield Key(row.id, _second(row.created_at), owned_by, _second(row.updated_at))

    return read


def _of_sheet(path: Path, owner: str | None) -> Iterator[Key]:
    csv.field_size_limit(_CELL)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found = row[owner] if owner else None
            owned_by = int(found) if found else None
            yield Key(int(row["id"]), _second(row["created_at"]), owned_by, _second(row.get("updated_at")))


def _of_parquet(path: Path, owner: str | None) -> Iterator[Key]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    wanted = ["id", "created_at", owner, "updated_at"]
    with pq.ParquetFile(path) as file:
        names = [name for name in wanted if name in file.schema_arrow.names]
        for batch in file.iter_batches(columns=names):
            columns = {name: batch.column(name).to_pylist() for name in names}
            nothing = [None] * batch.num_rows
            for row_id, made, found, changed in zip(*(columns.get(name, nothing) for name in wanted), strict=True):
                yield Key(row_id, second_of(made), found, second_of(changed))


def second_of(moment: datetime | None) -> int | None:
    """A time in whole seconds since the epoch; None where there is none."""
    return None if moment is None else math.floor(moment.timestamp())


def _second(text: object) -> int | None:
    """A time as it was sent, in whole seconds; None when it is in an unusual form."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return math.floor(moment.timestamp()) if moment is not None and moment.tzinfo is not None else None


_READERS: Final[dict[str, Callable[[Path, str | None], Iterator[Key]]]] = {
    "jsonl": _of_lines("jsonl"),
    "jsonl.gz": _of_lines("jsonl.gz"),
    "jsonl.zst": _of_lines("jsonl.zst"),
    "csv": _of_sheet,
    "csv-raw": _of_sheet,
    "parquet": _of_parquet,
}
