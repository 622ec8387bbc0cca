"""How far one call has come."""

from __future__ import annotations

import itertools
import math
from typing import Final, TypedDict

import attrs

from asyncchat._policy.options import CallOptions
from asyncchat._wire.request import Request
from asyncchat.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncChatError,
    DecodeError,
)

_numbers: Final = itertools.count(1)


class Facts(TypedDict):
    """What every event of a call tells."""

    method: str
    path: str
    attempt: int
    call: int


@attrs.define
class Call:
    """A call on its way.

    Args:
        request: What the caller asked for.
        options: What it may cost.
        started: When, in seconds of the monotonic clock.
        attempt: Requests sent so far.
        sent_at: When the last one was sent.
        failure: What the last one ended with.
        number: Its own, in this process.
    """

    request: Request
    options: CallOptions
    started: float
    attempt: int = 0
    sent_at: float = -math.inf
    failure: AsyncChatError | None = None
    number: int = attrs.field(factory=_numbers.__next__)

    def depart(self, now: float) -> None:
        """Note that a request goes out."""
        self.attempt += 1
        self.sent_at = now

    @property
    def facts(self) -> Facts:
        """What every event of it tells."""
        return Facts(method=self.request.method, path=self.request.path, attempt=self.attempt, call=self.number)

    def url(self, base_url: str | None) -> str | None:
        """The whole URL, without anything that authorises the request."""
        if base_url is None:
            return None
        return f"{base_url}{self.request.path}" + (f"?{self.request.query}" if self.request.params else "")

    def time_left(self, now: float) -> float | None:
        """Seconds until the deadline, None when there is none."""
        deadline = self.options.deadline
        return None if deadline is None else self.started + deadline - now

    def attempt_timeout(self, now: float) -> float | None:
        """Seconds that the next attempt may take, None when nothing but the call's deadline bounds it."""
        timeout, left = self.options.timeout, self.time_left(now)
        return timeout if timeout is None or left is None or timeout < left else None

    def patience(self, now: float) -> float:
        """Seconds that it can wait for the end of a pause."""
        left = self.time_left(now)
        longest = self.options.retry.max_retry_after + self.options.retry.backoff
        return longest if left is None else min(longest, left)

    def sign(self, error: AsyncChatError, now: float) -> None:
        """Put into an error what this call knows."""
        if isinstance(error, APIConnectionError | APIStatusError | DecodeError):
            error.method, error.path = self.request.method, self.request.path
            error.attempts, error.elapsed = self.attempt, now - self.started

    @staticmethod
    def turned_away(status: int, seconds: float) -> AsyncChatError:
        """The error when the server has asked for a longer pause than this call can wait."""
        return APIStatusError.for_status(status)(
            f"after an earlier {status} of the server this client sends nothing for {seconds:.0f} s more. "
            "Try again after that, or let the call wait (deadline=, RetryPolicy(max_retry_after=))",
            status=status,
            retry_after=seconds,
        )

    def closed(self) -> AsyncChatError:
        """The error when the client was closed meanwhile."""
        return APIConnectionError(
            "the client was closed while the call was under way: await what it does before closing it",
            sent=self.attempt > 0,
            retryable=False,
        )

    def out_of_time(self) -> AsyncChatError:
        """The error when its deadline has passed."""
        last = f"; the attempt before ended with: {self.failure.args[0]}" if self.failure else ""
        why = "the server is slow, or deadline= too short"
        if not self.attempt:
            why = "the call waited for its turn: make fewer at once, or give a longer deadline="
        return APITimeoutError(
            f"the deadline of {self.options.deadline:g} s has passed{last}: {why}", sent=self.attempt > 0
        )
