"""A whole account by a script on aiohttp: what somebody writes who needs no retries, proof or resumption."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, Final

import aiohttp

PER_PAGE: Final = 100
KINDS: Final = ("models", "conversations", "messages")


class Script:
    """Exports models, conversations, and each conversation's messages.

    Args:
        session: Sends requests.
        base_url: Where to.
        folder: Where files go.
        in_flight: Requests at once.
    """

    def __init__(self, session: aiohttp.ClientSession, base_url: str, folder: Path, in_flight: int) -> None:
        self._session = session
        self._base_url = base_url
        self._turn = asyncio.Semaphore(in_flight)
        self._files: dict[str, IO[str]] = {
            kind: (folder / f"{kind}.jsonl").open("w", encoding="utf-8") for kind in KINDS
        }
        self.rows = dict.fromkeys(KINDS, 0)

    async def _pages(self, path: str) -> AsyncIterator[list[dict[str, Any]]]:
        number, last = 0, 1
        while number < last:
            number += 1
            params = {"page": number, "per_page": PER_PAGE}
            async with self._turn, self._session.get(self._base_url + path, params=params) as response:
                response.raise_for_status()
                page = await response.json()
            last = page["total_pages"]
            yield page["data"]

    def _write(self, kind: str, rows: list[dict[str, Any]]) -> None:
        self._files[kind].writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        self.rows[kind] += len(rows)

    async def _messages_of(self, conversation_id: int) -> None:
        async for rows in self._pages(f"/conversations/{conversation_id}/messages"):
            self._write("messages", [{"conversation_id": conversation_id, **row} for row in rows])

    async def run(self) -> dict[str, int]:
        """Export all of it; returns the rows by kind."""
        async for rows in self._pages("/models"):
            self._write("models", rows)
        async with asyncio.TaskGroup() as group:
            async for rows in self._pages("/conversations"):
                self._write("conversations", rows)
                for row in rows:
                    group.create_task(self._messages_of(row["id"]))
        for file in self._files.values():
            file.close()
        return self.rows


async def export(base_url: str, folder: str, in_flight: int) -> dict[str, int]:
    """Export an account."""
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": "Bearer t0ken"}) as session:
        return await Script(session, base_url, Path(folder), in_flight).run()
