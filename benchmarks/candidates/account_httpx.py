"""A whole account by the same script on httpx."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, Final

import httpx

from benchmarks.candidates.httpx_pydantic import client

PER_PAGE: Final = 100
KINDS: Final = ("models", "conversations", "messages")


class Script:
    """Exports models, conversations, and each conversation's messages.

    Args:
        session: Sends requests.
        folder: Where files go.
        in_flight: Requests at once.
    """

    def __init__(self, session: httpx.AsyncClient, folder: Path, in_flight: int) -> None:
        self._session = session
        self._turn = asyncio.Semaphore(in_flight)
        self._files: dict[str, IO[str]] = {
            kind: (folder / f"{kind}.jsonl").open("w", encoding="utf-8") for kind in KINDS
        }
        self.rows = dict.fromkeys(KINDS, 0)

    async def _pages(self, path: str) -> AsyncIterator[list[dict[str, Any]]]:
        number, last = 0, 1
        while number < last:
            number += 1
            async with self._turn:
                response = await self._session.get(path, params={"page": number, "per_page": PER_PAGE})
            page = response.raise_for_status().json()
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
    async with client(base_url, in_flight) as session:
        return await Script(session, Path(folder), in_flight).run()
