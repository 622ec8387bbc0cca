"""The messages that a conversation carries with it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Self

import attrs
import msgspec

from asyncchat import RawRow


class _Recent(msgspec.Struct, gc=False):
    recent_messages: msgspec.Raw = msgspec.Raw(b"null")
    most_recent_message: msgspec.Raw = msgspec.Raw(b"null")


class _Head(msgspec.Struct, gc=False):
    id: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]


_RECENT: Final = msgspec.json.Decoder(_Recent)
_TEXTS: Final = msgspec.json.Decoder(list[msgspec.Raw] | None)
_HEAD: Final = msgspec.json.Decoder(_Head)


@attrs.frozen
class Recent:
    """The recent messages of a conversation.

    Attributes:
        rows: Each once; None where they are not in the agreed shape.
        text: The field `recent_messages`, as it was sent; None where it is null, not there or cannot be read.
    """

    rows: tuple[RawRow, ...] | None = None
    text: str | None = None

    @classmethod
    def of(cls, row: RawRow) -> Self:
        """Those of a conversation, as it was sent."""
        try:
            told = _RECENT.decode(row.json)
            text = bytes(told.recent_messages).decode()
            texts = _TEXTS.decode(told.recent_messages) or []
            if bytes(told.most_recent_message) != b"null":
                texts.append(told.most_recent_message)
            rows = [_to_row(bytes(each)) for each in texts]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return cls()
        return cls(tuple({each.id: each for each in reversed(rows)}.values()), None if text == "null" else text)


def _to_row(text: bytes) -> RawRow:
    head = _HEAD.decode(text)
    return RawRow(id=head.id, created_at=head.created_at, json=text)
