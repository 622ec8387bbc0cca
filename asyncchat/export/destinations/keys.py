"""Part files read back: of each row its ids and its time, in every format that parts are written in."""

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
import msgspec

from asyncchat.export.destinations.formats import ZSTD

_CELL: Final = 2**31 - 1


@attrs.frozen
class Key:
    """What a row is known by.

    Attributes:
        id: Its id.
        second: When it was made, in whole seconds since the epoch; None where that was kept in no such form.
        owner: Of a message its conversation, of a conversation its model.
    """

    id: int
    second: int | None
    owner: int | None


class _Line(msgspec.Struct, gc=False):
    id: int
    created_at: Any = None
    conversation_id: int | None = None
    model_id: Any = None


_LINE: Final = msgspec.json.Decoder(_Line, strict=False)  # an id may have been sent as a text


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


def _of_lines(opened: Callable[[Path], IO[bytes]]) -> Callable[[Path, str | None], Iterator[Key]]:
    def read(path: Path, owner: str | None) -> Iterator[Key]:
        with opened(path) as file:
            for line in file:
                row = _LINE.decode(line)
                found = getattr(row, owner) if owner else None
                yield Key(row.id, _second(row.created_at), found if isinstance(found, int) else None)

    return read


def _plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def _gzip(path: Path) -> IO[bytes]:
    return io.BufferedReader(gzip.open(path))


def _zstandard(path: Path) -> IO[bytes]:
    zstd: Any = importlib.import_module(ZSTD)
    return io.BufferedReader(zstd.open(path))


def _of_sheet(path: Path, owner: str | None) -> Iterator[Key]:
    csv.field_size_limit(_CELL)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found = row[owner] if owner else None
            yield Key(int(row["id"]), _second(row["created_at"]), int(found) if found else None)


def _of_parquet(path: Path, owner: str | None) -> Iterator[Key]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    names = ["id", "created_at", *([owner] if owner else [])]
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=names):
            columns = [batch.column(name).to_pylist() for name in names]
            for row_id, moment, *found in zip(*columns, strict=True):
                yield Key(row_id, None if moment is None else math.floor(moment.timestamp()), *(found or [None]))


def _second(text: object) -> int | None:
    """A time as it was sent, in whole seconds; None when it is in an unusual form."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return math.floor(moment.timestamp()) if moment is not None and moment.tzinfo is not None else None


_READERS: Final[dict[str, Callable[[Path, str | None], Iterator[Key]]]] = {
    "jsonl": _of_lines(_plain),
    "jsonl.gz": _of_lines(_gzip),
    "jsonl.zst": _of_lines(_zstandard),
    "csv": _of_sheet,
    "csv-raw": _of_sheet,
    "parquet": _of_parquet,
}
