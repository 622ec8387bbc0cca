"""The clock: what time it is in the sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final, TypeAlias

Source: TypeAlias = Callable[[], float] | float | None
"""A function that gives epoch seconds; or a moment at which time stands still; or None for the wall clock."""

_YEAR_9000: Final = 221_845_392_000


class Clock:
    """Epoch seconds, which never go back by themselves.

    Args:
        source: Where the time comes from.

    Raises:
        ValueError: If time stands before 1970 or after the year 9000.
    """

    def __init__(self, source: Source = None) -> None:
        if isinstance(source, int | float) and not 0 <= source < _YEAR_9000:
            raise ValueError(f"the clock is {source}: give epoch seconds from 0 on, before the year 9000")
        self._source = source
        self._ahead = 0.0

    @property
    def stands(self) -> bool:
        """Whether time passes only by `advance`."""
        return isinstance(self._source, int | float)

    def now(self) -> float:
        """Epoch seconds."""
        if self._source is None:
            return time.time() + self._ahead
        return (self._source() if callable(self._source) else self._source) + self._ahead

    def date(self) -> str:
        """The time as a Date header has it."""
        return formatdate(self.now(), usegmt=True)

    def advance(self, seconds: float) -> float:
        """Let time pass at once, and give the time it is then.

        Raises:
            ValueError: If the time would go back.
        """
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"advance is {seconds}: give seconds from 0 on")
        self._ahead += seconds
        return self.now()
