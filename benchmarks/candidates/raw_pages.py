"""The pages of an export: by `export`, and by a loop that fetches the very same ones and writes their bytes."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from pathlib import Path
from typing import Final

import aiohttp

from asyncchat import AsyncClient, Event, RequestEvent
from asyncchat.export import export
from benchmarks.candidates.ours import TOKEN

_ROOM: Final = tempfile.TemporaryDirectory(prefix="asyncchat-benchmark-")
"""Is emptied when the process ends: what is measured is writing files, not removing them."""
_numbers: Final = itertools.count()


def _free_place() -> Path:
    return Path(_ROOM.name) / str(next(_numbers))


async def exported(base_url: str, in_flight: int, *, notes: bool) -> list[str]:
    """Export an account; returns the paths that were asked for, if they are to be noted."""
    paths: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, RequestEvent) and event.url is not None:
            paths.append(event.url.removeprefix(base_url))

    hooks = [note] if notes else []
    async with AsyncClient(base_url, token=TOKEN, max_concurrency=in_flight, hooks=hooks) as chat:
        await export(chat, _free_place())
    return paths


async def by_hand(base_url: str, in_flight: int, paths: list[str]) -> None:
    """The loop that somebody writes who needs no retries, no certificate, and nothing to go on from."""
    todo = iter(paths)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    connector = aiohttp.TCPConnector(limit=in_flight)
    with _free_place().open("wb") as file:
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

            async def work() -> None:
                for path in todo:
                    async with session.get(base_url + path) as response:
                        body = await response.read()
                    json.loads(body)["total_rows"]
                    file.write(body)

            await asyncio.gather(*[work() for _ in range(in_flight)])
