"""Messages against the server: counted by conversation, and read where the counts differ."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from asyncchat import AsyncPager, NotFoundError, RawRow
from asyncchat.export.fetch import read_messages
from asyncchat.export.side_by_side import side_by_side
from asyncchat.export.verifying.by_window import AT_ONCE
from asyncchat.export.verifying.deep import Deep
from asyncchat.export.verifying.findings import Findings

_BLOCK: Final = 1_000
"""Conversations whose stored messages are looked up together."""

StoredIds: TypeAlias = Callable[[Collection[int]], Awaitable[Mapping[int, set[int]]]]


class MessageCheck:
    """Compares the messages of conversations.

    Args:
        messages_of: Makes the listing of a conversation's messages.
        stored_ids: The ids of the messages that the destination holds of some conversations.
        findings: Where differences are noted.
        deep: Compares rows with what is kept of them; None: only ids are compared.
        takes_all: Whether messages that have come since are missing too: a file that had some is left out.
        changed_at: When a conversation changed last; None where it need not be asked: the destination claims all
            messages of its time, whatever has come since.

    Attributes:
        gone: Conversations that the server has not.
        there: Those that it has.
    """

    def __init__(
        self,
        messages_of: Callable[[int], AsyncPager[RawRow]],
        stored_ids: StoredIds,
        findings: Findings,
        *,
        deep: Deep | None = None,
        takes_all: bool = False,
        changed_at: Callable[[int], Awaitable[datetime]] | None = None,
    ) -> None:
        self._changed_at = changed_at
        self._deep = deep
        self._takes_all = takes_all
        self._messages_of = messages_of
        self._stored_ids = stored_ids
        self._findings = findings
        self.gone: set[int] = set()
        self.there: set[int] = set()

    async def compare(self, conversation_ids: Collection[int], counts: Mapping[int, int]) -> None:
        """Compare the messages of some conversations.

        Args:
            conversation_ids: Whose.
            counts: How many messages the destination holds of each.
        """
        self._findings.total = len(conversation_ids)
        suspects: list[int] = []
        if self._deep is not None:
            await self._read_blocks(list(conversation_ids), is_counted=True)
            return

        async def count(conversation_id: int) -> None:
            if await self._count(conversation_id) != counts.get(conversation_id, 0):
                suspects.append(conversation_id)
            self._findings.conversations += 1
            self._findings.tell()

        await side_by_side(count, conversation_ids, limit=AT_ONCE)
        await self._read_blocks(suspects)

    async def _read_blocks(self, conversation_ids: Sequence[int], *, is_counted: bool = False) -> None:
        for at in range(0, len(conversation_ids), _BLOCK):
            block = conversation_ids[at : at + _BLOCK]
            await self._read_all(block)
            self._findings.conversations += len(block) if is_counted else 0
            self._findings.tell()

    async def _count(self, conversation_id: int) -> int:
        try:
            count = await self._messages_of(conversation_id).count()
        except NotFoundError:
            self.gone.add(conversation_id)
            return 0
        self.there.add(conversation_id)
        return count

    async def _read_all(self, conversation_ids: Collection[int]) -> None:
        stored = await self._stored_ids(conversation_ids)

        async def read(conversation_id: int) -> None:
            await self._read(conversation_id, stored[conversation_id])

        await side_by_side(read, conversation_ids, limit=AT_ONCE)

    async def _changed(self, conversation_id: int, rows: Sequence[RawRow]) -> list[RawRow]:
        return [] if self._deep is None else await self._deep.changed("messages", rows, conversation_id)

    async def _is_newer(self, conversation_id: int) -> bool:
        """Whether a conversation has changed since, so that the next round of a sync brings what is missing."""
        if self._changed_at is None:
            return False
        return math.floor((await self._changed_at(conversation_id)).timestamp()) > self._findings.as_of

    async def _read(self, conversation_id: int, stored: set[int]) -> None:
        name = f"messages of conversation {conversation_id}"
        found: dict[int, RawRow] = {}
        try:
            found = self._findings.rows_of(await read_messages(self._messages_of(conversation_id), name))
            self.there.add(conversation_id)
        except NotFoundError:  # it is gone, and so are they
            self.gone.add(conversation_id)
        unknown = [row for row_id, row in found.items() if row_id not in stored]
        missing = unknown if self._takes_all else self._findings.claimed(unknown)
        if missing and not self._takes_all and await self._is_newer(conversation_id):
            missing = []
        self._findings.newer += len(unknown) - len(missing)
        self._findings.note(
            "messages",
            f"conversation {conversation_id}",
            missing=missing,
            extra=stored - found.keys(),
            changed=await self._changed(conversation_id, list(found.values())),
            conversation_id=conversation_id,
        )
