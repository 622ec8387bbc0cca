"""How the new messages of a conversation are come by. Decided without asking anybody.

Every message moves the `updated_at` of its conversation. So a copy that has a conversation as it was at some second has
all messages that were written until then, and what is missing was written later. Where the conversation's
`recent_messages` reach back to that second or beyond, and are what they claim to be, all that is missing is among them,
and nothing need be asked for. Everything that can be held against them is: whatever they hold of that time must be in
the copy, and whatever the copy holds of the time that they span must be in them.
"""

from __future__ import annotations

import enum
import hashlib
import math
from collections.abc import Collection, Sequence
from typing import Final

from asyncchat import RawRow
from asyncchat.export.destinations.copy import Known
from asyncchat.export.syncing.recent import Recent

LATEST: Final = 50
"""Stored messages of a conversation that its recent ones are held against."""

_PARTS: Final = 2**64


class Way(enum.Enum):
    """How to come by the messages of a conversation that was read."""

    NONE = "unchanged"
    """It is as it was: all its messages are there."""
    RECENT = "recent"
    """What is new is among its recent messages."""
    TAIL = "tail"
    """The end of its listing is read, from where what is there ends."""
    WHOLE = "whole"
    """All its messages are read."""


def second_of(row: RawRow) -> int:
    """The whole second in which a row was made."""
    return math.floor(row.created_at.timestamp())


def changed_second(row: RawRow) -> int:
    """The whole second in which a row was changed last."""
    return math.floor((row.updated_at or row.created_at).timestamp())


def is_outdated(row: RawRow, known: Known | None, *, until: int) -> bool:
    """Whether a row is older than what is there, as the answer of a server that lags behind may be.

    What is there of the time that has been closed no server has forgotten: there the clock was set back.

    Args:
        row: The row.
        known: What is there.
        until: The second up to which all changes are visible.
    """
    return known is not None and known.changed is not None and until < known.changed > changed_second(row)


def complete_until(known: Known, unsettled: Sequence[tuple[int, int]]) -> int | None:
    """The second up to which the copy has every message of a conversation; None where that cannot be told.

    Args:
        known: What the copy holds of it.
        unsettled: Times in which a change says nothing of the messages since their beginning: that of the export, which
            does not wait for what becomes visible late, and those that a clock that was set back has told twice.
    """
    changed = known.changed
    if changed is None:
        return None
    return min([changed, *(begin for begin, end in unsettled if begin < changed <= end)])


def choose(
    row: RawRow,
    recent: Recent,
    known: Known | None,
    *,
    held: Collection[int],
    agrees: bool,
    unsettled: Sequence[tuple[int, int]],
    trusts: bool,
) -> Way:
    """How to come by a conversation's messages.

    Args:
        row: The conversation.
        recent: Its recent messages.
        known: What the copy holds of it; None: nothing.
        held: Those of the recent messages that are in the copy, by id.
        agrees: Whether the copy has these just as they are told here: else one was edited, or they are cut off.
        unsettled: Times in which changes say little, see `complete_until`.
        trusts: Whether recent messages are believed to be the latest ones without a gap.
    """
    if known is None or known.is_deleted or not agrees:
        return Way.WHOLE
    until, second = complete_until(known, unsettled), changed_second(row)
    if until == second and known.recent == recent.text:
        return Way.NONE
    if trusts and known.changed is not None and known.changed <= second and _reaches(recent, known, held, until):
        return Way.RECENT
    return Way.TAIL if known.messages else Way.WHOLE


def _reaches(recent: Recent, known: Known, held: Collection[int], until: int | None) -> bool:
    """Whether recent messages reach back into the time of which the copy is complete, and nothing is against them."""
    if until is None or not recent.rows:
        return False
    ids = {row.id for row in recent.rows}
    old = [row.id for row in recent.rows if second_of(row) <= until]
    if not old or not all(row_id in held for row_id in old):
        return False
    oldest = min(map(second_of, recent.rows))
    spanned = [row_id for row_id, second in known.latest if second is not None and oldest < second <= until]
    return ids.issuperset(spanned)


def is_drawn(conversation_id: int, *, seed: int, round_number: int, rate: float) -> bool:
    """Whether a conversation belongs to the sample of a round.

    Args:
        conversation_id: Its id.
        seed: Another seed draws other ones.
        round_number: Which round it is.
        rate: The share that is drawn.
    """
    text = f"{seed} {round_number} {conversation_id}".encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    return number < rate * _PARTS
