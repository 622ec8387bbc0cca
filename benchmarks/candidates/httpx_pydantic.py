"""httpx and pydantic: pages side by side, and page after page as the SDKs of large services hand them out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import sniffio  # noqa: F401 - without it httpcore loses a third

from benchmarks.candidates.pydantic_models import PAGES, Page


def client(base_url: str, in_flight: int) -> httpx.AsyncClient:
    """A client that keeps as many connections as it has requests in flight."""
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    return httpx.AsyncClient(
        base_url=base_url, limits=limits, timeout=60, headers={"Authorization": "Bearer t0ken"}, trust_env=False
    )


async def read(base_url: str, path: str, in_flight: int, per_page: int) -> int:
    """Typed rows, pages side by side."""
    adapter, count = PAGES[path.rpartition("/")[2]], 0
    async with client(base_url, in_flight) as session:

        async def fetch(number: int) -> int:
            nonlocal count
            response = await session.get(path, params={"page": number, "per_page": per_page})
            page = adapter.validate_json(response.raise_for_status().content)
            for _row in page.data:
                count += 1
            return page.total_pages

        numbers = iter(range(2, await fetch(1) + 1))

        async def work() -> None:
            for number in numbers:
                await fetch(number)

        await asyncio.gather(*[work() for _ in range(in_flight)])
    return count


async def read_in_turn(base_url: str, path: str, in_flight: int, per_page: int) -> int:
    """Typed rows, the next page when the one before is used up."""
    count = 0
    async with client(base_url, in_flight) as session:
        async for page in _pages(session, path, per_page):
            for _row in page.data:
                count += 1
    return count


async def _pages(session: httpx.AsyncClient, path: str, per_page: int) -> AsyncIterator[Page[Any]]:
    adapter, number, last = PAGES[path.rpartition("/")[2]], 0, 1
    while number < last:
        number += 1
        response = await session.get(path, params={"page": number, "per_page": per_page})
        page = adapter.validate_json(response.raise_for_status().content)
        last = page.total_pages
        yield page
