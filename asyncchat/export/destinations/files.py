"""Folders and files of an export on a disk: durable, locked, read back."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from asyncchat.errors import ConfigurationError, ExportBusyError
from asyncchat.export.report import ExportReport

if os.name == "posix":
    import fcntl

MANIFEST: Final = "manifest.json"
NOTE: Final = "sync"
"""What a sync has noted of itself, in the manifest."""

T = TypeVar("T")


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder survive a loss of power. Where folders cannot be opened, they need it not."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, text: str) -> None:
    """Write a file that survives a loss of power; its folder has still to be synced."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders that hold nothing, in this order."""
    for folder in folders:
        with contextlib.suppress(OSError):  # it holds the export, or could not be made
            folder.rmdir()


def make_root(root: Path) -> list[Path]:
    """Make the folder, durably; returns what had to be made, the innermost first.

    Raises:
        ConfigurationError: It cannot be made, or not be written to.
        OSError: The disk took it not.
    """
    if _exists(root) and not root.is_dir():
        raise ConfigurationError(f"{root} is a file: give a folder, which is made if it is not there")
    made = [folder for folder in (root, *root.parents) if not _exists(folder)]
    try:
        for folder in reversed(made):
            _sync_name(folder.parent)  # before anything is in it: a run that is killed leaves one at most to be synced
            _make(folder, root)
        _sync_name(root)
    except (ConfigurationError, OSError):
        remove_empty(made)
        raise
    if not os.access(root, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{root} is not writable: give a folder that you may write")
    return made


def _make(folder: Path, root: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as exc:
        raise ConfigurationError(f"{root} cannot be made ({exc.strerror}): give a folder that you may write") from None


def _sync_name(folder: Path) -> None:
    with contextlib.suppress(PermissionError):  # the folder above cannot be opened for that
        sync_folder(folder.parent)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # its name is too long, say: what makes it will tell
        return False


class Lock:
    """A folder that is locked against other exporters: the folder itself, so that no lock file can be left behind."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @classmethod
    def taken(cls, root: Path) -> Self:
        """Lock a folder.

        Raises:
            ExportBusyError: Another process holds it.
        """
        if os.name != "posix":
            return cls(None)
        descriptor = os.open(root, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _holder(os.fstat(descriptor).st_ino)
            os.close(descriptor)
            who = f" (process {holder})" if holder else ""
            raise ExportBusyError(
                f"another export{who} is writing to {root}: wait for it, or give another folder"
            ) from None
        return cls(descriptor)

    def release(self) -> None:
        """Let go of it. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _holder(inode: int) -> int | None:
    """The process that holds a file locked, where the system tells; it may be told for a file of another disk."""
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux, or hidden
        return None
    for fields in map(str.split, lines):  # such as: 1: FLOCK  ADVISORY  WRITE 708 fe:00:131 0 EOF
        if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode) and int(fields[4]) > 0:
            return int(fields[4])
    return None


def read_report(root: Path) -> ExportReport | None:
    """The report of the finished export in a folder, None when there is none.

    Raises:
        ConfigurationError: There is a manifest that cannot be read.
    """
    return _read_manifest(root, lambda manifest: ExportReport.from_manifest(str(root), manifest))


def read_note(root: Path) -> dict[str, Any] | None:
    """What a sync has noted of itself in the manifest of a folder, None when there is none.

    Raises:
        ConfigurationError: There is a manifest that cannot be read.
    """
    return _read_manifest(root, lambda manifest: None if manifest.get(NOTE) is None else dict(manifest[NOTE]))


def _read_manifest(root: Path, read: Callable[[dict[str, Any]], T]) -> T | None:
    try:
        data = (root / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise ConfigurationError(
            f"{root / MANIFEST} cannot be read ({exc.strerror}): make it readable, or give another folder"
        ) from None
    try:
        return read(json.loads(data))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
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
