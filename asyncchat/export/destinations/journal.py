"""The journal of a folder: which parts and marks belong to the export that is being written into it.

It is the one commit point: what a transaction of it names is there, what none names has never been.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import attrs

from asyncchat.errors import ExportError
from asyncchat.export.report import ExportReport, Part, Query

_VERSION: Final = 1
_TABLES: Final = """
BEGIN;
CREATE TABLE export (query TEXT NOT NULL, report TEXT);
CREATE TABLE parts (file TEXT PRIMARY KEY, rows INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE marks (number INTEGER PRIMARY KEY, mark TEXT NOT NULL);
PRAGMA user_version = 1;
COMMIT;
"""


class Journal:
    """A journal that is open."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    def create(cls, path: Path, query: Query, *, manifest: Mapping[str, Any] | None = None) -> Self:
        """Make one for an export.

        Args:
            path: Where.
            query: What is exported.
            manifest: Of an export that is whole from the beginning, and only has to be moved into place.

        Raises:
            OSError: The disk took it not.
        """
        with _as_os_error(), contextlib.ExitStack() as undo:
            database = sqlite3.connect(path, check_same_thread=False)
            undo.callback(database.close)
            _make_durable(database)
            database.executescript(_TABLES)
            with database:
                whole = None if manifest is None else json.dumps(manifest, indent=2)
                database.execute("INSERT INTO export VALUES (?, ?)", [json.dumps(query.to_dict()), whole])
            undo.pop_all()
        return cls(database)

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """Open one that is there; None when it was never finished making.

        Raises:
            ExportError: It is damaged, or of another version.
        """
        if not path.exists():
            return None
        with contextlib.ExitStack() as undo:
            try:
                database = sqlite3.connect(path, check_same_thread=False)
                undo.callback(database.close)
                _make_durable(database)
                if _is_made(database):
                    journal = cls(database)
                    _ = journal.query, journal.manifest  # raises where they are none
                    undo.pop_all()
                    return journal
            except (sqlite3.DatabaseError, KeyError, TypeError, ValueError):
                raise ExportError(
                    f"{path.parent.parent} holds an export of another version, or a damaged one: "
                    "export anew with fresh=True"
                ) from None
        return None

    @property
    def query(self) -> Query:
        """What is exported."""
        return Query.from_dict(json.loads(self._one("SELECT query FROM export")))

    @property
    def manifest(self) -> dict[str, Any] | None:
        """The manifest of the export that has been finished but for its moving into place; None before."""
        text = self._one("SELECT report FROM export")
        return None if text is None else dict(json.loads(text))

    @property
    def parts(self) -> list[Part]:
        """The parts that were committed."""
        rows = self._database.execute("SELECT file, rows, size, sha256 FROM parts ORDER BY rowid")
        return [Part(file=file, rows=count, size=size, sha256=digest) for file, count, size, digest in rows]

    @property
    def marks(self) -> list[str]:
        """The marks that were committed, in their order."""
        return [mark for (mark,) in self._database.execute("SELECT mark FROM marks ORDER BY number")]

    def commit(self, parts: Iterable[Part], marks: Sequence[str]) -> None:
        """Note parts and marks together, durably.

        Raises:
            OSError: The disk took them not.
        """
        with _as_os_error(), self._database:
            self._database.executemany("INSERT INTO parts VALUES (?, ?, ?, ?)", map(attrs.astuple, parts))
            self._database.executemany("INSERT INTO marks (mark) VALUES (?)", [(mark,) for mark in marks])

    def finish(self, report: ExportReport) -> None:
        """Note that the export is whole: from now on it only has to be moved into place.

        Raises:
            OSError: The disk took it not.
        """
        with _as_os_error(), self._database:
            self._database.execute("UPDATE export SET report = ?", [json.dumps(report.manifest(), indent=2)])

    def close(self) -> None:
        """Close it. May be called twice."""
        self._database.close()

    def _one(self, query: str) -> Any:
        return self._database.execute(query).fetchone()[0]


def _make_durable(database: sqlite3.Connection) -> None:
    """Let commits survive a loss of power: the folder is synced too when the rollback journal goes."""
    database.execute("PRAGMA synchronous = EXTRA")


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    """A full or failing disk is told as by any other file."""
    try:
        yield
    except sqlite3.Error as exc:
        code = errno.ENOSPC if exc.sqlite_errorcode == sqlite3.SQLITE_FULL else errno.EIO
        failure = OSError(code, os.strerror(code))
    else:
        return
    raise failure


def _is_made(database: sqlite3.Connection) -> bool:
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    if version not in {0, _VERSION}:
        raise ValueError("another version")
    return version == _VERSION and database.execute("SELECT query FROM export").fetchone() is not None
