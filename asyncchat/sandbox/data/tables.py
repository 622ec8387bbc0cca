"""Tables: the database behind a sandbox, opened and filled with the rows of a plan.

Models and conversations are stored as they are sent, beside the columns that listings are filtered and ordered by.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec
from attrs import asdict

from asyncchat.sandbox.data.generate import (
    ConversationTuple,
    MessageTuple,
    Plan,
    conversation_chunks,
    message_id,
    model_rows,
)
from asyncchat.sandbox.data.rows import RECENT, conversation_body, message_body, model_body

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind: TypeAlias = Literal["models", "conversations", "messages"]
KINDS: Final[tuple[Kind, ...]] = ("models", "conversations", "messages")
FORM: Final = 2
"""Raised whenever the same plan gives other rows or tables, so that an old file is not taken for a new one."""

_TABLES: Final = """
CREATE TABLE plan (text TEXT NOT NULL);
CREATE TABLE models (id INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY, model_id INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    body BLOB NOT NULL);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, conversation_id INTEGER NOT NULL, seq TEXT NOT NULL, sender TEXT NOT NULL,
    message TEXT NOT NULL, created_at INTEGER NOT NULL);
"""
_INDEXES: Final = """
CREATE INDEX models_created ON models (created_at);
CREATE INDEX conversations_created ON conversations (created_at);
CREATE INDEX conversations_updated ON conversations (updated_at);
CREATE INDEX conversations_model_created ON conversations (model_id, created_at);
CREATE INDEX conversations_model_updated ON conversations (model_id, updated_at);
CREATE INDEX messages_conversation ON messages (conversation_id, created_at);
"""


_CONVERSATION: Final = "INSERT INTO conversations VALUES (?, ?, ?, ?, ?)"
_MESSAGE: Final = "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)"


def connect(database: str, plan: Plan) -> sqlite3.Connection:
    """Open a database and generate its rows, unless it already holds those of this plan.

    Args:
        database: A file, or ":memory:".
        plan: What to generate.

    Raises:
        ValueError: If the file holds something else.
    """
    try:
        connection = sqlite3.connect(database, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise ValueError(f"{database} cannot be opened ({error}): give another file") from error
    try:
        _tune(connection)
        _fill(connection, plan)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise ValueError(f"{database} cannot hold a sandbox ({error}): give another file") from error
    except BaseException:
        connection.close()
        raise
    return connection


def copy(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The same rows in memory, with what is not committed; a backup would wait for that for ever."""
    other = sqlite3.connect(":memory:", isolation_level=None)
    other.deserialize(connection.serialize())
    return other


def _tune(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = OFF")  # what is lost can be generated again
    connection.execute("PRAGMA cache_size = -65536")  # KiB


def _fill(connection: sqlite3.Connection, plan: Plan) -> None:
    fingerprint = msgspec.json.encode([FORM, asdict(plan)]).decode()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        _generate(connection, fingerprint, plan)
    elif "plan" not in tables or connection.execute("SELECT text FROM plan").fetchone() != (fingerprint,):
        raise ValueError("the database holds something other than this seed and these sizes: give another file")


def _generate(connection: sqlite3.Connection, fingerprint: str, plan: Plan) -> None:
    connection.execute("BEGIN")
    for table in _TABLES.split(";"):
        connection.execute(table)
    connection.execute("INSERT INTO plan VALUES (?)", (fingerprint,))
    models = model_rows(plan)
    names = {model[0]: model[1] for model in models}
    connection.executemany(
        "INSERT INTO models VALUES (?, ?, ?)", [(model[0], model[2], model_body(model)) for model in models]
    )
    held: list[MessageTuple] = []
    for chunk in conversation_chunks(plan, models):
        connection.executemany(_CONVERSATION, [_stored(row, names[row[1]], said) for row, said in chunk])
        for _, said in chunk:
            held += said
        held.sort()
        # What is older than all that follows goes in: ascending ids are appended, which is cheap.
        due = bisect_left(held, (message_id(chunk[-1][0][2], 0),))
        connection.executemany(_MESSAGE, held[:due])
        del held[:due]
    connection.executemany(_MESSAGE, held)
    for index in _INDEXES.split(";"):
        connection.execute(index)
    connection.execute("COMMIT")


def _stored(row: ConversationTuple, model_name: str, said: Sequence[MessageTuple]) -> tuple[int, int, int, int, bytes]:
    body = conversation_body(row, model_name, [message_body(message) for message in said[-RECENT:]])
    return row[0], row[1], row[2], row[3], body


def add(connection: sqlite3.Connection, conversation: ConversationTuple, said: Sequence[MessageTuple]) -> bytes:
    """Insert a conversation with its messages, and give its body."""
    stored = _stored(conversation, model_names(connection)[conversation[1]], said)
    connection.execute(_CONVERSATION, stored)
    connection.executemany(_MESSAGE, said)
    return stored[-1]


def add_message(connection: sqlite3.Connection, message: MessageTuple) -> None:
    """Insert a message."""
    connection.execute(_MESSAGE, message)


def model_names(connection: sqlite3.Connection) -> dict[int, str]:
    """The name of every model by its id."""
    rows = connection.execute("SELECT id, body FROM models ORDER BY id").fetchall()
    return {model_id: msgspec.json.decode(body)["name"] for model_id, body in rows}
