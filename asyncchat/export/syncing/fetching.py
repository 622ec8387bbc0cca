"""Gets conversations by their ids, side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import attrs

from asyncchat import AsyncChatError, AsyncClient, NotFoundError, RawRow
from asyncchat.export.side_by_side import side_by_side
from asyncchat.export.single import get_row
from asyncchat.export.stopping import FAILURES, is_away
from asyncchat.export.syncing.setbacks import Setbacks
from asyncchat.export.syncing.state import Clock

_AT_ONCE: Final = 32

_local_clock = time.time


@attrs.frozen
class Fetched:
    """What the server told of some conversations.

    Attributes:
        rows: Those that are there.
        gone: Those that are not.
        failed: Those that could not be read, each with the reason.
        clocks: The server's clock, as it was told with each of those that are there.
    """

    rows: list[RawRow] = attrs.field(factory=list)
    gone: list[int] = attrs.field(factory=list)
    failed: dict[int, AsyncChatError] = attrs.field(factory=dict)
    clocks: list[Clock] = attrs.field(factory=list)

    @property
    def clock(self) -> Clock:
        """The earliest time that was told; this machine's where there is none."""
        now = _local_clock()
        return min(self.clocks, key=lambda clock: clock.now, default=Clock.of(now, asked=now, told=now))


async def fetch(client: AsyncClient, conversation_ids: Sequence[int], setbacks: Setbacks) -> Fetched:
    """Ask for each of some conversations.

    Args:
        client: Where to ask.
        conversation_ids: Which, each once.
        setbacks: What counts failures.

    Raises:
        AsyncChatError: The server refused, or answered nothing at all.
    """
    fetched = Fetched()

    async def get(conversation_id: int) -> None:
        asked = _local_clock()
        try:
            row, now = await get_row(client, "conversations", conversation_id)
        except NotFoundError:
            fetched.gone.append(conversation_id)
        except FAILURES as exc:
            setbacks.note(exc)
            fetched.failed[conversation_id] = exc
            return
        else:
            told = _local_clock()
            fetched.clocks.append(Clock.of(told if now is None else now, asked=asked, told=told))
            fetched.rows.append(row)
        setbacks.clear()

    await side_by_side(get, conversation_ids, limit=_AT_ONCE)
    if fetched.failed and not fetched.rows and not fetched.gone and all(map(is_away, fetched.failed.values())):
        raise next(iter(fetched.failed.values()))
    return fetched
