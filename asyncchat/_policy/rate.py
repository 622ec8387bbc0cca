"""How many requests a second a server takes, learned from those that it turns away. Time comes in, rates go out."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import attrs

from asyncchat._policy.limits import NEVER

_RETREAT: Final = 0.1
_PLATEAU: Final = 8.0
_GROWTH: Final = _RETREAT / _PLATEAU**3
_SHORT: Final = 3.0
"""Seconds in which a server hardly saves up what was not used."""
_TRUSTED: Final = 0.95
_LOWEST: Final = 0.5
_FEW: Final = 2
_MISSES: Final = 3
_REMEMBERED: Final = 32


@attrs.frozen
class Taken:
    """So many requests were taken in so many seconds, up to the first one that was turned away.

    Args:
        count: How many.
        seconds: In which time.
        paused: In how much of it none was sent.
    """

    count: int
    seconds: float
    paused: float = 0.0

    @property
    def tells(self) -> bool:
        """Whether it is enough to go by."""
        return self.count >= _FEW and self.seconds > 0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.count / self.seconds

    @property
    def is_little(self) -> bool:
        """Whether more would have been taken: the client was silent for most of the time."""
        return self.paused > self.seconds / 2


@attrs.define
class Meter:
    """Counts what a server takes.

    Args:
        since: When it turned a request away last; None: never.
        count: Requests taken since then.
        paused: Seconds of that time in which none was sent.
        recent: When the last ones were taken.
    """

    since: float | None = None
    count: int = 0
    paused: float = 0.0
    recent: deque[float] = attrs.field(factory=lambda: deque(maxlen=_REMEMBERED))

    def take(self, now: float) -> None:
        """One was taken."""
        self.count += 1
        self.recent.append(now)

    def refused(self, now: float) -> Taken:
        """One was turned away: what was taken since the last time, or just now if there was none.

        What is too little to tell anything is counted on.
        """
        taken = Taken(self.count, now - self.since, self.paused) if self.since is not None else self._burst(now)
        if self.since is None or taken.tells:
            self.since, self.count, self.paused = now, 0, 0.0
        return taken

    def _burst(self, now: float) -> Taken:
        recent = [at for at in self.recent if now - at <= _SHORT]
        return Taken(len(recent), now - recent[0]) if recent else Taken(0, 0.0)


@attrs.frozen
class Rate:
    """Requests a second: no bound until the server turns one away with a 429, then its limit, as far as it shows.

    The first 429 halves the speed. The next one tells a rate that the server surely takes: what it took since the one
    before. From there the rate doubles each second until it is too much. Each further 429 tells the limit: what was
    taken since the one before, when the server had nothing saved up; and if the client was silent for most of that
    time, the middle between that and its speed. One right after another, with nothing taken between them, tells that a
    pause was too short; only the third in a row halves the speed.

    From a limit the rate goes as TCP CUBIC does (RFC 9438): a tenth below it, up to it within 8 seconds, level there,
    then slowly and faster and faster beyond it.

    Args:
        most: A bound that is never passed; None: none.
        limit: What the server was last seen to take; None: nothing was learned.
        since: When it begins to grow.
        settled: Whether the limit was measured.
        rising: Whether the limit is far above what was measured, as it seems.
        misses: How many 429 came since anything was taken.
    """

    most: float | None = None
    limit: float | None = None
    since: float = NEVER
    settled: bool = False
    rising: bool = False
    misses: int = 0

    def at(self, now: float) -> float | None:
        """Requests a second at most, None for no bound."""
        if self.limit is None:
            return self.most
        learned = self._learned(self.limit, now)
        return learned if self.most is None else min(learned, self.most)

    def _learned(self, limit: float, now: float) -> float:
        age = max(0.0, now - self.since)
        return limit * (2.0 ** min(age, 60.0) if self.rising else 1.0 + _GROWTH * (age - _PLATEAU) ** 3)

    def resumed(self, now: float) -> Rate:
        """The same, growing only from then on: nothing is learned in a pause."""
        return self if self.limit is None else attrs.evolve(self, since=max(self.since, now))

    def refused(self, now: float, taken: Taken) -> Rate:
        """After a 429.

        Args:
            now: The time.
            taken: What the server took since the last one.
        """
        speed = self.at(now)
        if not taken.tells:
            return self._missed(now, speed)
        if speed is None and not self.misses:
            return self._with(now, taken.rate / 2, settled=False)
        if speed is None or not self.settled:
            return attrs.evolve(self._with(now, taken.rate, settled=True), rising=True)
        seen = min(speed, taken.rate)
        if self.rising or taken.is_little:
            return self._with(now, math.sqrt(seen * speed), settled=True)
        return self._with(now, seen if taken.seconds < _SHORT else max(seen, speed * _TRUSTED), settled=True)

    def _missed(self, now: float, speed: float | None) -> Rate:
        if speed is None or self.misses + 1 < _MISSES:
            return attrs.evolve(self, misses=self.misses + 1)
        return attrs.evolve(self._with(now, speed / 2, settled=self.settled), rising=True)

    def _with(self, now: float, limit: float, *, settled: bool) -> Rate:
        return attrs.evolve(self, limit=max(limit, _LOWEST), since=now, settled=settled, rising=False, misses=0)
