"""Puts changed conversations and their messages into a copy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from asyncchat import AsyncClient, RawRow
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.copy import Known, Messages
from asyncchat.export.side_by_side import side_by_side
from asyncchat.export.stopping import FAILURES
from asyncchat.export.syncing.landing import Landing
from asyncchat.export.syncing.messages import read_all, read_news
from asyncchat.export.syncing.news import (
    LATEST,
    Way,
    changed_second,
    choose,
    is_outdated,
)
from asyncchat.export.syncing.recent import Recent
from asyncchat.export.syncing.report import ConversationChange

Check: TypeAlias = Callable[[Sequence[int]], Awaitable[None]]

_AT_ONCE: Final = 32
_BLOCK: Final = 500
"""Conversations that are looked up in the copy together."""


@attrs.frozen
class _Found:
    """A conversation, and what the copy holds of it."""

    row: RawRow
    known: Known | None
    news: Sequence[RawRow]
    way: Way

    @property
    def id(self) -> int:
        return self.row.id


class Updates:
    """Puts rows into a copy.

    Args:
        client: Where messages come from.
        landing: Where they go.
        trusts: Whether recent messages are believed, until one has lied.
        check: Is given the conversations of each block whose new messages were not asked for; None: nothing is.
    """

    def __init__(self, client: AsyncClient, landing: Landing, *, trusts: bool, check: Check | None = None) -> None:
        self._client = client
        self._landing = landing
        self._trusts = trusts
        self._check = check
        self._copy = landing.copy
        self._thread = landing.thread
        self._figures = landing.figures
        self._manners = landing.manners

    async def apply(self, rows: Collection[RawRow]) -> None:
        """Put conversations into the copy, with what is new of their messages."""
        ordered = sorted(rows, key=lambda row: (changed_second(row), row.id))
        for at in range(0, len(ordered), _BLOCK):
            await self._apply(ordered[at : at + _BLOCK])
            self._figures.tell()

    async def _apply(self, rows: Sequence[RawRow]) -> None:
        found = await self._look_up(rows)
        self._figures.ways.update(each.way.value for each in found)
        self._figures.done += len(rows)
        await self._thread.call(lambda: self._write(found))
        for each in found:
            if each.way is not Way.NONE:
                self._landing.date(each.id, changed_second(each.row))
        if self._check is not None:
            await self._check([each.id for each in found if each.way is Way.RECENT and each.news])
        asked = [each for each in found if each.way in {Way.TAIL, Way.WHOLE}]
        stored = await self._thread.call(lambda: self._copy.messages([each.id for each in asked]))
        await side_by_side(lambda each: self._read(each, stored[each.id]), asked, limit=_AT_ONCE)

    async def settle(self) -> None:
        """Read the messages that could not be read, in an earlier round or in this one."""
        owed = sorted(self._landing.owed)
        stored = await self._thread.call(lambda: self._copy.messages(owed))
        await side_by_side(lambda each: self._read_owed(each, stored[each]), owed, limit=_AT_ONCE)

    # ---- conversations

    async def _look_up(self, rows: Sequence[RawRow]) -> list[_Found]:
        recent = {row.id: Recent.of(row) if self._manners.messages else Recent(()) for row in rows}
        ids = [each.id for told in recent.values() for each in told.rows or ()]

        def ask() -> list[_Found]:
            known, held = self._copy.known([row.id for row in rows], latest=LATEST), self._copy.digests("messages", ids)
            return [self._found(row, recent[row.id], known.get(row.id), held) for row in rows]

        until, went_back = self._manners.until, self._manners.went_back
        found = await self._thread.call(ask)
        return [each for each in found if went_back or not is_outdated(each.row, each.known, until=until)]

    def _found(self, row: RawRow, recent: Recent, known: Known | None, held: Mapping[int, int]) -> _Found:
        rows = recent.rows or ()
        told = self._copy.digests_of("messages", [each for each in rows if each.id in held], row.id)
        way = choose(
            row,
            recent,
            known,
            held=held.keys(),
            agrees=all(held[row_id] == digest for row_id, digest in told.items()),
            unsettled=self._landing.unsettled_of(row.id),
            trusts=self._trusts and not self._figures.lied,
        )
        if not self._manners.messages:
            way = Way.NONE if way is Way.NONE else Way.RECENT
        elif row.id in self._landing.owed:
            way = Way.WHOLE
        news = [each for each in rows if each.id not in held] if way is Way.RECENT else []
        return _Found(row, known, news, way)

    def _write(self, found: Sequence[_Found]) -> None:
        """Write conversations, also those that seem unchanged, and the messages that came with them."""
        self._copy.write(Batch(kind="conversations", rows=[each.row for each in found]))
        recent = [each for each in found if each.way is Way.RECENT]
        for each in recent:
            self._copy.write(Batch(kind="messages", rows=each.news, conversation_id=each.id))
            self._note(each, [row.id for row in each.news])
        self._copy.doubt([each.id for each in recent if each.news], self._manners.number)

    def _note(self, each: _Found, news: Sequence[int]) -> None:
        known, is_new = each.known, each.known is None
        if is_new or news or known is None or known.is_deleted or known.changed != changed_second(each.row):
            self._figures.note(ConversationChange(id=each.id, is_new=is_new, messages=tuple(news)))

    # ---- messages that are asked for

    async def _read(self, each: _Found, stored: Messages) -> None:
        is_new = each.known is None
        try:
            reading = await read_news(self._client, each.id, stored.there) if each.way is Way.TAIL else None
            reading = reading or await read_all(self._client, each.id)
        except FAILURES as exc:
            self._landing.owe(each.id, exc)
            self._note(each, ())
            return
        self._landing.setbacks.clear()
        if reading is None:
            await self._landing.gone(each.id, is_new=is_new)
        else:
            self._note(each, await self._landing.store(each.id, reading, stored))

    async def _read_owed(self, conversation_id: int, stored: Messages) -> None:
        try:
            reading = await read_all(self._client, conversation_id)
        except FAILURES as exc:
            self._landing.owe(conversation_id, exc)
            return
        self._landing.setbacks.clear()
        if reading is None:
            await self._landing.gone(conversation_id)
            return
        news = await self._landing.store(conversation_id, reading, stored)
        if news:
            self._figures.note(ConversationChange(id=conversation_id, messages=tuple(news)))
