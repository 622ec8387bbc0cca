"""A connection to a database that is written to in transactions, and used no more once anything has gone wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from asyncchat import ExportError
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.columns import to_values
from asyncchat.export.destinations.holding import MAIN, table_of
from asyncchat.export.destinations.store import Store, Values
from asyncchat.export.report import KINDS

P = ParamSpec("P")
R = TypeVar("R")

_BLOCK_BYTES: Final = 4 * 2**20
"""So much JSON of rows is held before it is handed to the database."""


class _HasSession(Protocol):
    _session: Session


S = TypeVar("S", bound=_HasSession)


def guarded(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Translate what the database raises, and use it no more after anything went wrong until it is opened again.

    The translated error has no exception behind it: the frames of a driver hold passwords and rows.
    """

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        session = self._session
        if not session.is_sound:
            raise ExportError(f"{session.name} is not open, or has failed: open it again")
        session.is_sound = False  # until it ends well: Ctrl-C may end it anywhere
        try:
            result = method(self, *args, **kwargs)
        except session.store.errors as exc:
            failure = session.store.explain(exc)
        else:
            session.is_sound = True
            return result
        raise failure

    return call


class Session:
    """A connection, its transaction, and rows on their way into it.

    Args:
        store: The database.

    Attributes:
        store: The database.
        place: Where rows are written to.
        is_sound: Whether it is connected, and nothing has gone wrong.
        is_in_transaction: Whether a transaction is under way.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.place = MAIN
        self.is_sound = False
        self.is_in_transaction = False
        self._pending: dict[str, dict[int, Values]] = {}
        self._pending_bytes = 0

    @property
    def name(self) -> str:
        """What the database is called."""
        return self.store.name

    def run(self, sql: str, values: Values = ()) -> list[Values]:
        """Execute a statement whose parameters are `?`; returns its rows."""
        return self.store.execute(self.store.dialect.fill(sql), values)

    def begin(self) -> None:
        """Begin a transaction, unless one is under way."""
        if not self.is_in_transaction:
            self.store.begin()
            self.is_in_transaction = True

    def commit(self) -> None:
        """Make the transaction durable, if there is one."""
        if self.is_in_transaction:
            self.store.commit()
            self.is_in_transaction = False

    def take(self, batch: Batch) -> None:
        """Take rows; of one given twice the later one counts."""
        pending = self._pending.setdefault(batch.kind, {})
        nul, kind, owner = self.store.keeps_nul, batch.kind, batch.conversation_id
        for row in batch.rows:
            pending[row.id] = to_values(kind, row, owner, nul=nul)
            self._pending_bytes += len(row.json)
        if self._pending_bytes >= _BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand what was taken to the database, in a transaction."""
        for kind in KINDS:
            rows = self._pending.pop(kind, None)
            if rows:
                self.begin()
                self.store.load(table_of(kind, self.place), kind, list(rows.values()))
        self._pending_bytes = 0

    def drop_pending(self) -> None:
        """Forget what was taken and not handed on."""
        self._pending.clear()
        self._pending_bytes = 0

    def close(self) -> None:
        """Let go of the database; what was not committed is dropped."""
        self.drop_pending()
        self.is_sound = self.is_in_transaction = False
        self.place = MAIN
        self.store.close()
