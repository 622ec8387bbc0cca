"""Vocabulary that every layer shares: JSON aliases, identifiers, the unset mark and the clock."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias

JSON: TypeAlias = "Mapping[str, JSON] | Sequence[JSON] | str | int | float | bool | None"

SortField: TypeAlias = Literal["created_at", "updated_at"]

MAX_ID: Final = 2**63 - 1
"""The largest identifier: the contract says int64."""


class Unset(enum.Enum):
    """The type of `UNSET`, so that `None` can be a value of its own."""

    UNSET = enum.auto()

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Says that an argument was not given."""


class Clock(Protocol):
    """Where the pipeline gets its time from, and how it waits."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def time(self) -> float:
        """Seconds since the epoch, as the wall clock says."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds; 0 gives other tasks a turn."""
        ...
