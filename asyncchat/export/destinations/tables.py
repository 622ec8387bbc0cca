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

ALL_COLUMNS: Final[Mapping[str, Sequence[Column]]] = {
    **COLUMNS,
    "marks": (
        Column("place", Type.TEXT, "Which export it belongs to."),
        Column("position", Type.INTEGER, "Its place among the marks."),
        Column("mark", Type.TEXT, "The mark, as JSON."),
    ),
}
"""Columns by kind of rows, those of the marks included."""

KEYS: Final[Mapping[str, str]] = {**dict.fromkeys(KINDS, "id"), "marks": "place, position"}

INDEXED: Final = ("conversation_id", "model_id", "created_at", "updated_at")

NAMES: Final = (EXPORTS, MARKS, *(table_of(kind, place) for place in (MAIN, NEW) for kind in KINDS))
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
    """

    types: Mapping[Type, str]
    parameter: str = "?"
    has_comments: bool = True
    json: str
    second: str

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
    yield _table(dialect, MARKS, "marks", "IF NOT EXISTS ")


def table(dialect: Dialect, kind: str, place: str) -> Iterator[str]:
    """What makes the table of a kind of rows."""
    name = table_of(kind, place)
    yield _table(dialect, name, kind)
    if dialect.has_comments:
        yield f"COMMENT ON TABLE {name} IS {_quoted(_ABOUT[kind])}"
        for column in COLUMNS[kind]:
            yield f"COMMENT ON COLUMN {name}.{column.name} IS {_quoted(column.comment)}"


def indexes(kind: str) -> Iterator[str]:
    """What makes the indexes of a kind of rows, once they are in their final table."""
    names = {column.name for column in COLUMNS[kind]}
    for name in INDEXED:
        if name in names:
            yield f"CREATE INDEX IF NOT EXISTS asyncchat_{kind}_{name} ON {kind} ({name})"


def _table(dialect: Dialect, name: str, kind: str, unless: str = "") -> str:
    columns = ", ".join(f"{column.name} {dialect.types[column.type]}" for column in ALL_COLUMNS[kind])
    return f"CREATE TABLE {unless}{name} ({columns}, PRIMARY KEY ({KEYS[kind]}))"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
