"""Rows as lines of JSON."""

from __future__ import annotations

import json
import re
from typing import Final

from asyncchat import RawRow

_MAY_HAVE_OWNER: Final = re.compile(rb'"conversation_id"|\\u00[567]')
"""Its name, or an escape of one of the letters in it."""


def to_line(row: RawRow) -> bytes:
    """A row as one line, byte for byte as it was sent, unless it was sent on several lines."""
    return row.json.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"  # JSON has line ends only between its tokens


def to_message_line(row: RawRow, conversation_id: int) -> bytes:
    """A message as one line, with `conversation_id` put before its own fields unless it is one of them."""
    line = to_line(row)
    if _MAY_HAVE_OWNER.search(line) and "conversation_id" in json.loads(line):
        return line
    return b'{"conversation_id":%d,%s' % (conversation_id, line[1:])
