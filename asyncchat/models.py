"""What the API speaks of, as typed, immutable values.

They know nothing of the wire: `asyncchat._codec` turns bytes into them and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar, dataclass_transform

import attrs
from msgspec import Meta, Struct, field

__all__ = [
    "Conversation",
    "KeywordNotification",
    "KeywordNotificationEvent",
    "Message",
    "Model",
    "Page",
    "RawRow",
]

T = TypeVar("T")

# Read by the decoder; to a type checker they are int and datetime.
Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Instant = Annotated[datetime, Meta(tz=True)]

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Record:
    """What all of them share: `extra`, equality by value, copies and pickles that keep everything."""

    # Set only where the wire held more or less than the fields say; a declared field would cost every row.
    __slots__ = ("__weakref__", "_residue")
    __attrs_attrs__: ClassVar[tuple[Any, ...]]
    _residue: Mapping[str, Any]

    @property
    def extra(self) -> Mapping[str, Any]:
        """The fields that the server sent and this version of the SDK does not know, as JSON values."""
        residue = getattr(self, "_residue", None)
        if not residue:
            return _NOTHING
        known = {field.name for field in self.__attrs_attrs__}
        return MappingProxyType({name: value for name, value in residue.items() if name not in known})

    def __getstate__(self) -> dict[str, Any]:
        names = (*(field.name for field in self.__attrs_attrs__), "_residue")
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        assert isinstance(other, Record)
        same = all(getattr(self, f.name) == getattr(other, f.name) for f in self.__attrs_attrs__)
        return same and self.extra == other.extra

    def __hash__(self) -> int:
        return hash((self.__class__, getattr(self, "id", None)))


@dataclass_transform(frozen_default=True, kw_only_default=True, eq_default=False)
def _record(cls: type[T]) -> type[T]:
    return attrs.frozen(kw_only=True, eq=False, getstate_setstate=False)(cls)


@_record
class Model(Record):
    """A bot or channel that holds conversations."""

    id: Id
    name: str
    created_at: Instant


@_record
class Message(Record):
    """One message of a conversation.

    Attributes:
        seq: A ULID.
        sender: "user" is documented; other values are open.
        message: The text.
    """

    id: Id
    seq: str
    sender: str
    message: str
    created_at: Instant


@_record
class Conversation(Record):
    """A conversation, with its latest messages inside.

    Attributes:
        updated_at: Moves with every message.
        recent_messages: The latest messages; empty also when the server sent null or nothing.
        platform: "web" is documented; other values are open.
    """

    id: Id
    model_id: Id
    model_name: str
    created_at: Instant
    updated_at: Instant
    most_recent_message: Message | None
    recent_messages: list[Message]
    platform: str
    platform_user_id: str


@_record
class KeywordNotification(Record):
    """The conversation in which a keyword was said, as a webhook brings it.

    Attributes:
        keyword: The keyword that was said.
        updated_at: None when the server did not send it, as in its reference.
    """

    id: Id
    model_id: Id
    model_name: str
    created_at: Instant
    keyword: str
    most_recent_message: Message | None
    recent_messages: list[Message]
    platform: str
    platform_user_id: str
    updated_at: Instant | None = None


@_record
class KeywordNotificationEvent(Record):
    """The webhook's body.

    Attributes:
        event: "keyword-notification".
    """

    event: str
    payload: KeywordNotification


@_record
class Page(Record, Generic[T]):
    """One page of a listing.

    Attributes:
        data: The rows, in the server's order.
        page: This page's number, from 1.
        rows_per_page: The server's page size, which may be smaller than asked.
        total_pages: How many pages there were when this one was made.
        total_rows: How many rows there were when this one was made.
    """

    data: list[T]
    page: Count
    rows_per_page: Count
    total_pages: Count
    total_rows: Count


class RawRow(Struct, frozen=True, kw_only=True, gc=False):
    """A row as the server sent it, with what a bulk job needs to know of it.

    Attributes:
        json: The row's JSON text in UTF-8, byte for byte.
        updated_at: None where the row has none.
    """

    id: Id
    created_at: Instant
    updated_at: Instant | None = None
    json: bytes = field(default=b"", name="\x7f")  # no server's field: what stands under that name is put over
