"""One exporter at a time: a file beside the destination that is held locked, and gone when nobody holds it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from asyncchat import ConfigurationError, ExportBusyError

if os.name == "posix":
    import fcntl

_PID_BYTES: Final = 20


class FileLock:
    """A lock that the system takes back from a process that is killed.

    Args:
        path: The file to lock. It is made, and removed again by `release`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, name: str) -> None:
        """Take the lock, or tell who holds it.

        Args:
            name: What is locked, for messages.

        Raises:
            ConfigurationError: The file cannot be made.
            ExportBusyError: Another exporter holds it.
        """
        if os.name != "posix":
            return
        while self._descriptor is None:
            descriptor = self._opened(name)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(descriptor, _PID_BYTES, 0).decode(errors="replace")
                os.close(descriptor)
                who = f" (process {holder})" if holder.isdigit() else ""
                raise ExportBusyError(
                    f"another export{who} is writing to {name}: wait for it, or give another destination"
                ) from None
            if self._is_current(descriptor):
                self._descriptor = descriptor
            else:  # its holder removed it between our opening and locking it
                os.close(descriptor)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let go of it. May be called twice, and without having it."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        self._path.unlink(missing_ok=True)  # before it is unlocked: nobody else can have it yet
        os.close(descriptor)

    def _opened(self, name: str) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as exc:
            raise ConfigurationError(
                f"{name} cannot be written ({self._path}: {exc.strerror}): give a place that you may write"
            ) from None

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False
