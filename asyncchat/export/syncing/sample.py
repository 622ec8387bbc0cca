"""Counts the messages of conversations that were believed, and finds out recent messages that have a gap."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from asyncchat import AsyncClient, NotFoundError
from asyncchat.export.destinations.copy import Known
from asyncchat.export.fetch import is_there
from asyncchat.export.side_by_side import side_by_side
from asyncchat.export.stopping import FAILURES
from asyncchat.export.syncing.landing import Landing
from asyncchat.export.syncing.messages import read_all
from asyncchat.export.syncing.news import complete_until, is_drawn, second_of
from asyncchat.export.syncing.report import ConversationChange

_AT_ONCE: Final = 32


class Sample:
    """Counts conversations.

    Args:
        client: Where to ask.
        landing: Where what is read goes.
        rate: The share of conversations that are counted.
        seed: Draws which.
    """

    def __init__(self, client: AsyncClient, landing: Landing, *, rate: float, seed: int) -> None:
        self._client = client
        self._landing = landing
        self._rate = rate
        self._seed = seed

    async def draw(self, conversation_ids: Sequence[int]) -> None:
        """Count those of some conversations that belong to the sample of the round."""
        number = self._landing.manners.number
        await self.count(
            [each for each in conversation_ids if is_drawn(each, seed=self._seed, round_number=number, rate=self._rate)]
        )

    async def count(self, conversation_ids: Sequence[int]) -> None:
        """Count the messages of some conversations; where that shows that one is missing, recent messages have lied."""

        def ask() -> tuple[Mapping[int, Known], Mapping[int, int]]:
            copy = self._landing.copy
            return copy.known(conversation_ids, latest=0), copy.message_counts(conversation_ids)

        known, counts = await self._landing.thread.call(ask)
        proved: list[int] = []

        async def count_one(conversation_id: int) -> None:
            try:
                if await self._client.messages.list(conversation_id).count() == counts.get(conversation_id, 0):
                    proved.append(conversation_id)
                else:
                    await self._recount(conversation_id, known.get(conversation_id))
            except NotFoundError:
                await self._gone_unless_there(conversation_id)
            except FAILURES as exc:
                self._landing.setbacks.note(exc)
                return
            self._landing.setbacks.clear()
            self._landing.figures.audited += 1

        await side_by_side(count_one, conversation_ids, limit=_AT_ONCE)
        await self._landing.thread.call(lambda: self._landing.copy.prove(proved))

    async def _recount(self, conversation_id: int, known: Known | None) -> None:
        """Read a conversation whose count is another one: it may have got messages since, or have lost some."""
        reading = await read_all(self._client, conversation_id)
        if reading is None:
            await self._landing.gone(conversation_id)
            return
        landing = self._landing
        stored = await landing.thread.call(lambda: landing.copy.messages([conversation_id]))
        news = await landing.store(conversation_id, reading, stored[conversation_id])
        until = None if known is None else complete_until(known, landing.unsettled_of(conversation_id))
        old = {row.id for row in reading.rows if until is not None and second_of(row) <= until}
        if old.intersection(news) and await self._is_as(conversation_id, known):
            self._landing.figures.lied.append(conversation_id)
        if news:
            self._landing.figures.note(ConversationChange(id=conversation_id, messages=tuple(news)))

    async def _is_as(self, conversation_id: int, known: Known | None) -> bool:
        """Whether a conversation has not changed since it was put into the copy."""
        try:
            found = await self._client.conversations.get(conversation_id)
        except NotFoundError:
            return False
        return known is not None and math.floor(found.updated_at.timestamp()) == known.changed

    async def _gone_unless_there(self, conversation_id: int) -> None:
        if not await is_there(self._client, conversation_id):
            await self._landing.gone(conversation_id)
