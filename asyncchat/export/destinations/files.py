"""A folder of part files and a manifest.

Everything is written into a hidden folder inside the destination, and moved into place when all of it is there: the
manifest comes last, so a folder with a manifest is a finished export, and no other file ever looks like one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

import attrs

from asyncchat.errors import ConfigurationError, ExportError
from asyncchat.export.report import KINDS, ExportReport, Part

if os.name == "posix":
    import fcntl

MANIFEST: Final = "manifest.json"
_STAGING: Final = ".asyncchat-partial"
_PART_BYTES: Final = 128 * 2**20


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder survive a loss of power. Where folders cannot be opened, they need it not."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@attrs.define
class _OpenPart:
    path: Path
    file: IO[bytes]
    rows: int = 0
    size: int = 0
    hash: hashlib._Hash = attrs.field(factory=hashlib.sha256)

    def write(self, lines: Iterable[bytes]) -> int:
        block = list(lines)
        data = b"".join(block)
        self.file.write(data)
        self.hash.update(data)
        self.rows += len(block)
        self.size += len(data)
        return len(block)

    def finish(self) -> Part:
        """Make it durable under its final name."""
        with self.file:
            self.file.flush()
            os.fsync(self.file.fileno())
        final = self.path.with_suffix("")
        self.path.rename(final)
        sync_folder(final.parent)
        name = f"{final.parent.name}/{final.name}"
        return Part(file=name, rows=self.rows, size=self.size, sha256=self.hash.hexdigest())


class Folder:
    """A destination folder while it is written.

    Args:
        root: The folder; it is made if it is not there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._staging = root / _STAGING
        self._open: dict[str, _OpenPart] = {}
        self._parts: list[Part] = []
        self._committed = False

    def write(self, kind: str, lines: Iterable[bytes]) -> int:
        """Append lines to the current part file of a kind; returns how many."""
        part = self._open.get(kind)
        if part is None:
            number = sum(done.file.startswith(f"{kind}/") for done in self._parts)
            path = self._staging / kind / f"part-{number:05}.jsonl.tmp"
            part = self._open[kind] = _OpenPart(path, path.open("wb", buffering=2**20))
        written = part.write(lines)
        if part.size >= _PART_BYTES:
            self._parts.append(self._open.pop(kind).finish())
        return written

    def finish_parts(self) -> tuple[Part, ...]:
        """Close every part file; returns all parts."""
        while self._open:
            self._parts.append(self._open.popitem()[1].finish())
        return tuple(sorted(self._parts, key=lambda part: (KINDS.index(part.file.split("/")[0]), part.file)))

    def commit(self, report: ExportReport) -> None:
        """Move everything into place, the manifest last."""
        text = json.dumps(report.manifest(), indent=2) + "\n"  # ASCII: a server's words may hold lone surrogates
        staged = self._staging / MANIFEST
        with staged.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        for kind in KINDS:
            if (self._staging / kind).exists():
                (self._staging / kind).rename(self.root / kind)
        sync_folder(self.root)
        staged.rename(self.root / MANIFEST)
        sync_folder(self.root)
        self._committed = True

    @classmethod
    @contextlib.contextmanager
    def opened(cls, root: Path, kinds: Iterable[str]) -> Iterator[Folder]:
        """A folder to write to, locked against other exporters; what was not committed is removed at the end.

        Raises:
            ConfigurationError: The path cannot take an export, or holds something else.
            ExportError: Another export writes here.
        """
        made = _prepare(root)
        try:
            with _locked(root):
                _check_free(root)
                folder = cls(root)
                try:
                    folder._clear()
                    for kind in kinds:
                        (folder._staging / kind).mkdir(parents=True)
                    yield folder
                finally:
                    for part in folder._open.values():
                        with contextlib.suppress(OSError):  # a full disk refuses to flush
                            part.file.close()
                    with contextlib.suppress(OSError):
                        folder._clear()
        finally:
            _remove_empty(made)

    def _clear(self) -> None:
        """Remove what an export that was not committed has left. What tells that it is an export's goes last."""
        if not self._staging.exists():
            return
        if not self._committed:
            (self.root / MANIFEST).unlink(missing_ok=True)
            for kind in KINDS:
                shutil.rmtree(self.root / kind, ignore_errors=True)
        shutil.rmtree(self._staging)


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # it holds the export, or could not be made
            folder.rmdir()


def _prepare(root: Path) -> list[Path]:
    """Make the folder; returns what had to be made, the innermost first."""
    if root.exists() and not root.is_dir():
        raise ConfigurationError(f"{root} is a file: give a folder, which is made if it is not there")
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        _remove_empty(made)
        raise ConfigurationError(f"{root} cannot be made ({exc.strerror}): give a folder that you may write") from None
    if not os.access(root, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{root} is not writable: give a folder that you may write")
    return made


def _check_free(root: Path) -> None:
    """Refuse a folder that holds what must stay. Asked under the lock: another export may have ended just now."""
    if (root / MANIFEST).exists():
        raise ConfigurationError(f"{root} holds an export already: give another folder, or remove it")
    foreign = [kind for kind in KINDS if (root / kind).exists()]
    if foreign and not (root / _STAGING).exists():
        raise ConfigurationError(f"{root} holds a {foreign[0]} folder that is no export's: give another folder")


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the folder itself locked: no lock file can be left behind."""
    if os.name != "posix":
        yield
        return
    descriptor = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ExportError(f"another export is writing to {root}: wait for it, or give another folder") from None
        yield
    finally:
        os.close(descriptor)


def read_report(root: Path) -> ExportReport | None:
    """The report of the finished export in a folder, None when there is none.

    Raises:
        ConfigurationError: There is a manifest that cannot be read.
    """
    try:
        data = (root / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise ConfigurationError(
            f"{root / MANIFEST} cannot be read ({exc.strerror}): make it readable, or give another folder"
        ) from None
    try:
        return ExportReport.from_manifest(str(root), json.loads(data))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ConfigurationError(
            f"{root / MANIFEST} is not an export's manifest of this version: give another folder"
        ) from None


def find_damage(root: Path, report: ExportReport) -> Path | None:
    """The first part file of a finished export that is missing or has another size, None when there is none."""
    for part in report.parts:
        path = root / part.file
        if not path.is_file() or path.stat().st_size != part.size:
            return path
    return None
