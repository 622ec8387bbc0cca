"""What a row is known by, read from its JSON text: of a line of a part file, or as it was sent."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec


class Head(msgspec.Struct, gc=False):
    """The fields of a row that tell which one it is."""

    id: int
    created_at: Any = None
    updated_at: Any = None
    conversation_id: Any = None
    model_id: Any = None


_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_HEAD: Final = msgspec.json.Decoder(Head, strict=False)  # an id may have been sent as a text


def head_of(text: bytes) -> Head:
    """The head of a row.

    Raises:
        ValueError, TypeError: It is none: cut off, say.
    """
    try:
        return _HEAD.decode(text)
    except msgspec.DecodeError:  # half of a surrogate pair somewhere, mostly, which the standard library reads
        told = json.loads(text)
        return msgspec.convert({name: told.get(name) for name in Head.__struct_fields__}, Head, strict=False)


def whole(value: object) -> int | None:
    """A whole number, which may have been sent as a text; None where it is none."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def model_of(text: bytes) -> int | None:
    """The model of a conversation; None where it tells none."""
    return whole(head_of(text).model_id)
