"""Part files read back to be written anew without some of their rows: each other one as it is there, byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, Final, TypeAlias

from asyncchat.export.destinations.base import Packed
from asyncchat.export.destinations.heads import head_of
from asyncchat.export.destinations.keys import open_lines
from asyncchat.export.destinations.parquet import Block, read_blocks

_CHUNK_BYTES: Final = 2**20

Record: TypeAlias = tuple[int, bytes]
"""A row's id, and its text."""


def rows_without(path: Path, kind: str, form: str, ids: Collection[int]) -> Iterator[Packed | Block]:
    """The rows of a part file but for some, in the form in which its format writes them.

    Args:
        path: The file.
        kind: Of its rows.
        form: Its format, as a query names it.
        ids: The rows to leave out.

    Raises:
        Exception: What the format's library raises where the file is damaged.
    """
    if form == "parquet":
        return read_blocks(path, kind, ids)
    return _packed(path, kind, ids, records=_of_sheet if form.startswith("csv") else _of_lines, form=form)


def _packed(
    path: Path, kind: str, ids: Collection[int], *, records: Callable[[IO[bytes]], Iterator[Record]], form: str
) -> Iterator[Packed]:
    kept: list[bytes] = []
    size = 0
    with open_lines(path, form) as file:
        for row_id, text in records(file):
            if row_id in ids:
                continue
            kept.append(text)
            size += len(text)
            if size >= _CHUNK_BYTES:
                yield Packed(kind=kind, count=len(kept), text=b"".join(kept))
                kept, size = [], 0
    if kept:
        yield Packed(kind=kind, count=len(kept), text=b"".join(kept))


def _of_lines(file: IO[bytes]) -> Iterator[Record]:
    for line in file:
        yield head_of(line).id, line


def _of_sheet(file: IO[bytes]) -> Iterator[Record]:
    """The records of CSV, whose first column is the id; texts, which are quoted, may have line ends in them."""
    next(file)  # the header
    lines: list[bytes] = []
    quotes = 0
    for line in file:
        lines.append(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            record = b"".join(lines)
            yield int(record[: record.index(b",")]), record
            lines, quotes = [], 0
    if lines:
        raise ValueError("the last record is cut off")
