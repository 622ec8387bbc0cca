"""asyncchat, as its README shows it: asynchronous, blocking, and rows passed on as they were sent."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from asyncchat import AsyncClient, AsyncPager, Client
from asyncchat.export import export

TOKEN: Final = "t0ken"  # noqa: S105 - made up


def pager_of(chat: Any, path: str, **options: Any) -> Any:
    """The listing at a path, of either client."""
    _, _, owner, kind = path.split("/")
    if kind == "messages":
        return chat.messages.list(int(owner), **options)
    return chat.conversations.list(model_id=int(owner), **options)


async def read(base_url: str, path: str, in_flight: int, per_page: int) -> int:
    """Typed rows by `async for`."""
    count = 0
    async with AsyncClient(base_url, token=TOKEN, max_concurrency=max(32, in_flight)) as chat:
        async for _row in pager_of(chat, path, concurrency=in_flight, per_page=per_page):
            count += 1
    return count


def read_blocking(base_url: str, path: str, in_flight: int, per_page: int) -> int:
    """Typed rows by `for`."""
    count = 0
    with Client(base_url, token=TOKEN, max_concurrency=max(32, in_flight)) as chat:
        for _row in pager_of(chat, path, concurrency=in_flight, per_page=per_page):
            count += 1
    return count


async def read_raw(base_url: str, path: str, in_flight: int, per_page: int) -> int:
    """Rows as they were sent, as lines of a file."""
    count = 0
    with tempfile.TemporaryFile() as file:
        async with AsyncClient(base_url, token=TOKEN, max_concurrency=max(32, in_flight)) as chat:
            pager: AsyncPager[Any] = pager_of(chat, path, concurrency=in_flight, per_page=per_page)
            async for page in pager.raw().pages():
                file.write(b"\n".join([row.json for row in page.data]) + b"\n")
                count += len(page.data)
    return count


async def collect(base_url: str, path: str, in_flight: int, per_page: int) -> int:
    """Typed rows in a list: the memory of a reader that keeps them all."""
    async with AsyncClient(base_url, token=TOKEN, max_concurrency=max(32, in_flight)) as chat:
        return len(await pager_of(chat, path, concurrency=in_flight, per_page=per_page).collect())


async def export_account(base_url: str, folder: str, in_flight: int) -> dict[str, Any]:
    """A whole account by `export`, into JSON Lines; and whether all of it is certified, for how many requests."""
    async with AsyncClient(base_url, token=TOKEN, max_concurrency=in_flight) as chat:
        report = await export(chat, Path(folder))
    return {**report.rows, "certified": report.certified, "requests": report.requests}
