"""What all calls of a client share: the load that its server takes, as far as it is known."""

from __future__ import annotations

from typing import Final

import attrs

from asyncchat._policy.limits import NEVER, Concurrency, Pause
from asyncchat._policy.quota import Outage, RetryQuota
from asyncchat._policy.rate import Meter, Rate
from asyncchat._wire.headers import Budget
from asyncchat.errors import APIStatusError, AsyncChatError

_TOO_MANY: Final = 429
_LONGEST: Final = 3_600.0
"""Seconds of a Retry-After that are kept to; a server that asks for more is tried again after them."""
_LONGEST_BUDGET: Final = 120.0
_BREATH: Final = 1.0


@attrs.define
class Load:
    """The state that answers change. It is told the time, in seconds of the monotonic clock, and never waits.

    Args:
        concurrency: How many requests may be in flight.
        rate: How many a second.
        pause: Until when none is sent.
        quota: What retries are paid from.
        outage: What is known while nothing succeeds; None: no outage.
        slowed_at: When the client last slowed down.
        alive_at: When the server answered last, if only with the caller's own mistake.
        paid_at: When a retry was paid last for requests that were turned away together.
        next_at: When the next request may go out at that rate.
        meter: Counts what the server takes.
    """

    concurrency: Concurrency
    rate: Rate
    pause: Pause = attrs.field(factory=Pause)
    quota: RetryQuota = attrs.field(factory=RetryQuota)
    outage: Outage | None = None
    slowed_at: float = NEVER
    alive_at: float = NEVER
    paid_at: float = NEVER
    next_at: float = NEVER
    meter: Meter = attrs.field(factory=Meter)

    @property
    def limits(self) -> tuple[int, float | None]:
        """Requests in flight at most, and those a second that the server was last seen to take."""
        return self.concurrency.slots, self.rate.limit

    def book(self, now: float) -> float:
        """Take the next place at the rate: the seconds until then. It counts while `rate` is the same."""
        rate = self.rate.at(now)
        if rate is None:
            return 0.0
        start = max(self.next_at, now)
        self.next_at = start + 1.0 / rate
        return start - now

    def succeeded(self, now: float, elapsed: float, *, busy: bool) -> None:
        """A request was answered with what was asked for.

        Args:
            now: The time.
            elapsed: Seconds that the answer took.
            busy: Whether every slot was taken.
        """
        self.answered(now)
        self.quota = self.quota.refund()
        if busy:
            self.concurrency = self.concurrency.faster(now, elapsed)

    def answered(self, now: float) -> None:
        """A request was answered, if only with the caller's own mistake: the server is there, and has taken it."""
        self.outage = None
        self.alive_at = now
        self.meter.take(now)

    def budget(self, now: float, budget: Budget, *, in_flight: int, status: int) -> float:
        """An answer told how many requests may still come: the seconds of the pause that begins, 0.0 for none.

        Args:
            now: The time.
            budget: What was told.
            in_flight: Requests that are on their way, and will be counted too.
            status: Of the answer.
        """
        if budget.remaining > in_flight or not 0 < budget.seconds <= _LONGEST_BUDGET:
            return 0.0
        return self._pause(now, budget.seconds, status)

    def throttled(self, now: float, error: APIStatusError, *, sent_at: float, delay: float) -> float:
        """A 429 or 503 came: the seconds of the pause that begins, 0.0 for none.

        Args:
            now: The time.
            error: The answer; its Retry-After is kept to, up to an hour.
            sent_at: When its request was sent: of many that were in flight together, the first one counts.
            delay: Seconds that the call itself waits.
        """
        too_many = error.status == _TOO_MANY
        news = sent_at >= self.slowed_at and (too_many or now - self.slowed_at >= _BREATH)
        if news:
            self.slowed_at = now
            if not (too_many and self.rate.settled):
                self.concurrency = self.concurrency.slower(now)
            if too_many:
                self.rate = self.rate.refused(now, self.meter.refused(now))
                self.next_at = now
        if error.retry_after is not None:
            return self._pause(now, min(max(delay, error.retry_after), _LONGEST), error.status)
        return self._pause(now, self._breath(now, delay, too_many=too_many) if news else 0.0, error.status)

    def _breath(self, now: float, delay: float, *, too_many: bool) -> float:
        """Seconds to pause for when the server does not say how many.

        One place at a rate that is known; the call's own wait where it is not, and longer when that was too short.
        """
        rate = self.rate.at(now)
        if too_many and rate and self.rate.settled and not self.rate.misses:
            return 1.0 / rate
        return delay * 2.0 ** min(self.rate.misses, 5) if too_many else delay

    def _pause(self, now: float, seconds: float, status: int) -> float:
        longer = self.pause.extended(now, seconds, status)
        if longer.until <= max(self.pause.until, now):
            return 0.0
        self.rate = self.rate.resumed(longer.until)
        self.meter.paused += longer.until - max(self.pause.until, now)
        self.pause = longer
        return seconds

    def timed_out(self, now: float, *, sent_at: float) -> None:
        """No answer came in time."""
        if sent_at >= self.slowed_at:
            self.slowed_at = now
            self.concurrency = self.concurrency.slower(now)

    def pay(self, now: float, error: AsyncChatError, *, sent_at: float) -> bool:
        """Pay one retry; False when nothing is left for it."""
        paid = sent_at < self.paid_at
        quota = self.quota.spend(error, paid=paid)
        if quota is None:
            return False
        self.quota = quota
        if not paid:
            self.paid_at = now
        return True

    def is_down(self, since: float) -> bool:
        """Whether nothing has been answered since then."""
        return self.outage is not None or self.alive_at < since

    def wait_out(self, now: float, patience: float) -> bool:
        """Nothing is left for retries: whether the outage is still waited out."""
        if self.outage is None:
            self.outage = Outage(now)
        return now - self.outage.since < patience

    def probe(self, now: float) -> float:
        """In an outage: seconds until one request may go out to see, 0.0 when this one may. 0.0 without an outage."""
        if self.outage is None:
            return 0.0
        wait = self.outage.wait(now)
        if wait <= 0:
            self.outage = self.outage.probed(now)
        return wait
