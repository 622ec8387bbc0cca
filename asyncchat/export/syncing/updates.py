"""Puts changed conversations and their messages into a copy."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import attrs

from asyncchat import AsyncChatError, AsyncClient, ConfigurationError, NotFoundError, RawRow
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.copy import Copy, Known, Messages
from asyncchat.export.fetch import is_there, read_messages, read_tail
from asyncchat.export.one_thread import OneThread
from asyncchat.export.questions import Reading
from asyncchat.export.side_by_side import side_by_side
from asyncchat.export.syncing.figures import Figures
from asyncchat.export.syncing.news import (
    LATEST,
    Way,
    changed_second,
    choose,
    complete_until,
    is_drawn,
    is_outdated,
    second_of,
)
from asyncchat.export.syncing.recent import Recent
from asyncchat.export.syncing.report import ConversationChange
from asyncchat.export.syncing.setbacks import FAILURES, Setbacks
from asyncchat.export.windows import Certificate

_AT_ONCE: Final = 32
_BLOCK: Final = 500
"""Conversations that are looked up in the copy together."""


@attrs.frozen(kw_only=True)
class Manners:
    """How a round treats what it reads.

    Attributes:
        messages: Whether messages are wanted.
        unsettled: Times in which changes say little of messages.
        until: The second up to which all changes are visible.
        went_back: Whether the server's clock was set back since the round before.
        number: Which round it is.
        rate: The share of conversations that are counted.
        seed: Draws which.
    """

    messages: bool
    unsettled: Sequence[tuple[int, int]]
    until: int
    went_back: bool
    number: int
    rate: float
    seed: int


@attrs.frozen
class _Found:
    """A conversation, and what the copy holds of it."""

    row: RawRow
    known: Known | None
    recent: Sequence[RawRow]
    news: Sequence[int]
    way: Way

    @property
    def id(self) -> int:
        return self.row.id


class Updates:
    """Puts rows into a copy.

    Args:
        client: Where messages come from.
        counter: The same client, which tells of the requests for the sample.
        copy: The copy.
        thread: Where the copy is used.
        manners: How the round treats what it reads.
        figures: Where it is noted what came of it.
        setbacks: What counts failures.
        trusts: Whether recent messages are believed.
        owed: Conversations whose messages an earlier round could not read.

    Attributes:
        trusts: Whether recent messages are believed still, in this round.
        owed: Conversations whose messages could not be read, each with the reason.
    """

    def __init__(
        self,
        client: AsyncClient,
        counter: AsyncClient,
        copy: Copy,
        thread: OneThread,
        *,
        manners: Manners,
        figures: Figures,
        setbacks: Setbacks,
        trusts: bool,
        owed: Iterable[int],
    ) -> None:
        self._client = client
        self._counter = counter
        self._copy = copy
        self._thread = thread
        self._manners = manners
        self._figures = figures
        self._setbacks = setbacks
        self.trusts = trusts
        self.owed = dict.fromkeys(owed, "")

    async def apply(self, rows: Collection[RawRow]) -> None:
        """Put conversations into the copy, with what is new of their messages.

        Those that have changed after the time that is closed come with a later round: messages that were written before
        that change might not be visible yet.
        """
        closed = [row for row in rows if changed_second(row) <= self._manners.until]
        ordered = sorted(closed, key=lambda row: (changed_second(row), row.id))
        for at in range(0, len(ordered), _BLOCK):
            await self._apply(ordered[at : at + _BLOCK])
            self._figures.tell()

    async def _apply(self, rows: Sequence[RawRow]) -> None:
        found = await self._look_up(rows)
        self._figures.ways.update(each.way.value for each in found)
        self._figures.done += len(rows)
        await self._thread.call(lambda: self._write(found))
        sample = [each.id for each in found if each.way is Way.RECENT and each.news and self._is_drawn(each.id)]
        await self.count(sample)
        asked = [each for each in found if each.way in {Way.TAIL, Way.WHOLE}]
        stored = await self._thread.call(lambda: self._copy.messages([each.id for each in asked]))
        await side_by_side(lambda each: self._read(each, stored[each.id]), asked, limit=_AT_ONCE)

    async def settle(self) -> None:
        """Read the messages that could not be read, in an earlier round or in this one."""
        owed = sorted(self.owed)
        stored = await self._thread.call(lambda: self._copy.messages(owed))
        await side_by_side(lambda each: self._read_owed(each, stored[each]), owed, limit=_AT_ONCE)

    # ---- conversations

    async def _look_up(self, rows: Sequence[RawRow]) -> list[_Found]:
        recent = {row.id: Recent.of(row) if self._manners.messages else Recent(()) for row in rows}
        ids = [each.id for told in recent.values() for each in told.rows or ()]

        def ask() -> tuple[Mapping[int, Known], set[int]]:
            return self._copy.known([row.id for row in rows], latest=LATEST), self._copy.known_ids("messages", ids)

        known, held = await self._thread.call(ask)
        return [
            self._found(row, recent[row.id], known.get(row.id), held)
            for row in rows
            if self._manners.went_back or not is_outdated(row, known.get(row.id), until=self._manners.until)
        ]

    def _found(self, row: RawRow, recent: Recent, known: Known | None, held: set[int]) -> _Found:
        way = choose(row, recent, known, held=held, unsettled=self._manners.unsettled, trusts=self.trusts)
        if not self._manners.messages:
            way = Way.NONE if way is Way.NONE else Way.RECENT
        elif row.id in self.owed:
            way = Way.WHOLE
        rows = recent.rows or ()
        news = [each.id for each in rows if each.id not in held] if way is Way.RECENT else []
        return _Found(row, known, rows, news, way)

    def _write(self, found: Sequence[_Found]) -> None:
        """Write conversations, also those that seem unchanged, and the messages that came with them."""
        self._copy.write(Batch(kind="conversations", rows=[each.row for each in found]))
        recent = [each for each in found if each.way is Way.RECENT]
        for each in recent:
            self._copy.write(Batch(kind="messages", rows=each.recent, conversation_id=each.id))
            self._note(each, each.news)
        self._copy.doubt([each.id for each in recent if each.news], self._manners.number)

    def _note(self, each: _Found, news: Sequence[int]) -> None:
        known, is_new = each.known, each.known is None
        if is_new or news or known is None or known.is_deleted or known.changed != changed_second(each.row):
            self._figures.note(ConversationChange(id=each.id, is_new=is_new, messages=tuple(news)))

    def _is_drawn(self, conversation_id: int) -> bool:
        manners = self._manners
        return is_drawn(conversation_id, seed=manners.seed, round_number=manners.number, rate=manners.rate)

    # ---- messages that are asked for

    async def _read(self, each: _Found, stored: Messages) -> None:
        is_new = each.known is None
        try:
            reading = await self._tail(each.id, stored) if each.way is Way.TAIL else None
            reading = reading or await self._whole(self._client, each.id)
        except FAILURES as exc:
            self._owe(each.id, exc)
            self._note(each, ())
            return
        self._setbacks.clear()
        if reading is None:
            await self._gone(each.id, is_new=is_new)
        else:
            self._note(each, await self._store(each.id, reading, stored))

    async def _read_owed(self, conversation_id: int, stored: Messages) -> None:
        try:
            reading = await self._whole(self._client, conversation_id)
        except FAILURES as exc:
            self._owe(conversation_id, exc)
            return
        self._setbacks.clear()
        if reading is None:
            await self._gone(conversation_id)
            return
        news = await self._store(conversation_id, reading, stored)
        if news:
            self._figures.note(ConversationChange(id=conversation_id, messages=tuple(news)))

    async def _tail(self, conversation_id: int, stored: Messages) -> Reading | None:
        pager = self._client.messages.list(conversation_id).raw()
        try:
            return await read_tail(pager, stored.there, self._client.per_page)
        except NotFoundError:
            return None

    async def _whole(self, client: AsyncClient, conversation_id: int) -> Reading | None:
        """All messages of a conversation; None where it is gone."""
        name = f"messages of conversation {conversation_id}"
        try:
            return await read_messages(client.messages.list(conversation_id).raw(), name)
        except NotFoundError:
            if not await is_there(client, conversation_id):
                return None
            return Reading(rows=(), doubt=f"{name}: the server has the conversation, and says 404 to its messages")
        except ConfigurationError as exc:  # the server gave an id that nothing can be asked for by
            return Reading(rows=(), doubt=f"{name}: {exc}")

    # ---- the sample

    async def count(self, conversation_ids: Sequence[int]) -> None:
        """Count the messages of some conversations; where that shows that one is missing, recent messages have lied."""

        def ask() -> tuple[Mapping[int, Known], Mapping[int, int]]:
            return self._copy.known(conversation_ids, latest=0), self._copy.message_counts(conversation_ids)

        known, counts = await self._thread.call(ask)
        proved: list[int] = []

        async def count_one(conversation_id: int) -> None:
            try:
                if await self._counter.messages.list(conversation_id).count() == counts.get(conversation_id, 0):
                    proved.append(conversation_id)
                else:
                    await self._recount(conversation_id, known.get(conversation_id))
            except NotFoundError:
                await self._gone_unless_there(conversation_id)
            except FAILURES as exc:
                self._setbacks.note(exc)
                return
            self._setbacks.clear()
            self._figures.audited += 1

        await side_by_side(count_one, conversation_ids, limit=_AT_ONCE)
        await self._thread.call(lambda: self._copy.prove(proved))

    async def _recount(self, conversation_id: int, known: Known | None) -> None:
        """Read a conversation whose count is another one: it may have got messages since, or have lost some."""
        reading = await self._whole(self._counter, conversation_id)
        if reading is None:
            await self._gone(conversation_id)
            return
        stored = (await self._thread.call(lambda: self._copy.messages([conversation_id])))[conversation_id]
        news = await self._store(conversation_id, reading, stored)
        until = None if known is None else complete_until(known, self._manners.unsettled)
        old = {row.id for row in reading.rows if until is not None and second_of(row) <= until}
        if old.intersection(news) and await self._is_as(conversation_id, known):
            self.trusts = False
            self._figures.lied.append(conversation_id)
        if news:
            self._figures.note(ConversationChange(id=conversation_id, messages=tuple(news)))

    async def _is_as(self, conversation_id: int, known: Known | None) -> bool:
        """Whether a conversation has not changed since it was put into the copy."""
        try:
            found = await self._counter.conversations.get(conversation_id)
        except NotFoundError:
            return False
        return known is not None and math.floor(found.updated_at.timestamp()) == known.changed

    async def _gone_unless_there(self, conversation_id: int) -> None:
        if not await is_there(self._counter, conversation_id):
            await self._gone(conversation_id)

    # ---- what came of it

    async def _store(self, conversation_id: int, reading: Reading, stored: Messages) -> list[int]:
        """Put messages that were asked for into the copy; returns the ids of those that were not there."""
        self._figures.accept(reading)
        is_proved = reading.certificate is not None
        if is_proved:
            self.owed.pop(conversation_id, None)
        else:
            self.owed[conversation_id] = reading.doubt
        extra = self._extra(reading, stored)

        def write() -> None:
            self._copy.write(Batch(kind="messages", rows=reading.rows, conversation_id=conversation_id))
            if extra:
                self._copy.mark_deleted("messages", extra)
            if is_proved:
                self._copy.prove([conversation_id])

        await self._thread.call(write)
        return [row.id for row in reading.rows if row.id not in stored.there and row.id not in stored.gone]

    def _extra(self, reading: Reading, stored: Messages) -> list[int]:
        """Messages that are there and not at the server, where a replica that lags behind would have them by now."""
        if reading.certificate in {None, Certificate.TAIL}:
            return []
        there = {row.id for row in reading.rows}
        old = [row_id for row_id, second in stored.there.items() if second is None or second <= self._manners.until]
        return [row_id for row_id in old if row_id not in there]

    async def _gone(self, conversation_id: int, *, is_new: bool = False) -> None:
        """Mark a conversation that the server has no more."""
        self.owed.pop(conversation_id, None)
        await self._thread.call(lambda: self._copy.mark_deleted("conversations", [conversation_id]))
        self._figures.note(ConversationChange(id=conversation_id, is_new=is_new, is_deleted=True))

    def _owe(self, conversation_id: int, error: AsyncChatError) -> None:
        self._setbacks.note(error)
        self.owed[conversation_id] = f"messages of conversation {conversation_id}: {error}"
