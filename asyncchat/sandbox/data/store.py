"""The store: the sandbox's rows in SQLite, read through real LIMIT and OFFSET."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import frozen

from asyncchat._types import MAX_ID
from asyncchat.sandbox.data import changes, tables
from asyncchat.sandbox.data.rows import message_body, truth_line
from asyncchat.sandbox.data.select import COLUMNS, View, listing, statement

if TYPE_CHECKING:
    import sqlite3

    from asyncchat.sandbox.data.generate import Plan
    from asyncchat.sandbox.data.query import Query
    from asyncchat.sandbox.data.tables import Kind

_COUNTS: Final = 4096  # totals that are remembered


@frozen
class Listing:
    """One page of rows, encoded as the API sends them, and how many rows there are on all pages."""

    bodies: list[bytes]
    total: int


class Store:
    """Models, conversations and messages; to be used in the thread that opened it.

    Attributes:
        version: Goes up with every change.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._counts: dict[tuple[str, tuple[int, ...]], int] = {}
        self.version = 0

    @classmethod
    def open(cls, database: str, plan: Plan) -> Store:
        """Open a database and generate its rows, unless it already holds those of this plan.

        Args:
            database: A file, or ":memory:".
            plan: What to generate.

        Raises:
            ValueError: If the file holds something else.
        """
        return cls(tables.connect(database, plan))

    def copy(self) -> Store:
        """Another store with the same rows, in memory."""
        return Store(tables.copy(self._connection))

    def close(self) -> None:
        """Close the database; changes are gone, and so are rows in memory."""
        self._connection.close()

    def apply(self, change: changes.Change) -> list[changes.Touch]:
        """Make a change and tell which rows it touched; it is never committed: a file keeps what was generated."""
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")
        touched = changes.apply(self._connection, change)
        if touched:
            self.version += 1
            self._counts.clear()
        return touched

    def models(self, query: Query, view: View) -> Listing:
        """One page of models."""
        return self._page("models", query, view)

    def conversations(self, query: Query, view: View, model_id: int | None = None) -> Listing:
        """One page of conversations, of one model if given."""
        scope = {} if model_id is None else {"model_id": model_id}
        return self._page("conversations", query, view, **scope)

    def messages(self, conversation_id: int, query: Query, view: View) -> Listing:
        """One page of the messages of a conversation."""
        return self._page("messages", query, view, conversation_id=conversation_id)

    def row(self, kind: Literal["models", "conversations"], row_id: int) -> bytes | None:
        """An encoded model or conversation, or None."""
        found = self._read(statement("body", kind, "WHERE id = ?"), row_id)
        return found[0][0] if found else None

    def has(self, kind: Kind, row_id: int) -> bool:
        """Whether there is such a row."""
        return bool(self._read(statement("1", kind, "WHERE id = ?"), row_id))

    def count(self, kind: Kind) -> int:
        """How many rows of a kind there are."""
        return int(self._read(statement("COUNT(*)", kind))[0][0])

    def model_ids(self) -> list[int]:
        """Every model's id in ascending order."""
        return [row_id for (row_id,) in self._read("SELECT id FROM models ORDER BY id")]

    def conversation_ids(self) -> tuple[int, int] | None:
        """The first and the last id of a conversation; None: there is no conversation."""
        low, high = self._read("SELECT (SELECT MIN(id) FROM conversations), (SELECT MAX(id) FROM conversations)")[0]
        return None if low is None else (low, high)

    def conversation_at(self, row_id: int) -> int | None:
        """The id of the first conversation from an id on."""
        found = self._read("SELECT id FROM conversations WHERE id >= ? ORDER BY id LIMIT 1", row_id)
        return found[0][0] if found else None

    def conversation_lately(self, place: int) -> int | None:
        """The id of the conversation that was updated last, or of that many places before it."""
        found = self._read(
            "SELECT id FROM conversations ORDER BY updated_at DESC, id DESC LIMIT 1 OFFSET ?",
            place,
        )
        return found[0][0] if found else None

    def batch(self, kind: Kind, after: int | None, limit: int) -> list[tuple[int, bytes]]:
        """Ids and rows in the order of their ids; a message also has its conversation_id.

        Args:
            kind: Which rows.
            after: The id of the last row that is known already; None: from the first one.
            limit: How many rows at most.
        """
        low = -MAX_ID - 1 if after is None else after + 1
        rows = self._read(statement(COLUMNS[kind], kind, "WHERE id >= ? ORDER BY id LIMIT ?"), low, limit)
        if kind == "messages":
            return [(row[0], truth_line(message_body(row), row[1])) for row in rows]
        return rows

    def _read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()

    def _page(self, kind: Kind, query: Query, view: View, **scope: int) -> Listing:
        select = listing(kind, query, view, **scope)
        rows = self._read(select.page, *select.values, *select.tail)
        bodies = [message_body(row) for row in rows] if kind == "messages" else [body for _, body in rows]
        return Listing(bodies, self._total(select.count, select.values))

    def _total(self, sql: str, values: tuple[int, ...]) -> int:
        if (sql, values) not in self._counts:
            if len(self._counts) >= _COUNTS:
                self._counts.clear()
            self._counts[sql, values] = self._read(sql, *values)[0][0]
        return self._counts[sql, values]
