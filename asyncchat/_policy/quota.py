"""What retries are paid from, and how an outage is waited out."""

from __future__ import annotations

from typing import Final

import attrs

from asyncchat._policy.retry import THROTTLED
from asyncchat.errors import AsyncChatError

_RETRY: Final = 10.0
_THROTTLED_RETRY: Final = 5.0
_REFUND: Final = 5.0
_MOST_CREDIT: Final = 10
_PROBES: Final = (5.0, 10.0, 20.0, 40.0, 60.0)


@attrs.frozen
class RetryQuota:
    """A bucket that retries are paid from, so that an outage is not answered with a multiple of the load.

    A retry costs 10, or 5 after a 429 or 503. A success brings 5 back. So in an outage the bucket pays ten retries and
    then none, while a server that turns away half of all requests is still worth them.
    """

    level: float = 100.0
    size: float = 100.0

    def spend(self, error: AsyncChatError, *, paid: bool = False) -> RetryQuota | None:
        """The bucket after one retry, None when it cannot pay it.

        Args:
            error: What is retried.
            paid: Whether a 429 or 503 costs nothing as long as there is anything left.
        """
        throttled = getattr(error, "status", 0) in THROTTLED
        left = self.level - (_THROTTLED_RETRY if throttled else _RETRY)
        if left < 0:
            return None
        return self if throttled and paid else attrs.evolve(self, level=left)

    def refund(self) -> RetryQuota:
        """The bucket after a success."""
        return self if self.level >= self.size else attrs.evolve(self, level=min(self.size, self.level + _REFUND))


@attrs.frozen
class Credit:
    """Requests beyond a call's number of attempts, earned by retries that have succeeded.

    Each call that is taken after it was turned away earns one, up to ten. So a server that turns away a share of all
    requests gets them, and one that has only just begun to turn all away gets ten at most.
    """

    left: int = 0

    def earn(self) -> Credit:
        """The credit after a retry that has succeeded."""
        return Credit(min(_MOST_CREDIT, self.left + 1))

    def spend(self) -> Credit:
        """The credit after a request beyond the number of attempts."""
        return Credit(max(0, self.left - 1))


@attrs.frozen
class Outage:
    """A time in which nothing succeeds and no retry can be paid: one request goes out now and then, to see.

    Args:
        since: When it began, in seconds of the monotonic clock.
        probes: Requests that have gone out to see.
        next_at: When the next one may.
    """

    since: float
    probes: int = 0
    next_at: float = attrs.field(default=attrs.Factory(lambda self: self.since + _PROBES[0], takes_self=True))

    def wait(self, now: float) -> float:
        """Seconds until the next probe: 5 after the beginning, then 10, 20, 40, 60, 60 apart."""
        return max(0.0, self.next_at - now)

    def probed(self, now: float) -> Outage:
        """The outage once a probe has gone out."""
        number = self.probes + 1
        return attrs.evolve(self, probes=number, next_at=now + _PROBES[min(number, len(_PROBES) - 1)])
