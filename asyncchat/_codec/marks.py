"""Proof that the quick reader skipped nothing: by counting quotation marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import attrs

from asyncchat._codec.patient import field_names
from asyncchat.models import Conversation, Message, Page, Record


def _marks(kind: type[Record]) -> int:
    """The quotation marks that a record's own names and texts take."""
    hints = (field.type for field in attrs.fields(attrs.resolve_types(kind)))
    return sum(4 if hint is str or getattr(hint, "__origin__", None) is datetime else 2 for hint in hints)


def page_marks(kind: type[Record]) -> Callable[[list[Any]], int]:
    """A function from the rows of a page to the quotation marks that the page takes when it holds nothing else."""
    frame, own = _marks(Page), _marks(kind)
    if kind is not Conversation:
        return lambda rows: frame + own * len(rows)
    inner = _marks(Message)

    def count(rows: list[Conversation]) -> int:
        messages = sum([len(row.recent_messages) + (row.most_recent_message is not None) for row in rows])
        return frame + own * len(rows) + inner * messages

    return count


def _texts(record: Record) -> Iterable[str]:
    kind: Any = type(record)
    for name in field_names(kind):
        value = getattr(record, name)
        if isinstance(value, str):
            yield value
        elif isinstance(value, Record):
            yield from _texts(value)
        elif isinstance(value, list):
            for item in value:
                yield from _texts(item)


def nothing_skipped(body: bytes, page: Page[Any], marks: int) -> bool:
    """Whether the body holds the page's names and texts and no others."""
    found = body.count(b'"')
    if found == marks:
        return True
    inside = sum(text.count('"') for row in page.data for text in _texts(row))
    return found == marks + inside and b"\\u0022" not in body
