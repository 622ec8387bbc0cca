"""Part files while they are written, and as they are found again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable
from io import BufferedWriter, RawIOBase
from pathlib import Path
from typing import IO, Any, Final, cast

from asyncchat.export.destinations.base import Batch, Packed
from asyncchat.export.destinations.files import sync_folder
from asyncchat.export.destinations.formats import Format
from asyncchat.export.destinations.parquet import Block
from asyncchat.export.report import KINDS, Part

PART_BYTES: Final = 128 * 2**20
"""The size from which on a part file is closed and another one begun."""

_BUFFER: Final = 2**20
_TEMPORARY: Final = ".tmp"


class _Hashed(RawIOBase):
    """A file that knows the hash of what was written into it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("xb", buffering=0)
        self.hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def write(self, data: Any) -> int:
        if self._file.closed:  # abandoned: what compresses or buffers still gets rid of what it holds
            return memoryview(data).nbytes
        written = self._file.write(data)
        self.hash.update(memoryview(data)[:written])
        self.size += written
        return written

    def abandon(self) -> None:
        """Let all that is written from now on go nowhere."""
        self._file.close()

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class OpenPart:
    """A part file while it is written, under a name that is no part's.

    Args:
        folder: Where it goes: the folder of its kind.
        number: Which part of its kind it is.
        form: Its format.
    """

    def __init__(self, folder: Path, number: int, form: Format) -> None:
        self._path = folder / f"part-{number:05}.{form.suffix}"
        self._temporary = self._path.with_name(self._path.name + _TEMPORARY)
        self._raw = _Hashed(self._temporary)
        self._file = BufferedWriter(self._raw, _BUFFER)
        self._rows = form.begin(cast("IO[bytes]", self._file), folder.name)
        self.rows = 0

    @property
    def size(self) -> int:
        """Bytes that have reached the file."""
        return self._raw.size

    def write(self, batch: Batch | Packed | Block) -> None:
        """Append rows."""
        self._rows.write(batch)
        self.rows += batch.count

    def finish(self) -> Part:
        """Make it durable under its own name; its folder has still to be synced."""
        self._rows.finish()
        self._file.flush()
        os.fsync(self._raw.fileno())
        self._file.close()
        self._temporary.rename(self._path)
        name = f"{self._path.parent.name}/{self._path.name}"
        return Part(file=name, rows=self.rows, size=self._raw.size, sha256=self._raw.hash.hexdigest())

    def abandon(self) -> None:
        """Close the file as it is: nobody will read it."""
        self._raw.abandon()
        for close in (self._rows.finish, self._file.close):
            with contextlib.suppress(Exception):  # what compresses or buffers may fail once more
                close()


class Parts:
    """The part files that an export is being written into.

    Args:
        root: Holds a folder for each kind.
        form: Their format.
        counts: Parts that are there already, by kind.
    """

    def __init__(self, root: Path, form: Format, counts: dict[str, int]) -> None:
        self._root = root
        self._format = form
        self._counts = dict(counts)
        self._open: dict[str, OpenPart] = {}
        self._finished: list[Part] = []

    def write(self, batch: Batch | Packed | Block) -> None:
        """Append rows to the part of their kind, which is closed when it is large."""
        part = self._open.get(batch.kind)
        if part is None:
            number = self._counts.get(batch.kind, 0)
            part = self._open[batch.kind] = OpenPart(self._root / batch.kind, number, self._format)
            self._counts[batch.kind] = number + 1
        part.write(batch)
        if part.size >= PART_BYTES:
            self._finished.append(part.finish())
            del self._open[batch.kind]

    def finish(self) -> list[Part]:
        """Make durable what was written since the last time; returns it."""
        for kind in list(self._open):
            self._finished.append(self._open[kind].finish())
            del self._open[kind]
        finished, self._finished = self._finished, []
        for kind in set(map(kind_of, finished)):
            sync_folder(self._root / kind)
        return finished

    def abandon(self) -> None:
        """Close every file as it is."""
        for part in self._open.values():
            part.abandon()
        self._open = {}


def kind_of(part: Part) -> str:
    """The kind of the rows of a part."""
    return part.file.split("/")[0]


def number_of(name: str) -> int:
    """The number of a part file of that name."""
    return int(name.partition(".")[0].rpartition("-")[2])


def link_or_copy(path: Path, place: Path) -> None:
    """Let a file, which nobody will change, be in another place too."""
    try:
        place.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, place)
        with place.open("rb") as file:
            os.fsync(file.fileno())


def in_order(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Parts by kind and number."""
    return tuple(sorted(parts, key=lambda part: (KINDS.index(kind_of(part)), number_of(part.file))))


def is_sound(root: Path, part: Part) -> bool:
    """Whether the bytes of a part are those that were written."""
    path = root / part.file
    if not path.is_file() or path.stat().st_size != part.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == part.sha256
