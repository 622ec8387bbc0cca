"""Rows as digests, to be compared with what a server says now: in part files, and in the same form in memory."""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib
import io
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Final

from asyncchat import RawRow
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.formats import ZSTD, find_format
from asyncchat.export.destinations.heads import head_of

_CELL: Final = 2**31 - 1


class DigestTable:
    """The digests of many rows, in sixteen bytes each.

    Args:
        rows: Id and digest of each.
    """

    def __init__(self, rows: Iterable[tuple[int, int]]) -> None:
        self._ids, self._digests = array("q"), array("Q")
        for row_id, digest in sorted(rows):
            self._ids.append(row_id)
            self._digests.append(digest)

    def get(self, row_id: int) -> int | None:
        """The digest of a row; None where it is not there."""
        at = bisect_left(self._ids, row_id)
        return self._digests[at] if at < len(self._ids) and self._ids[at] == row_id else None


def digest_of(value: bytes | Sequence[Any]) -> int:
    """A digest of a row: of its bytes, or of the values in its columns."""
    data = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def read_digests(file: IO[bytes], form: str) -> Iterator[tuple[int, int]]:
    """Id and digest of each row in a part file.

    Args:
        file: The file, open for reading.
        form: Its format, as a query names it.

    Raises:
        Exception: What the format's library raises where the file is damaged.
    """
    return _READERS[form](file)


def digests_as_in(rows: Sequence[RawRow], kind: str, conversation_id: int | None, form: str) -> Mapping[int, int]:
    """The digests that rows would have in a part file: they are written as one, and read back."""
    if not rows:
        return {}
    file = io.BytesIO()
    written = find_format(form).begin(file, kind)
    written.write(Batch(kind=kind, rows=rows, conversation_id=conversation_id))
    written.finish()
    file.seek(0)
    return dict(read_digests(file, form))


def _lines(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    for line in file:
        yield head_of(line).id, digest_of(line)


def _gzip(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    return _lines(io.BufferedReader(gzip.open(file)))


def _zstandard(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    zstd: Any = importlib.import_module(ZSTD)
    return _lines(io.BufferedReader(zstd.open(file)))


def _sheet(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    csv.field_size_limit(_CELL)
    with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        rows = csv.reader(text)
        at = next(rows).index("id")
        for row in rows:
            yield int(row[at]), digest_of(row)


def _parquet(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    with pq.ParquetFile(file) as table:
        for batch in table.iter_batches():
            ids = batch.column("id").to_pylist()
            for row_id, *values in zip(ids, *(column.to_pylist() for column in batch.columns), strict=True):
                yield row_id, digest_of(values)


_READERS: Final[Mapping[str, Callable[[IO[bytes]], Iterator[tuple[int, int]]]]] = {
    "jsonl": _lines,
    "jsonl.gz": _gzip,
    "jsonl.zst": _zstandard,
    "csv": _sheet,
    "csv-raw": _sheet,
    "parquet": _parquet,
}
