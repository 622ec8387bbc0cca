"""Where what was read of messages is put into a copy, and noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from asyncchat import AsyncChatError
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.copy import Copy, Messages
from asyncchat.export.one_thread import OneThread
from asyncchat.export.questions import Reading
from asyncchat.export.syncing.figures import Figures
from asyncchat.export.syncing.report import ConversationChange
from asyncchat.export.syncing.setbacks import Setbacks
from asyncchat.export.windows import Certificate


@attrs.frozen(kw_only=True)
class Manners:
    """How a round treats what it reads.

    Attributes:
        messages: Whether messages are wanted.
        unsettled: Times in which changes say little of messages.
        until: The second up to which all changes are visible.
        went_back: Whether the server's clock was set back since the round before.
        number: Which round it is.
    """

    messages: bool
    unsettled: Sequence[tuple[int, int]]
    until: int
    went_back: bool
    number: int


class Landing:
    """Puts messages into a copy.

    Args:
        copy: The copy.
        thread: Where it is used.
        manners: How the round treats what it reads.
        figures: Where it is noted what came of it.
        setbacks: What counts failures.
        owed: Conversations whose messages an earlier round could not read, each with the reason.
        unclosed: Conversations that came before their last change was closed, each with the time of that.

    Attributes:
        owed: Conversations whose messages could not be read, each with the reason.
        unclosed: Conversations whose last change is not closed, each with the time in which it says nothing of the
            messages since its beginning.
    """

    def __init__(
        self,
        copy: Copy,
        thread: OneThread,
        *,
        manners: Manners,
        figures: Figures,
        setbacks: Setbacks,
        owed: Mapping[int, str],
        unclosed: Mapping[int, tuple[int, int]],
    ) -> None:
        self.copy = copy
        self.thread = thread
        self.manners = manners
        self.figures = figures
        self.setbacks = setbacks
        self.owed = dict(owed)
        self.unclosed = dict(unclosed)

    def unsettled_of(self, conversation_id: int) -> Sequence[tuple[int, int]]:
        """Times in which changes of a conversation say little of its messages."""
        own = self.unclosed.get(conversation_id)
        return self.manners.unsettled if own is None else (*self.manners.unsettled, own)

    def date(self, conversation_id: int, changed: int) -> None:
        """Note that a conversation is there as it was at a second, which may not be closed yet."""
        self.unclosed.pop(conversation_id, None)
        if changed > self.manners.until:
            self.unclosed[conversation_id] = (self.manners.until, changed)

    async def store(self, conversation_id: int, reading: Reading, stored: Messages) -> list[int]:
        """Put messages that were asked for into the copy; returns the ids of those that were not there."""
        self.figures.accept(reading)
        is_proved = reading.certificate is not None
        if is_proved:
            self.owed.pop(conversation_id, None)
        else:
            self.owed[conversation_id] = reading.doubt
        extra = self._extra(reading, stored)

        def write() -> None:
            self.copy.write(Batch(kind="messages", rows=reading.rows, conversation_id=conversation_id))
            if extra:
                self.copy.mark_deleted("messages", extra)
            if is_proved:
                self.copy.prove([conversation_id])

        await self.thread.call(write)
        return [row.id for row in reading.rows if row.id not in stored.there and row.id not in stored.gone]

    def _extra(self, reading: Reading, stored: Messages) -> list[int]:
        """Messages that are there and not at the server, where a replica that lags behind would have them by now."""
        if reading.certificate in {None, Certificate.TAIL}:
            return []
        there = {row.id for row in reading.rows}
        old = [row_id for row_id, second in stored.there.items() if second is None or second <= self.manners.until]
        return [row_id for row_id in old if row_id not in there]

    async def gone(self, conversation_id: int, *, is_new: bool = False) -> None:
        """Mark a conversation that the server has no more."""
        self.owed.pop(conversation_id, None)
        await self.thread.call(lambda: self.copy.mark_deleted("conversations", [conversation_id]))
        self.figures.note(ConversationChange(id=conversation_id, is_new=is_new, is_deleted=True))

    def owe(self, conversation_id: int, error: AsyncChatError) -> None:
        """Note that a conversation's messages could not be read.

        Raises:
            AsyncChatError: That failure, where it ends all.
        """
        self.setbacks.note(error)
        self.owed[conversation_id] = f"messages of conversation {conversation_id}: {error}"
