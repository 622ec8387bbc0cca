"""The file of an inbox, and what is done to its rows."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from asyncchat.errors import ConfigurationError, WebhookError
from asyncchat.models import KeywordNotificationEvent
from asyncchat.webhooks.events import parse_event
from asyncchat.webhooks.stored import State

VERSION: Final = 1

TABLES: Final = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL,
    received_at REAL NOT NULL,
    last_received_at REAL NOT NULL,
    count INTEGER NOT NULL DEFAULT 1,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    leased_until REAL,
    leased_by TEXT,
    ended_at REAL,
    error TEXT
);
CREATE INDEX events_by_hash ON events (hash, received_at);
CREATE INDEX events_by_due ON events (state, due_at);
"""
_BUSY_SECONDS: Final = 5.0


def open_file(path: Path) -> sqlite3.Connection:
    """Open the file of an inbox, and make it where it is not there.

    Raises:
        ConfigurationError: It cannot be used as one.
    """
    if not path.parent.is_dir():
        raise ConfigurationError(f"{path}: there is no folder {path.parent}: make it first")
    database = None
    try:
        database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.create_function("keyword_of", 1, keyword_of, deterministic=True)
        _make(database)
    except sqlite3.Error as exc:
        failure = str(exc)
    else:
        return database
    if database is not None:
        database.close()
    raise ConfigurationError(f"{path} cannot be used as an inbox ({failure}): give another file, or one to be made")


def _make(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")  # others may be about to make it too
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version == 0 and tables == 0:
        for statement in filter(str.strip, TABLES.split(";")):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")
    if version not in {0, VERSION} or (version == 0 and tables):
        raise sqlite3.DatabaseError("it is no inbox of this version of asyncchat")


def insert(database: sqlite3.Connection, digest: bytes, body: bytes, now: float, *, rejected: str | None = None) -> int:
    """Put a new event in, or what is none, with the reason; returns its number."""
    state: State = "new" if rejected is None else "rejected"
    ended = None if rejected is None else now
    values = (digest, body, state, now, now, now, ended, rejected)
    row_id = database.execute(
        "INSERT INTO events (hash, body, state, received_at, last_received_at, due_at, ended_at, error) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    ).lastrowid
    assert row_id is not None
    return row_id


def end(database: sqlite3.Connection, event_id: int, worker: str, now: float, *, dead: str | None = None) -> bool:
    """Let an event be done, or dead with the reason; returns whether it was taken by that worker."""
    state: State = "done" if dead is None else "dead"
    changed = database.execute(
        "UPDATE events SET state = ?, ended_at = ?, leased_by = NULL, leased_until = NULL, error = ? "
        "WHERE id = ? AND state = 'taken' AND leased_by = ?",
        (state, now, dead, event_id, worker),
    )
    return bool(changed.rowcount == 1)


def keyword_of(body: bytes) -> str | None:
    """The keyword of a notification; None of any other body."""
    with contextlib.suppress(WebhookError):
        event = parse_event(body)
        return event.payload.keyword if isinstance(event, KeywordNotificationEvent) else None
    return None


def size_of(database: sqlite3.Connection) -> int:
    """Bytes of the pages that hold something."""
    (pages,), (free,), (size,) = (
        database.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
