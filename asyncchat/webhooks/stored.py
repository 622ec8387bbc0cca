"""What an inbox holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

State: TypeAlias = Literal["new", "taken", "done", "dead", "rejected"]


@attrs.frozen
class Added:
    """What became of an event that was posted.

    Attributes:
        id: Its number in the inbox.
        count: How often it has come within the time in which it counts as the same one; 1: it is new.
    """

    id: int
    count: int

    @property
    def is_new(self) -> bool:
        """Whether it had not come before."""
        return self.count == 1


@attrs.frozen
class Stored:
    """An event in an inbox.

    Attributes:
        id: Its number.
        body: As it was posted.
        state: "new", "taken", "done", "dead" (handed over in vain too often) or "rejected" (no event at all).
        received_at: When it came first, in seconds since the epoch.
        last_received_at: When it came last.
        count: How often.
        attempts: How often it was handed over.
        due_at: When it is to be handed over next.
        leased_until: Until when it belongs to who has taken it; None where nobody has.
        error: Why the last attempt failed.
    """

    id: int
    body: bytes = attrs.field(repr=False)
    state: State
    received_at: float
    last_received_at: float
    count: int
    attempts: int
    due_at: float
    leased_until: float | None
    error: str | None


@attrs.frozen(kw_only=True)
class InboxStats:
    """How an inbox stands.

    Attributes:
        states: Events by state.
        duplicates: How often an event came that had come before.
        oldest_due: When the event was due that has waited for longest; None where none waits.
        size: Bytes of the file's pages that are in use.
    """

    states: Mapping[str, int]
    duplicates: int
    oldest_due: float | None
    size: int
