"""The tables of an export, in the words of each database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from asyncchat.export.destinations.columns import COLUMNS, Column, Type
from asyncchat.export.destinations.holding import MAIN, NEW, table_of
from asyncchat.export.report import KINDS

EXPORTS: Final = "asyncchat_exports"
MARKS: Final = "asyncchat_marks"
SYNCS: Final = "asyncchat_syncs"
"""How far a copy has been kept up to date."""
UNPROVEN: Final = "asyncchat_unproven"
"""Conversations whose messages have not been counted since they were added to without being asked for."""

ALL_COLUMNS: Final[Mapping[str, Sequence[Column]]] = {
    **COLUMNS,
    "marks": (
        Column("place", Type.TEXT, "Which export it belongs to."),
        Column("position", Type.INTEGER, "Its place among the marks."),
        Column("mark", Type.TEXT, "The mark, as JSON."),
    ),
}
"""Columns by kind of rows, those of the marks included."""

DELETED: Final = Column("deleted_at", Type.TIMESTAMP, "When it was found that the server has it no more. In UTC.")
"""A column of every kind of rows in databases: what is gone is marked, and stays."""

KEYS: Final[Mapping[str, str]] = {**dict.fromkeys(KINDS, "id"), "marks": "place, position"}

INDEXED: Final = ("conversation_id", "model_id", "created_at", "updated_at")

NAMES: Final = (EXPORTS, MARKS, SYNCS, UNPROVEN, *(table_of(kind, place) for place in (MAIN, NEW) for kind in KINDS))
"""Every table that an export may have."""

_ABOUT: Final = {
    "models": "Models, as asyncchat exported them.",
    "conversations": "Conversations, as asyncchat exported them.",
    "messages": "Messages, as asyncchat exported them.",
}


@attrs.frozen(kw_only=True)
class Dialect:
    """How a database spells things.

    Attributes:
        types: The database's types.
        parameter: A parameter of a statement.
        has_comments: Whether tables and columns take comments.
        json: The type of JSON about exports, which may hold escapes that the database takes for no character.
        second: The whole seconds since the epoch of a time in a column `{}`.
        moment: A time that is given as a parameter, a text with its offset.
    """

    types: Mapping[Type, str]
    parameter: str = "?"
    has_comments: bool = True
    json: str
    second: str
    moment: str = "CAST(? AS timestamptz)"

    def fill(self, sql: str) -> str:
        """A statement with the database's own parameters for `?`."""
        return sql.replace("?", self.parameter)


def admin_tables(dialect: Dialect) -> Iterator[str]:
    """What makes the tables that say what the others hold, unless they are there."""
    integer, text = dialect.types[Type.INTEGER], dialect.types[Type.TEXT]
    yield (
        f"CREATE TABLE IF NOT EXISTS {EXPORTS} (place {text} NOT NULL PRIMARY KEY, layout {integer} NOT NULL, "
        f"query {dialect.json} NOT NULL, report {dialect.json})"
    )
    yield _table(dialect, MARKS, ALL_COLUMNS["marks"], KEYS["marks"], "IF NOT EXISTS ")
    yield f"CREATE TABLE IF NOT EXISTS {SYNCS} (state {dialect.json} NOT NULL)"
    yield (
        f"CREATE TABLE IF NOT EXISTS {UNPROVEN} (conversation_id {integer} NOT NULL PRIMARY KEY, "
        f"round {integer} NOT NULL)"
    )


def table(dialect: Dialect, kind: str, place: str) -> Iterator[str]:
    """What makes the table of a kind of rows."""
    name = table_of(kind, place)
    columns = (*COLUMNS[kind], DELETED)
    yield _table(dialect, name, columns, KEYS[kind])
    if dialect.has_comments:
        yield f"COMMENT ON TABLE {name} IS {_quoted(_ABOUT[kind])}"
        for column in columns:
            yield f"COMMENT ON COLUMN {name}.{column.name} IS {_quoted(column.comment)}"


def indexes(kind: str) -> Iterator[str]:
    """What makes the indexes of a kind of rows, once they are in their final table."""
    names = {column.name for column in COLUMNS[kind]}
    for name in INDEXED:
        if name in names:
            yield f"CREATE INDEX IF NOT EXISTS asyncchat_{kind}_{name} ON {kind} ({name})"


def upsert(table_name: str, kind: str, source: str) -> str:
    """What puts rows into a table, over those with the same key; a row that is there again is deleted no more.

    Args:
        table_name: The table.
        kind: Whose columns it has: a kind of rows, or "marks".
        source: Where the rows come from, in the columns' order: a SELECT, or VALUES.
    """
    names, keys = [column.name for column in ALL_COLUMNS[kind]], KEYS[kind].split(", ")
    changes = [f"{name} = excluded.{name}" for name in names if name not in keys]
    changes += [f"{DELETED.name} = NULL"] if kind in COLUMNS else []
    return (
        f"INSERT INTO {table_name} ({', '.join(names)}) {source} "
        f"ON CONFLICT ({KEYS[kind]}) DO UPDATE SET {', '.join(changes)}"
    )


def _table(dialect: Dialect, name: str, columns: Sequence[Column], key: str, unless: str = "") -> str:
    told = ", ".join(f"{column.name} {dialect.types[column.type]}" for column in columns)
    return f"CREATE TABLE {unless}{name} ({told}, PRIMARY KEY ({key}))"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
