"""Events on their way from the platform to a handler, in an SQLite file that several processes may share.

What `add` has returned of is on the disk: nothing that was acknowledged after it is lost by a crash. An event is handed
over at least once: it is taken with a lease, and is there again when that has run out.

    new -- take --> taken -- done --> done
     ^                |  `-- failed, for the last time --> dead
     `-- failed, or the lease has run out
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from asyncchat.errors import WebhookError
from asyncchat.webhooks.file import File
from asyncchat.webhooks.schema import end, insert, size_of
from asyncchat.webhooks.stored import Added, InboxStats, State, Stored

DAY: Final = 86_400.0
_MOST_BYTES: Final = 2**30
_COLUMNS: Final = "id, body, state, received_at, last_received_at, count, attempts, due_at, leased_until, error"


class Inbox:
    """An inbox. Its methods block, and may be called from any thread, and in a forked child too.

    Args:
        path: The file; it is made if it is not there. Its folder must be there.
        dedupe: Seconds within which the same body is the same event.
        attempts: How often an event is handed over before it is dead.
        backoff: Seconds after the first attempt that failed; each further wait is twice as long.
        max_backoff: The longest of these waits.
        retention: Seconds for which events that are done, dead or rejected are kept.
        max_bytes: Size from which on nothing is added.

    Raises:
        ConfigurationError: The file cannot be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        dedupe: float = DAY,
        attempts: int = 10,
        backoff: float = 1.0,
        max_backoff: float = 3_600.0,
        retention: float = 30 * DAY,
        max_bytes: int = _MOST_BYTES,
    ) -> None:
        self.path = Path(path)
        self._dedupe = dedupe
        self._attempts = attempts
        self._backoff = backoff
        self._max_backoff = max_backoff
        self._retention = retention
        self._max_bytes = max_bytes
        self._file = File(self.path)
        self._file.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Let a closed inbox be used again: its file is opened with the next use."""
        self._file.open()

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._file.close()

    # ---- what comes

    def add(self, bodies: Sequence[bytes], now: float) -> list[Added]:
        """Keep events durably, all of them or none: one commit for all makes many a second possible.

        Args:
            bodies: As they were posted.
            now: Seconds since the epoch.

        Raises:
            WebhookError: The inbox is full, or its disk or file failed: none may be acknowledged.
        """
        with self._file.transaction() as database:
            self._refuse_when_full(database)
            return [self._add(database, body, now) for body in bodies]

    def _add(self, database: sqlite3.Connection, body: bytes, now: float) -> Added:
        digest = hashlib.sha256(body).digest()
        known = database.execute(
            "SELECT id, count FROM events WHERE hash = ? AND received_at > ? AND state <> 'rejected' "
            "ORDER BY received_at DESC LIMIT 1",
            (digest, now - self._dedupe),
        ).fetchone()
        if known is not None:
            row_id, count = known
            database.execute(
                "UPDATE events SET count = count + 1, last_received_at = max(last_received_at, ?) WHERE id = ?",
                (now, row_id),
            )
            return Added(row_id, count + 1)
        return Added(insert(database, digest, body, now), 1)

    def reject(self, body: bytes, reason: str, now: float) -> int:
        """Keep aside what is no event; returns its number.

        Raises:
            WebhookError: The inbox is full, or its disk or file failed.
        """
        with self._file.transaction() as database:
            self._refuse_when_full(database)
            return insert(database, hashlib.sha256(body).digest(), body, now, rejected=reason)

    def _refuse_when_full(self, database: sqlite3.Connection) -> None:
        if size_of(database) >= self._max_bytes:
            raise WebhookError(
                f"the inbox {self.path} is full ({self._max_bytes:,} bytes): let its events be handed over, "
                "or give it more room with max_bytes"
            )

    # ---- handing over

    def take(self, worker: str, now: float, *, most: int = 1, lease: float = 300.0) -> list[Stored]:
        """Take events that are due, the oldest first: nobody else gets them until the lease has run out.

        Args:
            worker: Who takes them.
            now: Seconds since the epoch.
            most: How many at most.
            lease: Seconds for which they are taken.
        """
        with self._file.transaction() as database:
            database.execute(
                "UPDATE events SET state = 'dead', ended_at = ?, error = 'its handler never came to an end' "
                "WHERE state = 'taken' AND leased_until <= ? AND attempts >= ?",
                (now, now, self._attempts),
            )
            rows = database.execute(
                "UPDATE events SET state = 'taken', attempts = attempts + 1, leased_by = ?, leased_until = ? "  # noqa: S608
                "WHERE id IN (SELECT id FROM events WHERE (state = 'new' AND due_at <= ?) "
                f"OR (state = 'taken' AND leased_until <= ?) ORDER BY due_at, id LIMIT ?) RETURNING {_COLUMNS}",
                (worker, now + lease, now, now, most),
            ).fetchall()
        return sorted((Stored(*row) for row in rows), key=lambda stored: (stored.due_at, stored.id))

    def done(self, event_id: int, worker: str, now: float) -> bool:
        """Note that an event has been handled; False where the lease had run out, and it is somebody else's."""
        return self.done_all([event_id], worker, now) == 1

    def done_all(self, ids: Sequence[int], worker: str, now: float) -> int:
        """Note with one commit that events have been handled; returns how many of them were still its own."""
        with self._file.transaction() as database:
            return sum(end(database, event_id, worker, now) for event_id in ids)

    def failed(self, event_id: int, worker: str, now: float, error: str, *, is_final: bool = False) -> State | None:
        """Note that a handler failed: the event is new again after a while, or dead; None where it was not its own.

        Args:
            event_id: The event.
            worker: Who had taken it.
            now: Seconds since the epoch.
            error: What went wrong.
            is_final: Whether it would go wrong again: then it is dead at once.
        """
        with self._file.transaction() as database:
            row = database.execute(
                "SELECT attempts FROM events WHERE id = ? AND state = 'taken' AND leased_by = ?", (event_id, worker)
            ).fetchone()
            if row is None:
                return None
            if is_final or row[0] >= self._attempts:
                end(database, event_id, worker, now, dead=error)
                return "dead"
            due = now + min(self._max_backoff, self._backoff * 2.0 ** min(row[0] - 1, 30))
            database.execute(
                "UPDATE events SET state = 'new', due_at = ?, leased_by = NULL, leased_until = NULL, error = ? "
                "WHERE id = ?",
                (due, error, event_id),
            )
            return "new"

    def next_due(self, now: float) -> float | None:
        """When there will be something to take; None where nothing waits or is taken."""
        with self._file.transaction("BEGIN") as database:
            (found,) = database.execute(
                "SELECT min(CASE state WHEN 'new' THEN due_at ELSE leased_until END) FROM events "
                "WHERE state IN ('new', 'taken')"
            ).fetchone()
        return None if found is None else max(now, float(found))

    # ---- for people

    def replay(self, now: float, *, ids: Sequence[int] = (), state: State | None = None) -> int:
        """Let events be handed over anew: some by their numbers, or all in a state; returns how many.

        Those that are taken just now, and rejected ones, are left alone.
        """
        with self._file.transaction() as database:
            marks = ", ".join("?" * len(ids))
            which, values = (f"id IN ({marks})", list(ids)) if ids else ("state = ?", [state])
            changed = database.execute(
                "UPDATE events SET state = 'new', attempts = 0, due_at = ?, ended_at = NULL, error = NULL "  # noqa: S608
                f"WHERE state IN ('new', 'done', 'dead') AND {which}",
                [now, *values],
            )
            return changed.rowcount

    def get(self, event_id: int) -> Stored | None:
        """An event by its number; None where there is none."""
        with self._file.transaction("BEGIN") as database:
            row = database.execute(f"SELECT {_COLUMNS} FROM events WHERE id = ?", (event_id,)).fetchone()  # noqa: S608
        return None if row is None else Stored(*row)

    def list(
        self,
        *,
        state: State | None = None,
        keyword: str | None = None,
        since: float | None = None,
        until: float | None = None,
        after: int = 0,
        most: int = 100,
    ) -> list[Stored]:
        """Events in the order in which they came.

        Args:
            state: Only those in it; None: all.
            keyword: Only notifications of it.
            since: Only those that came first at or after it, in seconds since the epoch.
            until: Only those that came first before it.
            after: Only those of higher numbers.
            most: How many at most.
        """
        wanted = {
            "id > ?": after,
            "state = ?": state,
            "keyword_of(body) = ?": keyword,
            "received_at >= ?": since,
            "received_at < ?": until,
        }
        given = {condition: value for condition, value in wanted.items() if value is not None}
        with self._file.transaction("BEGIN") as database:
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(given)} ORDER BY id LIMIT ?",  # noqa: S608
                [*given.values(), most],
            ).fetchall()
        return [Stored(*row) for row in rows]

    def stats(self) -> InboxStats:
        """How it stands."""
        with self._file.transaction("BEGIN") as database:
            states = dict(database.execute("SELECT state, count(*) FROM events GROUP BY state").fetchall())
            (duplicates,) = database.execute("SELECT coalesce(sum(count - 1), 0) FROM events").fetchone()
            (oldest,) = database.execute("SELECT min(due_at) FROM events WHERE state = 'new'").fetchone()
            size = size_of(database)
        return InboxStats(states=states, duplicates=duplicates, oldest_due=oldest, size=size)

    def prune(self, now: float) -> int:
        """Drop what has ended longer ago than the retention says; returns how many."""
        with self._file.transaction() as database:
            ended = "state IN ('done', 'dead', 'rejected') AND ended_at <= ?"
            return database.execute(f"DELETE FROM events WHERE {ended}", (now - self._retention,)).rowcount  # noqa: S608
