"""Rows as lines of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from asyncchat import RawRow

_MAY_HAVE_OWNER: Final = re.compile(rb'"conversation_id"|\\u00[567]')
"""Its name, or an escape of one of the letters in it."""


def to_lines(rows: Sequence[RawRow], conversation_id: int | None) -> bytes:
    """Rows as lines, each byte for byte as it was sent, unless it was sent on several lines.

    Args:
        rows: At least one.
        conversation_id: Whose messages they are: it is put before their own fields, unless it is one of them. None:
            they are no messages.
    """
    text = b"\n".join([row.json for row in rows]) + b"\n"
    if text.count(b"\n") > len(rows) or b"\r" in text:  # JSON has line ends only between its tokens
        text = b"".join([row.json.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n" for row in rows])
    if conversation_id is None:
        return text
    owner = b'{"conversation_id":%d,' % conversation_id
    if _MAY_HAVE_OWNER.search(text):
        return b"".join([_with_owner(line, owner) for line in text.split(b"\n")[:-1]])
    return owner + text[1:-1].replace(b"\n{", b"\n" + owner) + b"\n"


def _with_owner(line: bytes, owner: bytes) -> bytes:
    if _MAY_HAVE_OWNER.search(line) and "conversation_id" in json.loads(line):
        return line + b"\n"
    return owner + line[1:] + b"\n"
