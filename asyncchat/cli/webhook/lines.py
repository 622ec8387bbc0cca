"""A file of JSON Lines that is appended to, and stays one when a process is killed, or a disk full, within a line."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
from collections.abc import Iterator
from typing import Final

if os.name == "posix":
    import fcntl

_TAIL: Final = 2**20
"""Bytes at the end of a file in which the beginning of its last line is looked for: an event has fewer."""


class Lines:
    """Appends lines to a file; each is on the disk when it has been written. May be shared by threads and processes.

    What a kill or a full disk has left of a line is removed; where another process has the file open just then, the
    next line begins on a line of its own.

    Args:
        name: The file; it is made if it is not there.
        begin: What each line begins with: nothing else is ever removed.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, name: str, *, begin: bytes) -> None:
        self._turn = threading.Lock()
        self._is_torn = False
        binary = getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(name, os.O_RDWR | os.O_APPEND | os.O_CREAT | binary, 0o666)
        with contextlib.suppress(OSError):  # a pipe or a device holds nothing that could be looked at
            self._mend(begin)

    def _mend(self, begin: bytes) -> None:
        """Remove a line that was cut off."""
        os.lseek(self._descriptor, max(0, os.fstat(self._descriptor).st_size - _TAIL), os.SEEK_SET)
        tail = os.read(self._descriptor, _TAIL).rpartition(b"\n")[2]
        self._is_torn = bool(tail)
        if tail and not _is_json(tail) and (tail.startswith(begin) or begin.startswith(tail)):
            self._cut(len(tail))
        elif os.name == "posix":
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def _cut(self, count: int) -> None:
        """Remove so many bytes from the end, unless another process may have written since."""
        with self._alone() as is_alone:
            if is_alone:
                os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - count)
                self._is_torn = False

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether nobody else has the file open to append to it; nobody else opens it within the block then."""
        if os.name != "posix":
            yield False
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
        with contextlib.suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def write(self, line: bytes) -> None:
        """Append a line, with its end, durably.

        Raises:
            OSError: The disk took it not, or not all of it.
        """
        with self._turn:
            self._append(b"\n" + line if self._is_torn else line)
        try:
            os.fsync(self._descriptor)
        except OSError as exc:
            if exc.errno != errno.EINVAL:  # a pipe, which keeps nothing
                raise

    def _append(self, data: bytes) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except BaseException:
            self._is_torn = self._is_torn or written > 0
            if written:
                self._cut(written)
            raise
        self._is_torn = False

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _is_json(text: bytes) -> bool:
    with contextlib.suppress(ValueError):
        json.loads(text)
        return True
    return False
