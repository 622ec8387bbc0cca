"""An inbox's connection to its file: one for all threads, none across a fork, a new one after a failure."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from asyncchat.errors import ConfigurationError, WebhookError
from asyncchat.webhooks.schema import open_file

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class File:
    """The file of an inbox.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._is_open = True
        _files.add(self)

    def connect(self) -> None:
        """Open it now.

        Raises:
            ConfigurationError: It cannot be used.
        """
        with self._turn:
            self._connection()

    def open(self) -> None:
        """Let it be opened by the next use."""
        with self._turn:
            self._is_open = True

    def close(self) -> None:
        """Close it. May be called twice."""
        with self._turn:
            self._is_open = False
            self._disconnect()

    @contextlib.contextmanager
    def transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """A transaction that is committed at the end of the block.

        Raises:
            WebhookError: The file cannot be used just now: nothing was changed.
        """
        failure = ""
        with self._turn:
            try:
                with self._transaction(self._connection(), begin) as database:
                    yield database
            except ConfigurationError as exc:
                failure = str(exc)
            except sqlite3.Error as exc:
                failure = str(exc)
                if exc.sqlite_errorcode not in _BUSY:
                    self._disconnect()  # one that has met a disk that is read-only stays so
        if failure:  # out of the handler: its frames hold bodies
            raise WebhookError(f"the inbox {self._path} cannot be used just now ({failure}): nothing was changed")

    @contextlib.contextmanager
    def _transaction(self, database: sqlite3.Connection, begin: str) -> Iterator[sqlite3.Connection]:
        database.execute(begin)
        try:
            yield database
            database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # it has rolled back by itself
                database.execute("ROLLBACK")
            raise

    def _connection(self) -> sqlite3.Connection:
        if not self._is_open:
            raise ConfigurationError("it is closed")
        if self._identity != self._identity_now():  # somebody has moved the file away, or put another there
            self._disconnect()
        if self._database is None:
            self._database = open_file(self._path)
            self._identity = self._identity_now()
        return self._database

    def _identity_now(self) -> tuple[int, int] | None:
        try:
            told = self._path.stat()
        except OSError:
            return None
        return told.st_dev, told.st_ino

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    # ---- forks: SQLite's connections do not survive one, nor may a child close its parent's

    def before_fork(self) -> None:
        """Let what is under way come to its end, and disconnect."""
        self._turn.acquire()
        self._disconnect()

    def after_in_parent(self) -> None:
        """Go on, with a new connection."""
        self._turn.release()

    def after_in_child(self) -> None:
        """Go on, with a new connection."""
        self._turn = threading.Lock()


_files: weakref.WeakSet[File] = weakref.WeakSet()
_held: dict[int, list[File]] = {}
"""Files by the thread that forks."""


def _before_fork() -> None:
    _held[threading.get_ident()] = held = list(_files)
    for file in held:
        file.before_fork()


def _after_in_parent() -> None:
    for file in _held.pop(threading.get_ident(), []):
        file.after_in_parent()


def _after_in_child() -> None:
    for file in _held.pop(threading.get_ident(), []):
        file.after_in_child()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
