"""Changes: what happens to rows while they are served, as plain values, and what each does to the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import frozen

from asyncchat.sandbox.data.generate import ConversationTuple, MessageTuple
from asyncchat.sandbox.data.rows import RECENT, bumped, message_body, truth_line
from asyncchat.sandbox.data.select import COLUMNS, statement
from asyncchat.sandbox.data.tables import Kind, add, add_message

if TYPE_CHECKING:
    import sqlite3


@frozen
class NewConversation:
    """Somebody begins to write: a conversation with its first message."""

    conversation: ConversationTuple
    message: MessageTuple


@frozen
class NewMessage:
    """Somebody writes in a conversation that there is."""

    message: MessageTuple


@frozen
class Deletion:
    """A conversation goes away, with all its messages."""

    conversation_id: int


Change: TypeAlias = NewConversation | NewMessage | Deletion


@frozen
class Touch:
    """One row that a change touched.

    Attributes:
        change: What happened to the row.
        kind: Which table it is in.
        row_id: Its id.
        line: The row as the truth tells it now; None: it is gone.
    """

    change: Literal["created", "updated", "deleted"]
    kind: Kind
    row_id: int
    line: bytes | None


def apply(connection: sqlite3.Connection, change: Change) -> list[Touch]:
    """Make a change and tell which rows it touched; none if its conversation is gone meanwhile."""
    match change:
        case NewConversation(conversation, message):
            return _begin(connection, conversation, message)
        case NewMessage(message):
            return _write(connection, message)
        case Deletion(conversation_id):
            return _delete(connection, conversation_id)


def _begin(connection: sqlite3.Connection, conversation: ConversationTuple, message: MessageTuple) -> list[Touch]:
    body = add(connection, conversation, [message])
    return [Touch("created", "conversations", conversation[0], body), _said(message)]


def _write(connection: sqlite3.Connection, message: MessageTuple) -> list[Touch]:
    _, conversation_id, _, _, _, created_at = message
    found = connection.execute("SELECT updated_at, body FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    if found is None:
        return []
    add_message(connection, message)
    updated_at = max(found[0], created_at)  # one that was late does not turn time back
    rest = "WHERE conversation_id = ? ORDER BY created_at DESC, id DESC LIMIT ?"
    recent = connection.execute(statement(COLUMNS["messages"], "messages", rest), (conversation_id, RECENT)).fetchall()
    body = bumped(found[1], updated_at, [message_body(row) for row in reversed(recent)])
    connection.execute(
        "UPDATE conversations SET updated_at = ?, body = ? WHERE id = ?", (updated_at, body, conversation_id)
    )
    return [_said(message), Touch("updated", "conversations", conversation_id, body)]


def _delete(connection: sqlite3.Connection, conversation_id: int) -> list[Touch]:
    if not connection.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,)).rowcount:
        return []
    gone = connection.execute("DELETE FROM messages WHERE conversation_id = ? RETURNING id", (conversation_id,))
    messages = [Touch("deleted", "messages", row_id, None) for (row_id,) in sorted(gone.fetchall())]
    return [*messages, Touch("deleted", "conversations", conversation_id, None)]


def _said(message: MessageTuple) -> Touch:
    return Touch("created", "messages", message[0], truth_line(message_body(message), message[1]))
