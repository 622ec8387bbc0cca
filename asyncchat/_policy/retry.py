"""When a call is tried again, and after how long. Nothing here waits: time comes in, seconds go out."""

from __future__ import annotations

from typing import Final

import attrs

from asyncchat.errors import APIConnectionError, APIStatusError, AsyncChatError, ConfigurationError, DecodeError

THROTTLED: Final = frozenset({429, 503})
"""Statuses that ask the whole client to slow down."""

_RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525)})
_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_UNREADABLE_TRIES: Final = 2
_BEYOND: Final = 3
"""Times as many requests for a call that is turned away while retries help."""


def _positive(_policy: object, field: attrs.Attribute[float], value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ConfigurationError(f"RetryPolicy: {field.name} takes seconds from 0, not {value!r}")


def _check_attempts(_policy: object, field: attrs.Attribute[int], value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"RetryPolicy: {field.name} takes a whole number from 1 (no retry), not {value!r}")


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How a call is tried again. A value: `attrs.evolve` makes another.

    Args:
        attempts: Requests for one call at most, the first included; 1: no retry.
        throttled_attempts: The same for a call that is answered 429 or 503 while retries of the client's other calls
            succeed: a server that turns away a share of all requests takes each of them in the end, and three in ten
            turned away would fail one call in a hundred at the fourth. None: three times `attempts`, and 1 where that
            is 1. `attempts` or less: no more than that.
        backoff: Seconds that the first wait is drawn up to; each further wait may be twice as long. 0: no wait.
        max_backoff: Seconds that a wait is drawn up to at most. 0: no wait.
        max_retry_after: Seconds of Retry-After that are waited for; a server that asks for more gets no retry, and the
            caller the error at once, with `.retry_after`. 0: none is waited for.
        patience: Seconds for which an outage is waited out. While nothing succeeds, the client then sends one request
            after 5, 10, 20, 40 and every 60 seconds to see, whatever `attempts` says. 0: an outage is the caller's.

    A wait is drawn evenly between 0 and the bound (full jitter). After a Retry-After it is that time, and up to
    `backoff` more, so that clients that were turned away together do not come back together.
    """

    attempts: int = attrs.field(default=4, validator=_check_attempts)
    throttled_attempts: int | None = attrs.field(default=None, validator=attrs.validators.optional(_check_attempts))
    backoff: float = attrs.field(default=0.5, validator=_positive)
    max_backoff: float = attrs.field(default=20.0, validator=_positive)
    max_retry_after: float = attrs.field(default=120.0, validator=_positive)
    patience: float = attrs.field(default=0.0, validator=_positive)

    def most(self, error: AsyncChatError, *, helping: bool) -> int:
        """Requests for a call at most, when one has ended with this error.

        Args:
            error: It.
            helping: Whether retries of other calls have succeeded just now.
        """
        if not helping or self.attempts == 1 or getattr(error, "status", 0) not in THROTTLED:
            return self.attempts
        beyond = self.throttled_attempts
        return max(self.attempts, self.attempts * _BEYOND if beyond is None else beyond)

    def decide(
        self, attempt: int, error: AsyncChatError, *, method: str, jitter: float, helping: bool = False
    ) -> float | None:
        """Seconds to wait before the next attempt, None to give up.

        Args:
            attempt: How many requests have been sent for this call.
            error: What the last one ended with.
            method: The HTTP method.
            jitter: A random number from 0 up to 1.
            helping: Whether retries of other calls have succeeded just now.
        """
        if attempt >= self.most(error, helping=helping) or not worth_retrying(attempt, error, method):
            return None
        asked = getattr(error, "retry_after", None)
        if asked is None:
            return float(jitter * min(self.max_backoff, self.backoff * 2.0 ** min(attempt - 1, 60)))
        return None if asked > self.max_retry_after else float(asked + jitter * self.backoff)


def worth_retrying(attempt: int, error: AsyncChatError, method: str) -> bool:
    """Whether the same request may end better and does no harm when the server has already seen it."""
    if isinstance(error, APIConnectionError):
        return error.retryable and (not error.sent or method in _REPEATABLE)
    if isinstance(error, APIStatusError):
        return error.status in THROTTLED or (error.status in _RETRIED and method in _REPEATABLE)
    if isinstance(error, DecodeError):
        return error.retryable and attempt < _UNREADABLE_TRIES and method in _REPEATABLE
    return False


def make_policy(retry: RetryPolicy | int) -> RetryPolicy:
    """The policy that `retry` names: a policy, or the number of retries after the first attempt (0: none).

    Raises:
        ConfigurationError: It is neither.
    """
    if isinstance(retry, RetryPolicy):
        return retry
    if isinstance(retry, bool) or not isinstance(retry, int) or retry < 0:
        raise ConfigurationError(f"retry takes a RetryPolicy or a number of retries from 0, not {retry!r}")
    return RetryPolicy(attempts=retry + 1)
