"""How much a client sends: pauses that a server asks for, and how many requests in flight. Time comes in."""

from __future__ import annotations

import math
from typing import Final

import attrs

NEVER: Final = -math.inf
"""A time before every other one."""

_START: Final = 8
_LESS: Final = 0.7
_EAGER: Final = 0.25
_BREATH: Final = 1.0
"""Seconds in which a slow-down shows whether it was enough."""
_SLOW: Final = 2.0
_SLACK: Final = 0.05
_MEMORY: Final = 60.0


@attrs.frozen
class Pause:
    """Until when the whole client sends nothing.

    Args:
        until: When it ends, in seconds of the monotonic clock.
        status: The status of the answer that asked for it.
    """

    until: float = NEVER
    status: int = 0

    def extended(self, now: float, seconds: float, status: int = 0) -> Pause:
        """The pause after the server asked for so many seconds; it never gets shorter."""
        return max(self, Pause(now + seconds, status), key=lambda pause: pause.until)

    def wait(self, now: float) -> float:
        """Seconds until requests may go out again."""
        return max(0.0, self.until - now)


@attrs.frozen
class Concurrency:
    """How many requests may be in flight: more while answers stay fast, fewer when the server asks for patience.

    Until the first slow-down, every fourth fast answer allows one request more; afterwards each second does, so that a
    server that turns away a steady share of requests is not driven to one at a time, nor over its limit.

    Args:
        most: The bound that is never passed.
        level: The bound now; its whole part counts.
        slowed_at: When it was lowered last.
        grown_at: When it was raised last.
        usual: Seconds that an answer took on average over about the last minute; 0.0: none was seen.
        seen_at: When the last one was seen.
    """

    most: int
    level: float = attrs.field(default=attrs.Factory(lambda self: float(min(self.most, _START)), takes_self=True))
    slowed_at: float = NEVER
    grown_at: float = NEVER
    usual: float = 0.0
    seen_at: float = NEVER

    @property
    def slots(self) -> int:
        """Requests in flight at most."""
        return max(1, int(self.level))

    def slower(self, now: float) -> Concurrency:
        """After a 429, a 503 or a timeout: 0.7 times as many, once a second."""
        if now - self.slowed_at < _BREATH:
            return self
        return attrs.evolve(self, level=max(1.0, self.level * _LESS), slowed_at=now)

    def faster(self, now: float, elapsed: float) -> Concurrency:
        """After an answer that came while every slot was taken.

        Args:
            now: The time.
            elapsed: Seconds that the answer took; a slow one raises nothing.
        """
        if self.level >= self.most:
            return self
        seen = attrs.evolve(self, usual=self._usual(now, elapsed), seen_at=now)
        if elapsed > seen.usual * _SLOW + _SLACK:
            return seen
        more = _EAGER
        if self.slowed_at > NEVER:
            more = min(1.0 / self.level, now - max(self.slowed_at, self.grown_at))
        return attrs.evolve(seen, level=min(float(self.most), self.level + max(0.0, more)), grown_at=now)

    def _usual(self, now: float, elapsed: float) -> float:
        weight = min(1.0, (now - self.seen_at) / _MEMORY)
        return self.usual + (elapsed - self.usual) * weight
