"""How fast a client goes: pauses that a server asks for, and a rate. Time comes in, seconds go out."""

from __future__ import annotations

import attrs


@attrs.frozen
class Pause:
    """Until when the whole client sends nothing, in seconds of the monotonic clock."""

    until: float = float("-inf")

    def extended(self, now: float, seconds: float) -> Pause:
        """The pause after the server asked for so many seconds; it never gets shorter."""
        return Pause(max(self.until, now + seconds))

    def wait(self, now: float) -> float:
        """Seconds until requests may go out again."""
        return max(0.0, self.until - now)


@attrs.frozen
class Pace:
    """An even spacing of requests.

    Args:
        rate: Requests a second at most; None for no bound.
        next_at: When the next request may go out, in seconds of the monotonic clock.
    """

    rate: float | None = None
    next_at: float = float("-inf")

    def book(self, now: float) -> tuple[Pace, float]:
        """Book the next place: the pace after it, and the seconds to wait for it."""
        if self.rate is None:
            return self, 0.0
        start = max(self.next_at, now)
        return attrs.evolve(self, next_at=start + 1.0 / self.rate), start - now


@attrs.frozen
class Concurrency:
    """How many requests may be in flight: fewer each time the server asks for patience, slowly more while it does not.

    Args:
        most: The bound that is never passed.
        level: The bound now; its whole part counts.
    """

    most: int
    level: float

    @property
    def slots(self) -> int:
        """Requests in flight at most."""
        return max(1, int(self.level))

    def slower(self) -> Concurrency:
        """After a 429 or 503: 0.7 times as many."""
        return attrs.evolve(self, level=max(1.0, self.level * 0.7))

    def faster(self) -> Concurrency:
        """After a success: one more for each round of requests that went well."""
        return attrs.evolve(self, level=min(float(self.most), self.level + 1.0 / self.level))
