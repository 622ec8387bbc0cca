"""A client in the style of generators from OpenAPI: attrs classes with `from_dict`, fed from httpx."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import attrs
from dateutil.parser import isoparse

from benchmarks.candidates.httpx_pydantic import client


@attrs.define
class Message:
    """A message."""

    id: int
    seq: str
    sender: str
    message: str
    created_at: datetime
    additional_properties: dict[str, Any] = attrs.field(init=False, factory=dict)

    @classmethod
    def from_dict(cls, source: dict[str, Any]) -> Message:
        """Make one of a JSON object."""
        rest = dict(source)
        made = cls(
            id=rest.pop("id"),
            seq=rest.pop("seq"),
            sender=rest.pop("sender"),
            message=rest.pop("message"),
            created_at=isoparse(rest.pop("created_at")),
        )
        made.additional_properties = rest
        return made


@attrs.define
class Conversation:
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
    additional_properties: dict[str, Any] = attrs.field(init=False, factory=dict)

    @classmethod
    def from_dict(cls, source: dict[str, Any]) -> Conversation:
        """Make one of a JSON object."""
        rest = dict(source)
        latest = rest.pop("most_recent_message")
        made = cls(
            id=rest.pop("id"),
            model_id=rest.pop("model_id"),
            model_name=rest.pop("model_name"),
            created_at=isoparse(rest.pop("created_at")),
            updated_at=isoparse(rest.pop("updated_at")),
            most_recent_message=None if latest is None else Message.from_dict(latest),
            recent_messages=[Message.from_dict(item) for item in rest.pop("recent_messages")],
            platform=rest.pop("platform"),
            platform_user_id=rest.pop("platform_user_id"),
        )
        made.additional_properties = rest
        return made


_MAKES: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "messages": Message.from_dict,
    "conversations": Conversation.from_dict,
}


async def read(base_url: str, path: str, in_flight: int, per_page: int) -> int:
    """Typed rows, pages side by side."""
    make, count = _MAKES[path.rpartition("/")[2]], 0
    async with client(base_url, in_flight) as session:

        async def fetch(number: int) -> int:
            nonlocal count
            response = await session.request("get", path, params={"page": number, "per_page": per_page})
            page = response.raise_for_status().json()
            for _row in [make(item) for item in page["data"]]:
                count += 1
            return int(page["total_pages"])

        numbers = iter(range(2, await fetch(1) + 1))

        async def work() -> None:
            for number in numbers:
                await fetch(number)

        await asyncio.gather(*[work() for _ in range(in_flight)])
    return count
