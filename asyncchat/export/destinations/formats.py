"""The formats of part files: what turns batches into the bytes of a file."""

from __future__ import annotations

import gzip
import importlib
import sys
from collections.abc import Callable
from typing import IO, Any, Final, Protocol

import attrs

from asyncchat.errors import ConfigurationError
from asyncchat.export.destinations.base import Batch
from asyncchat.export.lines import to_lines

_GZIP_LEVEL: Final = 6


class RowFile(Protocol):
    """Writes rows of one kind into a file that is open."""

    def write(self, batch: Batch) -> None:
        """Append rows."""
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
        module: What must be installed for it, empty: nothing.
        extra: The extra that brings it.
    """

    suffix: str
    begin: Callable[[IO[bytes], str], RowFile]
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


class Lines:
    """JSON Lines: rows as they were sent.

    Args:
        file: Where the lines go.
        end: Is called when all are written, None: nothing is.
    """

    def __init__(self, file: IO[bytes] | gzip.GzipFile, end: Callable[[], object] | None = None) -> None:
        self._write = file.write
        self._end = end

    def write(self, batch: Batch) -> None:
        """Append rows."""
        self._write(to_lines(batch.rows, batch.conversation_id))

    def finish(self) -> None:
        """End what compresses."""
        if self._end is not None:
            self._end()


def _plain(file: IO[bytes], _kind: str) -> RowFile:
    return Lines(file)


def _gzip(file: IO[bytes], _kind: str) -> RowFile:
    packed = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0, filename="")
    return Lines(packed, packed.close)


_ZSTD: Final = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


def _zstandard(file: IO[bytes], _kind: str) -> RowFile:
    zstd: Any = importlib.import_module(_ZSTD)
    packed = zstd.ZstdFile(file, "wb")
    return Lines(packed, packed.close)


_BY_NAME: Final = {
    "jsonl": Format("jsonl", _plain),
    "jsonl.gz": Format("jsonl.gz", _gzip),
    "jsonl.zst": Format("jsonl.zst", _zstandard, _ZSTD, "zst"),
}

FORMATS: Final = tuple(_BY_NAME)
"""What part files can be."""


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
