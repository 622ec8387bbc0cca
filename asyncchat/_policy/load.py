"""What all calls of a client share: the load that its server takes, as far as it is known."""

from __future__ import annotations

from typing import Final

import attrs

from asyncchat._policy.limits import NEVER, Concurrency, Pause
from asyncchat._policy.quota import Credit, Outage, RetryQuota
from asyncchat._policy.rate import Meter, Rate
from asyncchat._wire.headers import Budget
from asyncchat.errors import APIStatusError, AsyncChatError

_TOO_MANY: Final = 429
_LONGEST: Final = 3_600.0
"""Seconds of a Retry-After that are kept to; a server that asks for more is tried again after them."""
_LONGEST_BUDGET: Final = 120.0
_BREATH: Final = 1.0
_LONGEST_BREATH: Final = 10.0
_LATE: Final = 0.01
"""Seconds by which a sleep may be late without slowing the rate."""
_MANY: Final = 8
_STALE: Final = 120.0


@attrs.define
class Load:
    """The state that answers change. It is told the time, in seconds of the monotonic clock, and never waits.

    Args:
        concurrency: How many requests may be in flight.
        rate: How many a second.
        pause: Until when none is sent.
        quota: What retries are paid from.
        credit: What requests beyond a call's number of attempts are paid from.
        outage: What is known while nothing succeeds; None: no outage.
        slowed_at: When the client last slowed down.
        alive_at: When the server answered last, if only with the caller's own mistake.
        failures: Requests that have failed since, and might have succeeded.
        paid_at: When a retry was paid last for requests that were turned away together.
        next_at: When the next request may go out at that rate.
        meter: Counts what the server takes.
    """

    concurrency: Concurrency
    rate: Rate
    pause: Pause = attrs.field(factory=Pause)
    quota: RetryQuota = attrs.field(factory=RetryQuota)
    credit: Credit = attrs.field(factory=Credit)
    outage: Outage | None = None
    slowed_at: float = NEVER
    alive_at: float = NEVER
    failures: int = 0
    paid_at: float = NEVER
    next_at: float = NEVER
    meter: Meter = attrs.field(factory=Meter)

    @property
    def limits(self) -> tuple[int, float | None]:
        """Requests in flight at most, and those a second that the server was last seen to take."""
        return self.concurrency.slots, self.rate.limit

    def is_free(self, now: float) -> bool:
        """Whether a request may go out at once: there is no pause, no outage, and no rate to keep to."""
        return self.outage is None and self.pause.until <= now and self.rate.at(now) is None

    def held(self, now: float, *, patient: bool) -> float:
        """Seconds for which nothing may be sent: a pause, and for patient calls the time until the next probe."""
        pause = self.pause.wait(now)
        return max(pause, self.outage.wait(now)) if patient and self.outage is not None else pause

    def place(self, now: float) -> float:
        """Seconds until the rate allows the next request."""
        return 0.0 if self.rate.at(now) is None else max(0.0, self.next_at - now)

    def depart(self, now: float) -> None:
        """A request goes out: the next one at the rate goes after it, and in an outage the next probe."""
        rate = self.rate.at(now)
        if rate is not None:
            due = self.next_at if now - self.next_at <= _LATE else now
            self.next_at = due + 1.0 / rate
        if self.outage is not None and not self.outage.wait(now):
            self.outage = self.outage.probed(now)

    def succeeded(self, now: float, elapsed: float, *, busy: bool, again: bool = False) -> None:
        """A request was answered with what was asked for.

        Args:
            now: The time.
            elapsed: Seconds that the answer took.
            busy: Whether every slot was taken.
            again: Whether the same one had been turned away before.
        """
        self.answered(now)
        self.quota = self.quota.refund()
        if again:
            self.credit = self.credit.earn()
        if busy:
            self.concurrency = self.concurrency.faster(now, elapsed)

    def answered(self, now: float) -> None:
        """A request was answered, if only with the caller's own mistake: the server is there, and has taken it."""
        self.outage = None
        self.alive_at = now
        self.failures = 0
        self.meter.take(now)

    def budget(self, now: float, budget: Budget, *, in_flight: int) -> float:
        """An answer told how many requests may still come: the seconds of the pause that begins, 0.0 for none.

        Args:
            now: The time.
            budget: What was told.
            in_flight: Requests that are on their way, and will be counted too.
        """
        if budget.remaining > in_flight or not 0 < budget.seconds <= _LONGEST_BUDGET:
            return 0.0
        return self._pause(now, budget.seconds, _TOO_MANY)

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
        return max(delay, min(delay * 2.0**self.rate.misses, _LONGEST_BREATH)) if too_many else delay

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

    @property
    def helping(self) -> bool:
        """Whether retries have succeeded just now."""
        return self.credit.left > 0

    def pay(self, now: float, error: AsyncChatError, *, sent_at: float, beyond: bool = False) -> bool:
        """Pay one retry; False when nothing is left for it.

        Of requests that were on their way together when the server turned one away, that one pays. None does where the
        server says how long to wait and has answered others since: waiting is all that it wants.

        Args:
            now: The time.
            error: What is retried.
            sent_at: When the request that ended so was sent.
            beyond: Whether the call has had its number of attempts.
        """
        asked = getattr(error, "retry_after", None) is not None
        paid = sent_at < self.paid_at or (asked and self.alive_at >= self.paid_at)
        quota = self.quota.spend(error, paid=paid)
        if quota is None:
            return False
        self.quota = quota
        if beyond:
            self.credit = self.credit.spend()
        if sent_at >= self.paid_at:
            self.paid_at = now
        return True

    @property
    def is_down(self) -> bool:
        """Whether many requests in a row have failed, and none was answered."""
        return self.outage is not None or self.failures >= _MANY

    def wait_out(self, now: float, patience: float) -> bool:
        """Nothing is left for retries: whether the outage is still waited out."""
        if self.outage is None or now > self.outage.next_at + _STALE:  # nobody has looked since
            self.outage = Outage(now)
        return now - self.outage.since < patience
