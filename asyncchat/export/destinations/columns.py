"""Rows as values in columns, for destinations that keep tables.

Nothing of a row is lost. What has no column goes into `extra`, as it was sent, and so does the value of a known field
that its column does not hold; the column is NULL then. A time is kept in UTC; the rest of what was sent, from the
fraction of the second on (`+0700`, `.250Z`), is in a column beside it.
"""

from __future__ import annotations

import contextlib
import enum
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias

import attrs
import msgspec

from asyncchat import RawRow

Values: TypeAlias = tuple[Any, ...]
Fields: TypeAlias = dict[str, str]
"""The JSON text of each field of a row, as it was sent."""

_SECONDS: Final = len("2025-05-05T10:00:00")
_USUAL_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?!24)[0-9]{2}:[0-9]{2}:(?!60)[0-9]{2}(?:\.[0-9]{1,6})?[+\-Z]"
)
"""A time, but for forms that read as another one (24:00, leap seconds, rounded fractions) or are spelled otherwise."""
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_BETWEEN: Final = re.compile(r"[ \t\r\n,:]*")
_ANY_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str)  # of any length


class Type(enum.Enum):
    """What a column holds."""

    INTEGER = enum.auto()
    """An int of 64 bits."""
    TEXT = enum.auto()
    TIMESTAMP = enum.auto()
    """A datetime in UTC."""
    JSON = enum.auto()
    """JSON as text."""


@attrs.frozen
class Column:
    """A column of a table.

    Attributes:
        name: Its name, which is that of the field.
        type: What it holds, where it is not NULL.
        comment: What it means, for people.
    """

    name: str
    type: Type
    comment: str


def _time(name: str, comment: str) -> tuple[Column, Column]:
    rest = f"What was sent after the seconds of {name}: a fraction, and the offset from UTC."
    return Column(name, Type.TIMESTAMP, f"{comment} In UTC."), Column(f"{name}_offset", Type.TEXT, rest)


_EXTRA: Final = Column(
    "extra", Type.JSON, "Fields without a column of their own, and values that their column refuses."
)

COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "models": (
        Column("id", Type.INTEGER, "The model's id."),
        Column("name", Type.TEXT, "Its name."),
        *_time("created_at", "When it was made."),
        _EXTRA,
    ),
    "conversations": (
        Column("id", Type.INTEGER, "The conversation's id."),
        Column("model_id", Type.INTEGER, "The model that it belongs to."),
        Column("model_name", Type.TEXT, "That model's name."),
        *_time("created_at", "When it began."),
        *_time("updated_at", "When it changed last: it moves with every message."),
        Column("most_recent_message", Type.JSON, "Its latest message."),
        Column("recent_messages", Type.JSON, "Its latest messages."),
        Column("platform", Type.TEXT, "Where it takes place, such as web."),
        Column("platform_user_id", Type.TEXT, "The user, as the platform calls them."),
        _EXTRA,
    ),
    "messages": (
        Column("id", Type.INTEGER, "The message's id."),
        Column("conversation_id", Type.INTEGER, "The conversation that it was read from."),
        Column("seq", Type.TEXT, "A ULID, which orders messages."),
        Column("sender", Type.TEXT, "Who wrote it, such as user."),
        Column("message", Type.TEXT, "The text."),
        *_time("created_at", "When it was written."),
        _EXTRA,
    ),
}
"""The columns of each kind of rows, in their order."""


def to_values(kind: str, row: RawRow, conversation_id: int | None = None, *, nul: bool = True) -> Values:
    """A row as values, in the order of its columns.

    Args:
        kind: "models", "conversations" or "messages".
        row: The row, as it was sent.
        conversation_id: Whose message it is; None for the other kinds.
        nul: Whether texts may hold U+0000. If not, those that do are refused by their column.
    """
    values = _quickly(kind, row, conversation_id) if nul or rb"\u0000" not in row.json else None
    return _patiently(kind, row, conversation_id, nul=nul) if values is None else values


# ---------------------------------------------------------------- rows of exactly the agreed shape


_UNSHAPED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError)


def _quickly(kind: str, row: RawRow, owner: int | None) -> Values | None:
    """The values of a row of that shape, None of another one."""
    decoder, build = _QUICK[kind]
    try:  # for each row: `contextlib.suppress` takes a fifth of the time of all of it
        return build(decoder.decode(row.json), row, owner)
    except _UNSHAPED:
        return None


def _shape(*fields: tuple[str, Any]) -> msgspec.json.Decoder[Any]:
    """What decodes a row that has these fields, an id and the time it was made, and no others."""
    names = [("id", int), ("created_at", str), *fields]
    return msgspec.json.Decoder(msgspec.defstruct("Shape", names, forbid_unknown_fields=True, gc=False))


