"""The formats of part files: what turns batches into the bytes of a file."""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable
from typing import IO, Any, Final, Protocol

import attrs

from asyncchat.errors import ConfigurationError
from asyncchat.export.destinations.base import Batch, Packed
from asyncchat.export.destinations.parquet import Parquet
from asyncchat.export.destinations.sheet import Sheet
from asyncchat.export.lines import to_lines

_GZIP_LEVEL: Final = 6
_GZIP_WINDOW: Final = 31
"""The largest window of zlib, 15, and 16 for the head and foot of gzip."""


class RowFile(Protocol):
    """Writes rows of one kind into a file that is open."""

    def write(self, batch: Any) -> None:
        """Append rows: a batch, or what its format packs them into."""
        ...

    def finish(self) -> None:
        """Write what is still held back. The file itself stays open."""
        ...


@attrs.frozen
class Format:
    """A format of part files.

    Attributes:
        suffix: Of their names.
        begin: Makes the writer of rows of a kind into an open file.
        pack: Makes of a batch what waits to be written.
        module: What must be installed for it, empty: nothing.
        extra: The extra that brings it.
    """

    suffix: str
    begin: Callable[[IO[bytes], str], RowFile]
    pack: Callable[[Batch], Batch | Packed] = attrs.field(default=lambda batch: batch, kw_only=True)
    module: str = ""
    extra: str = ""

    def check(self) -> None:
        """Refuse a format whose library is not there.

        Raises:
            ConfigurationError: It is not.
        """
        if not self.module:
            return
        try:
            importlib.import_module(self.module)
        except ImportError:
            raise ConfigurationError(
                f"format {self.suffix!r} needs an extra: pip install 'asyncchat[{self.extra}]'"
            ) from None


def to_packed(batch: Batch) -> Packed:
    """A batch as lines of JSON."""
    return Packed(kind=batch.kind, count=batch.count, text=to_lines(batch.rows, batch.conversation_id))


def _text_of(batch: Batch | Packed) -> bytes | memoryview:
    return batch.text if isinstance(batch, Packed) else to_packed(batch).text


class Lines:
    """JSON Lines: rows as they were sent.

    Args:
        file: Where the lines go.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, batch: Batch | Packed) -> None:
        """Append rows."""
        self._file.write(_text_of(batch))

    def finish(self) -> None:
        """Nothing is held back."""


class Packer(Protocol):
    """What compresses, as the standard library has it."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """What there is already of the compressed data."""
        ...

    def flush(self) -> bytes:
        """What is left of it."""
        ...


class PackedLines:
    """JSON Lines that are compressed.

    Args:
        file: Where the compressed lines go.
        packer: Compresses them.
    """

    def __init__(self, file: IO[bytes], packer: Packer) -> None:
        self._file = file
        self._packer = packer

    def write(self, batch: Batch | Packed) -> None:
        """Append rows."""
        self._file.write(self._packer.compress(_text_of(batch)))

    def finish(self) -> None:
        """End the compressed data."""
        self._file.write(self._packer.flush())


def _plain(file: IO[bytes], _kind: str) -> RowFile:
    return Lines(file)


def _gzip(file: IO[bytes], _kind: str) -> RowFile:
    return PackedLines(file, zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW))


ZSTD: Final = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


def _zstandard(file: IO[bytes], _kind: str) -> RowFile:
    zstd: Any = importlib.import_module(ZSTD)
    return PackedLines(file, zstd.ZstdCompressor())


def _csv(file: IO[bytes], kind: str) -> RowFile:
    return Sheet(file, kind, guarded=True)


def _csv_raw(file: IO[bytes], kind: str) -> RowFile:
    return Sheet(file, kind, guarded=False)


_RAW: Final = "csv-raw"

_BY_NAME: Final = {
    "jsonl": Format("jsonl", _plain, pack=to_packed),
    "jsonl.gz": Format("jsonl.gz", _gzip, pack=to_packed),
    "jsonl.zst": Format("jsonl.zst", _zstandard, ZSTD, "zst", pack=to_packed),
    "csv": Format("csv", _csv),
    _RAW: Format("csv", _csv_raw),
    "parquet": Format("parquet", Parquet, "pyarrow", "parquet"),
}

FORMATS: Final = tuple(name for name in _BY_NAME if name != _RAW)
"""What part files can be; texts that look like formulas are an option of csv."""


def find_format(name: str) -> Format:
    """The format of that name.

    Raises:
        ConfigurationError: There is none, or its extra is not installed.
    """
    found = _BY_NAME.get(name)
    if found is None:
        raise ConfigurationError(f"format takes {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, not {name!r:.40}")
    found.check()
    return found
