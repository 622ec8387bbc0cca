"""The messages that a conversation carries with it."""

from __future__ import annotations

from typing import Final, Self

import attrs
import msgspec

from asyncchat import RawRow
from asyncchat.export.single import to_row


class _Recent(msgspec.Struct, gc=False):
    recent_messages: msgspec.Raw = msgspec.Raw(b"null")
    most_recent_message: msgspec.Raw = msgspec.Raw(b"null")


_RECENT: Final = msgspec.json.Decoder(_Recent)
_TEXTS: Final = msgspec.json.Decoder(list[msgspec.Raw] | None)


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
            rows = [to_row(bytes(each)) for each in texts]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return cls()
        return cls(tuple({each.id: each for each in reversed(rows)}.values()), None if text == "null" else text)