def _utc(moment: datetime | None, sent: str) -> tuple[datetime, str]:
    """A time in UTC, and what was sent of it after the seconds.

    Args:
        moment: The time that was read from it.
        sent: What was sent.

    Raises:
        ValueError: What was sent cannot be told from these two.
        OverflowError: It lies outside of the calendar in UTC.
    """
    if moment is None or _USUAL_TIME.match(sent) is None:
        raise ValueError(sent)
    return moment.astimezone(UTC), sent[_SECONDS:]


def _model(shaped: Any, row: RawRow, _owner: int | None) -> Values:
    return row.id, shaped.name, *_utc(row.created_at, shaped.created_at), None


def _conversation(shaped: Any, row: RawRow, _owner: int | None) -> Values:
    return (
        row.id,
        shaped.model_id,
        shaped.model_name,
        *_utc(row.created_at, shaped.created_at),
        *_utc(row.updated_at, shaped.updated_at),
        _unless_null(bytes(shaped.most_recent_message).decode()),
        _unless_null(bytes(shaped.recent_messages).decode()),
        shaped.platform,
        shaped.platform_user_id,
        None,
    )


def _message(shaped: Any, row: RawRow, owner: int | None) -> Values:
    times = _utc(row.created_at, shaped.created_at)
    return row.id, owner, shaped.seq, shaped.sender, shaped.message, *times, None


_Id: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

_QUICK: Final[Mapping[str, tuple[Any, Callable[[Any, RawRow, int | None], Values]]]] = {
    "models": (_shape(("name", str)), _model),
    "conversations": (
        _shape(
            ("model_id", _Id),
            ("model_name", str),
            ("updated_at", str),
            ("most_recent_message", msgspec.Raw),
            ("recent_messages", msgspec.Raw),
            ("platform", str),
            ("platform_user_id", str),
        ),
        _conversation,
    ),
    "messages": (_shape(("seq", str), ("sender", str), ("message", str)), _message),
}


# ---------------------------------------------------------------- rows of any other shape


def _patiently(kind: str, row: RawRow, owner: int | None, *, nul: bool) -> Values:
    rest = _fields(row.json)
    values: dict[str, Any] = {"id": row.id, "conversation_id": owner}
    for column in COLUMNS[kind][:-1]:
        sent = rest.get(column.name)
        if column.name in values:
            fits = sent == str(values[column.name])
        elif column.type is Type.TIMESTAMP:
            fits = _put_time(values, column.name, getattr(row, column.name), sent)
        else:
            values[column.name], fits = _fitting(column.type, sent, nul=nul)
        if fits:
            rest.pop(column.name, None)
    pairs = [f"{json.dumps(name)}:{sent}" for name, sent in rest.items()]
    values["extra"] = "{" + ",".join(pairs) + "}" if pairs else None
    return tuple(values[column.name] for column in COLUMNS[kind])


def _put_time(values: dict[str, Any], name: str, moment: datetime | None, sent: str | None) -> bool:
    """Put a time and what belongs to it into the columns for it; returns whether they hold all that was sent."""
    values[name] = values[f"{name}_offset"] = None
    if sent in {None, "null"}:
        return True
    with contextlib.suppress(ValueError, OverflowError):
        values[name], values[f"{name}_offset"] = _utc(moment, json.loads(sent or ""))
        return True
    return False


def _fitting(kind: Type, sent: str | None, *, nul: bool) -> tuple[Any, bool]:
    """The value of a column, and whether it is all that was sent."""
    if sent is None or sent == "null":
        return None, True
    if kind is Type.JSON:
        return sent, True
    if kind is Type.INTEGER and _INTEGER.fullmatch(sent) and -(2**63) <= int(sent) < 2**63:
        return int(sent), True
    if kind is Type.TEXT and sent.startswith('"'):
        text: str = json.loads(sent)
        if (nul or "\0" not in text) and not _SURROGATE.search(text):
            return text, True
    return None, False


def _unless_null(sent: str) -> str | None:
    return None if sent == "null" else sent


def _fields(data: bytes) -> Fields:
    """The fields of a row. A name that stands there twice counts as it does for every JSON reader: the last one."""
    try:
        return {name: bytes(sent).decode() for name, sent in _ANY_FIELDS.decode(data).items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # halves of surrogate pairs, mostly
        return _scanned(data.decode())


def _scanned(text: str) -> Fields:
    fields: Fields = {}
    at = _next(text, text.index("{") + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        begins = _next(text, at)
        _, at = _DECODER.raw_decode(text, begins)
        fields[name] = text[begins:at]
        at = _next(text, at)
    return fields


def _next(text: str, at: int) -> int:
    match = _BETWEEN.match(text, at)
    assert match is not None
    return match.end()
