"""The shapes of the API's contract, and a plain HTTP client, for tests that must not trust the SDK."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import aiohttp
from attrs import frozen
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from asyncchat.sandbox import Sandbox

STAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+0700")
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
PAGE = {"data", "page", "rows_per_page", "total_pages", "total_rows"}


@frozen
class Reply:
    """What came over the wire."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def ids(self) -> list[int]:
        return [row["id"] for row in self.body["data"]]


async def ask(
    box: Sandbox, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, origin: str = ""
) -> Reply:
    """Send one request exactly as written, with the bearer token unless other headers are given."""
    sent = {"Authorization": f"Bearer {box.token}"} if headers is None else headers
    url = URL((origin or box.base_url) + path, encoded=True)
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=sent) as response:
        return Reply(response.status, response.headers, await response.text())


async def settled(box: Sandbox, counter: str, value: int) -> None:
    """Wait until a counter of the sandbox has a value."""
    for _ in range(30_000):
        if box.stats()[counter] == value:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"{counter} never was {value}: {box.stats()}")


async def walk(box: Sandbox, path: str, per_page: int) -> AsyncIterator[dict[str, Any]]:
    """Every row of a listing, page after page."""
    page, pages = 1, 1
    mark = "&" if "?" in path else "?"
    while page <= pages:
        body = (await ask(box, f"{path}{mark}page={page}&per_page={per_page}")).body
        check_page(body)
        pages = body["total_pages"]
        for row in body["data"]:
            yield row
        page += 1


def check_page(body: Any) -> None:
    """Assert the envelope."""
    assert set(body) == PAGE
    assert isinstance(body["data"], list)
    assert all(type(body[name]) is int for name in PAGE - {"data"})


def check_model(row: Any) -> None:
    """Assert a Model."""
    assert {name: type(value) for name, value in row.items()} == {"id": int, "name": str, "created_at": str}
    assert STAMP.fullmatch(row["created_at"])


def check_message(row: Any) -> None:
    """Assert a Message."""
    types = {"id": int, "seq": str, "sender": str, "message": str, "created_at": str}
    assert {name: type(value) for name, value in row.items()} == types
    assert STAMP.fullmatch(row["created_at"])
    assert ULID.fullmatch(row["seq"])


def check_conversation(row: Any) -> None:
    """Assert a Conversation with its messages."""
    types = {
        "id": int,
        "model_id": int,
        "model_name": str,
        "created_at": str,
        "updated_at": str,
        "most_recent_message": type(row["most_recent_message"]),
        "recent_messages": list,
        "platform": str,
        "platform_user_id": str,
    }
    assert {name: type(value) for name, value in row.items()} == types
    assert STAMP.fullmatch(row["created_at"])
    assert STAMP.fullmatch(row["updated_at"])
    for message in row["recent_messages"]:
        check_message(message)
    assert row["most_recent_message"] == (row["recent_messages"] or [None])[-1]


def check_refusal(body: Any) -> None:
    """Assert an error body."""
    assert set(body) == {"message", "errors"}
    assert body["message"]
    assert all(set(error) == {"parameter", "message"} for error in body["errors"])
