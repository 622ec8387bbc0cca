"""A database as a destination: what all kinds of databases have in common.

Rows and marks are committed in one transaction. A finished export that is made anew stays as it is: the new rows go to
tables of their own, which take the place of the old ones in the transaction that finishes it.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Sequence
from typing import Concatenate, Final, ParamSpec, TypeVar

import attrs

from asyncchat import ExportError
from asyncchat.export.destinations.base import Batch, Opened
from asyncchat.export.destinations.columns import to_values
from asyncchat.export.destinations.database_contents import DatabaseContents
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
from asyncchat.export.destinations.store import Store, Values
from asyncchat.export.destinations.tables import EXPORTS, MARKS, admin_tables, indexes, table
from asyncchat.export.report import KINDS, ExportReport, Query

P = ParamSpec("P")
R = TypeVar("R")

_BLOCK_BYTES: Final = 4 * 2**20
"""So much JSON of rows is held before it is handed to the database."""


def _guarded(
    method: Callable[Concatenate[Database, P], R],
) -> Callable[Concatenate[Database, P], R]:
    """Translate what the database raises, and use it no more after anything went wrong until it is opened again.

    The translated error has no exception behind it: the frames of a driver hold passwords and rows.
    """

    @functools.wraps(method)
    def call(self: Database, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not self._is_sound:
            raise ExportError(f"{self.name} is not open, or has failed: open it again")
        self._is_sound = False  # until it ends well: Ctrl-C may end it anywhere
        try:
            result = method(self, *args, **kwargs)
        except self._store.errors as exc:
            failure = self._store.explain(exc)
        else:
            self._is_sound = True
            return result
        raise failure

    return call


class Database:
    """A `Destination` in a database.

    Args:
        store: The database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_sound = False
        self._is_in_transaction = False
        self._place = MAIN
        self._kinds: tuple[str, ...] = ()
        self._is_blank = False
        self._marks = 0
        self._pending: dict[str, dict[int, Values]] = {}
        self._pending_bytes = 0

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
            self._is_sound = True
            begun = begin()
            is_open = True
        finally:
            if not is_open:
                self.close()
        return begun

    @_guarded
    def _open(self, query: Query, *, fresh: bool) -> Opened:
        held = find_exports(self._store)
        todo = plan(query, held, fresh=fresh, name=self.name)
        if todo.place is None:
            report = held[MAIN].report
            assert report is not None
            compare(self._store, report, MAIN, "begin a fresh export, which replaces it")
            return Opened(report=report)
        self._store.prepare()
        self._place, self._kinds = todo.place, kinds_held(query)
        self._begin()
        for place in todo.drops:
            self._drop(place)
        if todo.begins:
            self._make(query)
        self._commit()
        self._is_blank = todo.begins
        marks = self._run(f"SELECT mark FROM {MARKS} WHERE place = ? ORDER BY position", (self._place,))  # noqa: S608
        self._marks = len(marks)
        return Opened(marks=[json.loads(mark) for (mark,) in marks])

    def contents(self) -> DatabaseContents:
        """Open the finished export that it holds, for reading.

        Raises:
            ConfigurationError: It cannot be connected to, or holds no finished export.
            ExportError: Another export writes to it, or it does not answer.
        """
        report = self._connected(self._finished)
        return DatabaseContents(self._store, report, ask=self._ask, mend=self._mend, close=self.close)

    @_guarded
    def _finished(self) -> ExportReport:
        return finished(self._store)

    @_guarded
    def _mend(self, batches: Sequence[Batch]) -> None:
        """Put rows into the finished export, and into its report how many there are now: in one transaction."""
        report = finished(self._store)
        self._store.prepare()
        self._place, self._kinds = MAIN, kinds_held(report.query)
        for batch in batches:
            self._take(batch)
        self._flush()
        self._begin()
        counts = {kind: self._run(f"SELECT count(*) FROM {kind}")[0][0] for kind in self._kinds}  # noqa: S608
        self._store.index()
        values = (to_text(attrs.evolve(report, rows=counts)), MAIN)
        self._run(f"UPDATE {EXPORTS} SET report = ? WHERE place = ?", values)  # noqa: S608
        self._commit()

    @_guarded
    def _ask(self, sql: str, values: Values) -> list[Values]:
        return self._run(sql, values)

    def _make(self, query: Query) -> None:
        for statement in admin_tables(self._store.dialect):
            self._run(statement)
        for kind in self._kinds:
            for statement in table(self._store.dialect, kind, self._place):
                self._run(statement)
        values = (self._place, SCHEMA, to_text(query), None)
        self._run(f"INSERT INTO {EXPORTS} VALUES (?, ?, ?, ?)", values)  # noqa: S608

    def _drop(self, place: str) -> None:
        for kind in KINDS:
            self._run(f"DROP TABLE IF EXISTS {table_of(kind, place)}")
        for name in (MARKS, EXPORTS):
            self._run(f"DELETE FROM {name} WHERE place = ?", (place,))  # noqa: S608

    # ---- writing

    @_guarded
    def write(self, batch: Batch) -> None:
        """Take rows; of one given twice the later one counts.

        Raises:
            ExportError: The database failed.
        """
        self._take(batch)

    def _take(self, batch: Batch) -> None:
        pending = self._pending.setdefault(batch.kind, {})
        nul, kind, owner = self._store.keeps_nul, batch.kind, batch.conversation_id
        for row in batch.rows:
            pending[row.id] = to_values(kind, row, owner, nul=nul)
            self._pending_bytes += len(row.json)
        if self._pending_bytes >= _BLOCK_BYTES:
            self._flush()

    @_guarded
    def commit(self, marks: Sequence[str]) -> None:
        """Make all that was written since the last time durable, together with the marks.

        Raises:
            ExportError: The database failed.
        """
        self._flush()
        if marks:
            self._begin()
            rows = [(self._place, self._marks + i, json.dumps(mark)) for i, mark in enumerate(marks)]
            self._store.load(MARKS, "marks", rows)
        was_blank = self._is_blank and not self._is_in_transaction
        self._commit()
        self._is_blank = was_blank
        self._marks += len(marks)

    @_guarded
    def finish(self, report: ExportReport) -> ExportReport:
        """Make the export a finished one, in place of the one before; called after the last commit.

        Raises:
            ExportError: The database failed, or does not hold as many rows as were written.
        """
        self._flush()
        self._begin()
        report = attrs.evolve(report, parts=())
        compare(self._store, report, self._place, "export again")
        if self._place == NEW:
            self._swap()
        for kind in self._kinds:
            for statement in indexes(kind):
                self._run(statement)
        self._store.index()
        self._run(f"DELETE FROM {MARKS} WHERE place = ?", (MAIN,))  # noqa: S608
        self._run(f"UPDATE {EXPORTS} SET report = ? WHERE place = ?", (to_text(report), MAIN))  # noqa: S608
        self._commit()
        self._is_blank = False
        return report

    def _swap(self) -> None:
        self._drop(MAIN)
        for kind in self._kinds:
            self._run(f"ALTER TABLE {table_of(kind, NEW)} RENAME TO {kind}")
            self._store.renamed(kind)
        for name in (MARKS, EXPORTS):
            self._run(f"UPDATE {name} SET place = ? WHERE place = ?", (MAIN, NEW))  # noqa: S608

    def close(self) -> None:
        """Let go of it. What was not committed is dropped; where that is all, nothing is left of the export."""
        self._pending.clear()
        self._pending_bytes = 0
        try:
            if self._is_blank:
                with contextlib.suppress(*self._store.errors):  # what has failed may fail again
                    self._erase()
        finally:
            self._is_sound = self._is_in_transaction = self._is_blank = False
            self._store.close()

    def _erase(self) -> None:
        if self._is_in_transaction:
            self._run("ROLLBACK")
        self._store.begin()
        ((others,),) = self._run(f"SELECT count(*) FROM {EXPORTS} WHERE place <> ?", (self._place,))  # noqa: S608
        if others:
            self._drop(self._place)
        else:  # tables as a whole: DuckDB 1.3 and 1.4 do not drop one that lost rows in the same transaction
            for name in (*(table_of(kind, self._place) for kind in KINDS), MARKS, EXPORTS):
                self._run(f"DROP TABLE IF EXISTS {name}")
        self._store.commit()
        if not others:
            self._store.forget()

    # ---- the connection

    def _flush(self) -> None:
        for kind in KINDS:
            rows = self._pending.pop(kind, None)
            if rows:
                self._begin()
                self._store.load(table_of(kind, self._place), kind, list(rows.values()))
        self._pending_bytes = 0

    def _begin(self) -> None:
        if not self._is_in_transaction:
            self._store.begin()
            self._is_in_transaction = True

    def _commit(self) -> None:
        if self._is_in_transaction:
            self._store.commit()
            self._is_in_transaction = False

    def _run(self, sql: str, values: Values = ()) -> list[Values]:
        return self._store.execute(self._store.dialect.fill(sql), values)
