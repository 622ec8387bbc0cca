"""A database as a destination: what all kinds of databases have in common.

Rows and marks are committed in one transaction. A finished export that is made anew stays as it is: the new rows go to
tables of their own, which take the place of the old ones in the transaction that finishes it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs

from asyncchat.export.destinations.base import Batch, Opened
from asyncchat.export.destinations.database_contents import DatabaseContents
from asyncchat.export.destinations.database_copy import DatabaseCopy, read_state
from asyncchat.export.destinations.holding import (
    MAIN,
    NEW,
    SCHEMA,
    kinds_held,
    plan,
    table_of,
    to_text,
)
from asyncchat.export.destinations.inventory import compare, find_exports, finished
from asyncchat.export.destinations.session import Session, guarded
from asyncchat.export.destinations.store import Store
from asyncchat.export.destinations.tables import EXPORTS, MARKS, NAMES, SYNCS, UNPROVEN, admin_tables, indexes, table
from asyncchat.export.report import KINDS, ExportReport, Query

R = TypeVar("R")


class Database:
    """A `Destination` in a database.

    Args:
        store: The database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._session = Session(store)
        self._kinds: tuple[str, ...] = ()
        self._is_blank = False
        self._marks = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def name(self) -> str:
        """What it is called in messages and reports: without a password."""
        return self._store.name

    @property
    def format(self) -> str:
        """The kind of database."""
        return self._store.name.partition("://")[0]

    # ---- opening

    def open(self, query: Query, *, fresh: bool) -> Opened:
        """Lock it against other exporters, drop what was not committed, and tell what is there.

        After a `fresh` export that did not finish, opening it without `fresh` goes on with that one.

        Args:
            query: What will be exported.
            fresh: Whether to begin anew: a finished export stays until the new one is finished, and is replaced then.

        Raises:
            ConfigurationError: It cannot be connected to, or holds another export or somebody else's tables.
            ExportError: Another export writes to it, it does not answer, or what it holds is damaged.
        """
        return self._connected(lambda: self._open(query, fresh=fresh))

    def _connected(self, begin: Callable[[], R]) -> R:
        """Connect, and begin with something; where that fails, let go again."""
        self.close()
        is_open = False
        try:
            self._store.connect()
            self._session.is_sound = True
            begun = begin()
            is_open = True
        finally:
            if not is_open:
                self.close()
        return begun

    @guarded
    def _open(self, query: Query, *, fresh: bool) -> Opened:
        held = find_exports(self._store)
        todo = plan(query, held, fresh=fresh, name=self.name)
        if todo.place is None:
            report = held[MAIN].report
            assert report is not None
            compare(self._store, report, MAIN, "begin a fresh export, which replaces it")
            return Opened(report=report)
        self._store.prepare()
        self._session.place, self._kinds = todo.place, kinds_held(query)
        self._session.begin()
        for place in todo.drops:
            self._drop(place)
        if todo.begins:
            self._make(query)
        self._session.commit()
        self._is_blank = todo.begins
        marks = self._session.run(f"SELECT mark FROM {MARKS} WHERE place = ? ORDER BY position", (self._session.place,))  # noqa: S608
        self._marks = len(marks)
        return Opened(marks=[json.loads(mark) for (mark,) in marks])

    def contents(self, *, mending: bool = False) -> DatabaseContents:  # noqa: ARG002 - as the others have it
        """Open the finished export that it holds, for reading.

        Raises:
            ConfigurationError: It cannot be connected to, or holds no finished export.
            ExportError: Another export writes to it, or it does not answer.
        """
        report, is_synced = self._connected(self._finished)
        return DatabaseContents(self._session, report, is_synced=is_synced)

    @guarded
    def _finished(self) -> tuple[ExportReport, bool]:
        return finished(self._store), read_state(self._session) is not None

    def copy(self, query: Query | None) -> DatabaseCopy | None:
        """Open the finished export of a query that it holds, to keep it up to date; None where there is none.

        Args:
            query: What was asked; None: whatever it was.

        Raises:
            ConfigurationError: It cannot be connected to, or holds another export or somebody else's tables.
            ExportError: Another export writes to it, it does not answer, or what it holds is damaged.
        """
        held = self._connected(lambda: self._held(query))
        if held is not None:
            return DatabaseCopy(self._session, *held)
        self.close()
        return None

    @guarded
    def _held(self, query: Query | None) -> tuple[ExportReport, str | None] | None:
        held = find_exports(self._store)
        is_to_come = query is not None and plan(query, held, fresh=False, name=self.name).place is not None
        report = held[MAIN].report if MAIN in held else None
        if is_to_come or report is None:
            if not self._store.names(NAMES):
                self._store.forget()
            return None
        self._store.prepare()
        return report, read_state(self._session)

    def _make(self, query: Query) -> None:
        for statement in admin_tables(self._store.dialect):
            self._session.run(statement)
        for kind in self._kinds:
            for statement in table(self._store.dialect, kind, self._session.place):
                self._session.run(statement)
        values = (self._session.place, SCHEMA, to_text(query), None)
        self._session.run(f"INSERT INTO {EXPORTS} VALUES (?, ?, ?, ?)", values)  # noqa: S608

    def _drop(self, place: str) -> None:
        for kind in KINDS:
            self._session.run(f"DROP TABLE IF EXISTS {table_of(kind, place)}")
        for name in (MARKS, EXPORTS):
            self._session.run(f"DELETE FROM {name} WHERE place = ?", (place,))  # noqa: S608
        if place == MAIN:
            for name in (SYNCS, UNPROVEN):
                self._session.run(f"DELETE FROM {name}")  # noqa: S608

    # ---- writing

    @guarded
    def write(self, batch: Batch) -> None:
        """Take rows; of one given twice the later one counts.

        Raises:
            ExportError: The database failed.
        """
        self._session.take(batch)

    @guarded
    def commit(self, marks: Sequence[str]) -> None:
        """Make all that was written since the last time durable, together with the marks.

        Raises:
            ExportError: The database failed.
        """
        self._session.flush()
        if marks:
            self._session.begin()
            rows = [(self._session.place, self._marks + i, json.dumps(mark)) for i, mark in enumerate(marks)]
            self._store.load(MARKS, "marks", rows)
        was_blank = self._is_blank and not self._session.is_in_transaction
        self._session.commit()
        self._is_blank = was_blank
        self._marks += len(marks)

    @guarded
    def finish(self, report: ExportReport) -> ExportReport:
        """Make the export a finished one, in place of the one before; called after the last commit.

        Raises:
            ExportError: The database failed, or does not hold as many rows as were written.
        """
        self._session.flush()
        self._session.begin()
        report = attrs.evolve(report, parts=())
        compare(self._store, report, self._session.place, "export again")
        if self._session.place == NEW:
            self._swap()
        for kind in self._kinds:
            for statement in indexes(kind):
                self._session.run(statement)
        self._store.index()
        self._session.run(f"DELETE FROM {MARKS} WHERE place = ?", (MAIN,))  # noqa: S608
        self._session.run(f"UPDATE {EXPORTS} SET report = ? WHERE place = ?", (to_text(report), MAIN))  # noqa: S608
        self._session.commit()
        self._is_blank = False
        return report

    def _swap(self) -> None:
        self._drop(MAIN)
        for kind in self._kinds:
            self._session.run(f"ALTER TABLE {table_of(kind, NEW)} RENAME TO {kind}")
            self._store.renamed(kind)
        for name in (MARKS, EXPORTS):
            self._session.run(f"UPDATE {name} SET place = ? WHERE place = ?", (MAIN, NEW))  # noqa: S608

    def close(self) -> None:
        """Let go of it. What was not committed is dropped; where that is all, nothing is left of the export."""
        self._session.drop_pending()
        try:
            if self._is_blank:
                with contextlib.suppress(*self._store.errors):  # what has failed may fail again
                    self._erase()
        finally:
            self._is_blank = False
            self._session.close()

    def _erase(self) -> None:
        if self._session.is_in_transaction:
            self._session.run("ROLLBACK")
        self._store.begin()
        ((others,),) = self._session.run(f"SELECT count(*) FROM {EXPORTS} WHERE place <> ?", (self._session.place,))  # noqa: S608
        if others:
            self._drop(self._session.place)
        else:  # tables as a whole: DuckDB 1.3 and 1.4 do not drop one that lost rows in the same transaction
            for name in (*(table_of(kind, self._session.place) for kind in KINDS), MARKS, SYNCS, UNPROVEN, EXPORTS):
                self._session.run(f"DROP TABLE IF EXISTS {name}")
        self._store.commit()
        if not others:
            self._store.forget()
