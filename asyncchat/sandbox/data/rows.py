"""Rows: what the store holds, encoded once as the JSON that the contract describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from asyncchat._types import JSON
from asyncchat.sandbox.data.times import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncchat.sandbox.data.generate import ConversationTuple, MessageTuple, ModelTuple

WireRow: TypeAlias = dict[str, JSON]

RECENT: Final = 5
"""Messages that a conversation carries."""
_encode: Final = msgspec.json.Encoder().encode


def model_body(row: ModelTuple) -> bytes:
    """A Model of the contract."""
    model_id, name, created_at = row
    return _encode({"id": model_id, "name": name, "created_at": render(created_at)})


def message_body(row: MessageTuple) -> bytes:
    """A Message of the contract."""
    message_id, _, seq, sender, message, created_at = row
    return _encode(
        {"id": message_id, "seq": seq, "sender": sender, "message": message, "created_at": render(created_at)}
    )


def conversation_body(row: ConversationTuple, model_name: str, recent: Sequence[bytes]) -> bytes:
    """A Conversation of the contract.

    Args:
        row: The conversation.
        model_name: The name of its model.
        recent: Its last messages, encoded, oldest first; the last one is the most recent one.
    """
    conversation_id, model_id, created_at, updated_at, platform, platform_user_id = row
    return _encode(
        {
            "id": conversation_id,
            "model_id": model_id,
            "model_name": model_name,
            "created_at": render(created_at),
            "updated_at": render(updated_at),
            **_talk(recent),
            "platform": platform,
            "platform_user_id": platform_user_id,
        }
    )


def bumped(body: bytes, updated_at: int, recent: Sequence[bytes]) -> bytes:
    """An encoded Conversation after a message has come.

    Args:
        body: The conversation before.
        updated_at: When it was changed last.
        recent: Its last messages now.
    """
    return _encode(msgspec.json.decode(body) | {"updated_at": render(updated_at)} | _talk(recent))


def _talk(recent: Sequence[bytes]) -> dict[str, object]:
    return {
        "most_recent_message": msgspec.Raw(recent[-1]) if recent else None,
        "recent_messages": joined(recent),
    }


def joined(bodies: Sequence[bytes]) -> msgspec.Raw:
    """Encoded values as one JSON array."""
    return msgspec.Raw(b"[" + b",".join(bodies) + b"]")


def truth_line(body: bytes, conversation_id: int) -> bytes:
    """An encoded message as the truth tells it: with its conversation_id."""
    return b'%b,"conversation_id":%d}' % (body[:-1], conversation_id)
