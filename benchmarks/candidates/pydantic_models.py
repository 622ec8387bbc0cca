"""The rows as pydantic models, read in the way that its documentation recommends: bytes to models in one step."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter

T = TypeVar("T")


class Message(BaseModel):
    """A message."""

    id: int
    seq: str
    sender: str
    message: str
    created_at: datetime


class Conversation(BaseModel):
    """A conversation."""

    id: int
    model_id: int
    model_name: str
    created_at: datetime
    updated_at: datetime
    most_recent_message: Message | None
    recent_messages: list[Message]
    platform: str
    platform_user_id: str


class Page(BaseModel, Generic[T]):
    """A page of a listing."""

    data: list[T]
    page: int
    rows_per_page: int
    total_pages: int
    total_rows: int


PAGES: Final[dict[str, TypeAdapter[Page[Any]]]] = {
    "messages": TypeAdapter(Page[Message]),
    "conversations": TypeAdapter(Page[Conversation]),
}
