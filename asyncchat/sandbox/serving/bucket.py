"""The bucket: a rate limit as a value, and the headers that tell of it."""

from __future__ import annotations

import math
from email.utils import formatdate, parsedate_to_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncchat.sandbox.behaviour import RetryAfter

_WRITTEN: Final[Mapping[RetryAfter, str]] = MappingProxyType(
    {
        "nan": "nan",
        "inf": "inf",
        "negative": "-1",
        "hex": "0x10",
        "arabic": "\u0661\u0660",
        "list": "5, 10",
        "exponent": "1e309",
        "underscore": "1_000",
        "past": "Wed, 21 Oct 2015 07:28:00 GMT",
        "year-99999": "Fri, 31 Dec 99999 23:59:59 GMT",
    }
)


@frozen
class Grant:
    """What a bucket says to one request.

    Attributes:
        allowed: Whether it may pass.
        limit: Requests that a full bucket lets through at once.
        remaining: Requests that may come right now.
        reset: Seconds until the bucket is full.
        wait: Seconds until the next request may come.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: float
    wait: float

    @property
    def headers(self) -> dict[str, str]:
        """RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset (draft-ietf-httpapi-ratelimit-headers-03)."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(math.ceil(self.reset)),
        }


@frozen
class Bucket:
    """Tokens: each request takes one, and they come back at a rate.

    Attributes:
        missing: Tokens that the bucket lacked at that time.
        at: The time, in seconds.
    """

    missing: float = 0.0
    at: float = 0.0

    def take(self, now: float, rate: float, burst: int) -> tuple[Bucket, Grant]:
        """Take a token if there is one.

        Args:
            now: The time, in seconds; never before `at`.
            rate: Tokens a second that come back.
            burst: Tokens in a full bucket.

        Returns:
            The bucket afterwards, and what it says.
        """
        missing = min(max(0.0, self.missing - (now - self.at) * rate), float(burst))
        allowed = missing + 1 <= burst
        missing += allowed
        wait = max(0.0, missing + 1 - burst) / rate
        grant = Grant(allowed, burst, max(0, math.floor(burst - missing)), missing / rate, wait)
        return Bucket(missing, now), grant


def write_retry_after(form: RetryAfter, wait: float, now: float) -> str:
    """The header's value; empty: there is to be none.

    Args:
        form: How it is written.
        wait: Seconds to wait, at the least; rounded up, and never 0.
        now: Seconds since the epoch.
    """
    seconds = max(1, math.ceil(wait))
    if form == "seconds":
        return str(seconds)
    if form == "date":
        return formatdate(math.ceil(now) + seconds, usegmt=True)
    return _WRITTEN.get(form, "")


def read_retry_after(text: str, now: float) -> float:
    """The epoch second before which nobody should ask again; 0: the header does not say.

    Args:
        text: Whole seconds or an HTTP date; anything else says nothing.
        now: Seconds since the epoch.
    """
    if text.isascii() and text.isdecimal():
        return now + int(text[:9])
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
