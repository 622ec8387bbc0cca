"""Rows as lines of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from asyncchat import RawRow

_ESCAPED_LETTER: Final = re.compile(rb"\\u00[567]")
"""An escape of one of the letters of `conversation_id`."""


def to_lines(rows: Sequence[RawRow], conversation_id: int | None) -> bytes:
    """Rows as lines, each byte for byte as it was sent, unless it was sent on several lines.

    Args:
        rows: At least one.
        conversation_id: Whose messages they are: it is put before their own fields, unless it is one of them. None:
            they are no messages.
    """
    texts = [row.json for row in rows]
    whole = b"".join(texts)  # one search in all of them is quicker than one in each
    if b"\n" in whole or b"\r" in whole:  # JSON has line ends only between its tokens
        texts = [text.replace(b"\n", b" ").replace(b"\r", b" ") for text in texts]
    if conversation_id is None:
        return b"\n".join(texts) + b"\n"
    owner = b'{"conversation_id":%d,' % conversation_id
    if _may_have_owner(whole):
        return b"".join([_with_owner(text, owner) for text in texts])
    return owner + (b"\n" + owner).join([text[1:] for text in texts]) + b"\n"


def _may_have_owner(text: bytes) -> bool:
    if b'"conversation_id"' in text:
        return True
    # plain searches are ten times as quick as the pattern, and the first as the second
    return b"\\" in text and rb"\u00" in text and _ESCAPED_LETTER.search(text) is not None


def _with_owner(line: bytes, owner: bytes) -> bytes:
    if _may_have_owner(line) and "conversation_id" in json.loads(line):
        return line + b"\n"
    return owner + line[1:] + b"\n"
