"""The limit: what aiohttp and msgspec can do without an SDK, in a loop that is written for one listing."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import aiohttp
import attrs
import msgspec

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Message:
    """A message."""

    id: int
    seq: str
    sender: str
    message: str
    created_at: datetime


@attrs.frozen(kw_only=True)
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


@attrs.frozen(kw_only=True)
class Page(Generic[T]):
    """A page of a listing."""

    data: list[T]
    page: int
    rows_per_page: int
    total_pages: int
    total_rows: int


DECODERS: Final[dict[str, msgspec.json.Decoder[Page[Any]]]] = {
    "messages": msgspec.json.Decoder(Page[Message]),
    "conversations": msgspec.json.Decoder(Page[Conversation]),
}
_RAW: Final = msgspec.json.Decoder(Page[msgspec.Raw])


async def read(base_url: str, path: str, in_flight: int, per_page: int) -> int:
    """Typed rows, page after page as they come."""
    decode, count = DECODERS[path.rpartition("/")[2]].decode, 0

    def take(body: bytes) -> int:
        nonlocal count
        page = decode(body)
        for _row in page.data:
            count += 1
        return page.total_pages

    await _walk(base_url + path, in_flight, per_page, take)
    return count


async def read_raw(base_url: str, path: str, in_flight: int, per_page: int) -> int:
    """Rows as they were sent, as lines of a file."""
    count = 0
    with tempfile.TemporaryFile() as file:

        def take(body: bytes) -> int:
            nonlocal count
            page = _RAW.decode(body)
            file.write(b"\n".join(page.data) + b"\n")
            count += len(page.data)
            return page.total_pages

        await _walk(base_url + path, in_flight, per_page, take)
    return count


async def _walk(url: str, in_flight: int, per_page: int, take: Callable[[bytes], int]) -> None:
    """Give away every page; `take` tells how many there are."""
    async with _session(in_flight) as session:

        async def fetch(number: int) -> int:
            async with session.get(url, params={"page": number, "per_page": per_page}) as response:
                response.raise_for_status()
                return take(await response.read())

        numbers = iter(range(2, await fetch(1) + 1))

        async def work() -> None:
            for number in numbers:
                await fetch(number)

        await asyncio.gather(*[work() for _ in range(in_flight)])


@asynccontextmanager
async def _session(in_flight: int) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": "Bearer t0ken"}) as session:
        yield session
