"""Response headers that decide something: Retry-After, RateLimit, Date, the request's id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import attrs

_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP_DATE: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (" + "|".join(_MONTHS) + r") ([0-9]{4}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_REMAINING: Final = ("ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining")
_RESET: Final = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset")
_LIMITS: Final = frozenset({"ratelimit", *_REMAINING})
_COUNT: Final = re.compile(r"[0-9]{1,12}")
_PARTS: Final = re.compile(r"(?:^|[;,\s])(r|remaining|t|reset)=([0-9]{1,12})(?=$|[;,\s])")
_SHORT: Final = {"r": "r", "remaining": "r", "t": "t", "reset": "t"}
_EPOCH: Final = 1_000_000_000
"""A reset from here on is a time, not a number of seconds."""
_ID_SHOWN: Final = 200
_REQUEST_IDS: Final = ("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray")
_IDS: Final = frozenset(_REQUEST_IDS)


def parse_http_date(text: str | None) -> float | None:
    """Read an HTTP date as seconds since the epoch; None when it is none.

    Source: RFC 9110, 5.6.7, the preferred form. The two obsolete forms count as absent.
    """
    match = _HTTP_DATE.fullmatch((text or "").strip())
    if match is None:
        return None
    day, month, year, hour, minute, second = match.groups()
    try:
        moment = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC
        )
    except ValueError:
        return None
    return moment.timestamp()


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the server asks to wait; None when it does not say so in one of the two forms.

    Args:
        headers: With lower-case names.
        now: Seconds since the epoch, for a date in an answer that has no Date of its own.

    Source: RFC 9110, 10.2.3: whole seconds or an HTTP date, nothing else. A date is held against the server's own
    clock where the answer has one, so that a skewed clock here changes nothing.
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    moment = parse_http_date(text)
    if moment is None:
        return None
    server_now = parse_http_date(headers.get("date"))
    return max(0.0, moment - (now if server_now is None else server_now))


@attrs.frozen
class Budget:
    """What a rate limit still allows.

    Args:
        remaining: Requests that may still come.
        seconds: Until there are more.
    """

    remaining: int
    seconds: float


def parse_budget(headers: Mapping[str, str], now: float) -> Budget | None:
    """What the RateLimit headers of an answer say; None when they do not say both.

    Args:
        headers: With lower-case names.
        now: Seconds since the epoch, for a reset that is a time in an answer that has no Date.

    Source: draft-ietf-httpapi-ratelimit-headers: RateLimit-Remaining and RateLimit-Reset in its versions up to 06, `r`
    and `t` of the field RateLimit since 07; and the same with X- before, where the reset may be a time since the epoch.
    """
    if _LIMITS.isdisjoint(headers):  # as in most answers
        return None
    found = _separate(headers) or _combined(headers.get("ratelimit"))
    if found is None:
        return None
    remaining, reset = found
    if reset < _EPOCH:
        return Budget(remaining, float(reset))
    server_now = parse_http_date(headers.get("date"))
    return Budget(remaining, max(0.0, reset - (now if server_now is None else server_now)))


def _separate(headers: Mapping[str, str]) -> tuple[int, int] | None:
    for remaining, reset in zip(_REMAINING, _RESET, strict=True):
        if remaining not in headers:
            continue
        left, until = headers[remaining].strip(), headers.get(reset, "").strip()
        if _COUNT.fullmatch(left) and _COUNT.fullmatch(until):
            return int(left), int(until)
    return None


def _combined(text: str | None) -> tuple[int, int] | None:
    """Of several limits the tightest; since version 07 a comma parts limits, before it parted the values of one."""
    if text is None:
        return None
    found = []
    for limit in text.split(",") if ";" in text else [text]:
        parts = {_SHORT[name]: int(value) for name, value in _PARTS.findall(limit)}
        if {"r", "t"} <= parts.keys():
            found.append((parts["r"], parts["t"]))
    return min(found, default=None)


def request_id(headers: Mapping[str, str]) -> str | None:
    """What the server calls this request, under whichever of the usual names; what is too long to be one is none."""
    if _IDS.isdisjoint(headers):
        return None
    found = (headers.get(name, "") for name in _REQUEST_IDS)
    return next((text for text in found if 0 < len(text) <= _ID_SHOWN), None)
