"""An SQLite file as a destination.

Times are texts such as `2025-05-05 10:00:00`, in UTC, as SQLite's own functions write and read them. `messages_fts`
finds messages by their words; it is filled when the export is finished, and kept true
by triggers from then on:

    SELECT messages.* FROM messages_fts JOIN messages ON messages.id = messages_fts.rowid
    WHERE messages_fts MATCH 'word'
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final

from asyncchat import ConfigurationError, ExportError
from asyncchat.export.destinations.columns import Type
from asyncchat.export.destinations.database import Database
from asyncchat.export.destinations.filelock import FileLock
from asyncchat.export.destinations.store import Store, Values
from asyncchat.export.destinations.tables import ALL_COLUMNS, Dialect, upsert

_WAITS: Final = 30.0
"""Seconds that another program's transaction is waited for."""

_CACHE_KIB: Final = 32 * 1024

_FORGET: Final = "INSERT INTO messages_fts (messages_fts, rowid, message) VALUES ('delete', old.id, old.message);"
_LEARN: Final = "INSERT INTO messages_fts (rowid, message) VALUES (new.id, new.message);"
_IS_OTHER: Final = "old.message IS NOT new.message OR old.id <> new.id"
_TRIGGERS: Final = (
    f"CREATE TRIGGER asyncchat_messages_added AFTER INSERT ON messages BEGIN {_LEARN} END",
    f"CREATE TRIGGER asyncchat_messages_dropped AFTER DELETE ON messages BEGIN {_FORGET} END",
    f"CREATE TRIGGER asyncchat_messages_changed AFTER UPDATE ON messages WHEN {_IS_OTHER} BEGIN {_FORGET} {_LEARN} END",
)
"""As SQLite's documentation of external content tables has them; they go with their table."""

_ADVICE: Final = {
    "SQLITE_FULL": "make room on the disk, and run the same command again: it goes on",
    "SQLITE_READONLY": "make the file and its folder writable, or give another destination",
    "SQLITE_CANTOPEN": "make the file and its folder writable, or give another destination",
    "SQLITE_BUSY": "another program writes to it: end that, and run the same command again: it goes on",
    "SQLITE_CORRUPT": "the file is damaged: remove it, and export again",
}


class SQLiteDestination(Database):
    """A `Destination` in an SQLite file.

    Args:
        path: The file; it is made if it is not there. Its folder must be there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(_SQLite(Path(path)))


class _SQLite(Store):
    dialect: ClassVar = Dialect(
        types={
            Type.INTEGER: "INTEGER",
            Type.TEXT: "TEXT",
            Type.TIMESTAMP: "TEXT",
            Type.JSON: "TEXT",
        },
        has_comments=False,
        json="TEXT",
        second="CAST(strftime('%s', {}) AS INTEGER)",
        moment="datetime(?)",
    )
    own_names: ClassVar = ("messages_fts",)
    errors = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._shown = str(path)
        self._lock = FileLock(self._path.with_name(f".{self._path.name}.asyncchat-lock"))
        self._connection: sqlite3.Connection | None = None
        self._restores: str | None = None
        self._is_new = self._is_useless = False

    @property
    def name(self) -> str:
        return f"sqlite:///{self._shown}"

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    # ---- opening and closing

    def connect(self) -> None:
        if not self._path.parent.is_dir():
            raise ConfigurationError(f"{self.name}: there is no folder {self._path.parent}: make it first")
        if self._path.exists() and not self._path.is_file():
            raise ConfigurationError(f"{self._path} is no file: give a file, which is made if it is not there")
        self._lock.acquire(self.name)
        self._is_new, self._is_useless = not self._path.exists(), False
        try:
            self._connection = sqlite3.connect(
                self._path, timeout=_WAITS, isolation_level=None, check_same_thread=False
            )
            self.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error as exc:
            failure = str(exc)
        else:
            return
        raise ConfigurationError(f"{self.name} cannot be opened ({failure}): give an SQLite file, or one to be made")

    def prepare(self) -> None:
        """Let others read what is there while this writes, until it is closed."""
        ((mode,),) = self.execute("PRAGMA journal_mode")
        ((now,),) = self.execute("PRAGMA journal_mode = WAL")
        self._restores = mode if mode != now else None
        self.execute("PRAGMA synchronous = FULL")
        self.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # it has rolled back by itself, or is broken
                if self._connection.in_transaction:
                    self._connection.rollback()
                if self._restores is not None:  # refused while somebody reads: then it stays as it is, which works too
                    self._connection.execute("PRAGMA busy_timeout = 0")
                    self._connection.execute(f"PRAGMA journal_mode = {self._restores}").fetchall()
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = self._restores = None
            if self._is_useless:
                self._path.unlink(missing_ok=True)
        self._lock.release()

    # ---- statements

    def names(self, wanted: Sequence[str]) -> set[str]:
        taken = self.execute("SELECT lower(name) FROM sqlite_master WHERE type IN ('table', 'view', 'index')")
        return set(wanted) & {name for (name,) in taken}

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(row[1] for row in self.execute(f"PRAGMA table_info({table})"))

    def execute(self, sql: str, values: Values = ()) -> list[Values]:
        return self._open.execute(sql, values).fetchall()

    def begin(self) -> None:
        self.execute("BEGIN IMMEDIATE")

    def load(self, table: str, kind: str, rows: Sequence[Values]) -> None:
        columns = ALL_COLUMNS[kind]
        times = [i for i, column in enumerate(columns) if column.type is Type.TIMESTAMP]
        places = ", ".join("?" * len(columns))
        self._open.executemany(
            upsert(table, kind, f"VALUES ({places})"), (_with_texts(row, times) for row in rows) if times else rows
        )

    def index(self) -> None:
        """Make the full-text index over messages anew, and what keeps it true from then on."""
        ((has_fts,),) = self.execute("SELECT sqlite_compileoption_used('ENABLE_FTS5')")
        self.execute("DROP TABLE IF EXISTS messages_fts")
        if has_fts and self.names(["messages"]):
            self.execute(
                "CREATE VIRTUAL TABLE messages_fts USING fts5(message, content='messages', content_rowid='id')"
            )
            self.execute("INSERT INTO messages_fts (messages_fts) VALUES ('rebuild')")
            for trigger in _TRIGGERS:
                self.execute(trigger)

    def forget(self) -> None:
        """Let a file go that was made for an export and holds nothing."""
        ((count,),) = self.execute("SELECT count(*) FROM sqlite_master")
        self._is_useless = self._is_new and count == 0

    def explain(self, error: Exception) -> ExportError:
        code = str(getattr(error, "sqlite_errorname", ""))
        fitting = [advice for start, advice in _ADVICE.items() if code.startswith(start)]
        advice = (*fitting, "see that its disk has room and is sound, and run the same command again: it goes on")[0]
        return ExportError(f"{self.name} cannot be written ({error}); what was committed stays: {advice}")


def _with_texts(values: Values, times: Sequence[int]) -> Values:
    changed = list(values)
    for i in times:
        changed[i] = to_text(values[i])
    return tuple(changed)


def to_text(moment: datetime | None) -> str | None:
    """A time as SQLite's functions write it, with a fraction if it has one."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
