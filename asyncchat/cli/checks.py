"""What the doctor makes of what it saw. Nothing here looks at anything: facts come in, checks go out."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import attrs
import click

from asyncchat import (
    APIStatusError,
    AsyncChatError,
    AuthenticationError,
    DecodeError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from asyncchat.cli.render import safe
from asyncchat.cli.wording import in_flags

Status: TypeAlias = Literal["ok", "warning", "failed", "skipped", "unknown"]

SKEW_WARNED: Final = 2.0
SKEW_FAILED: Final = 60.0
SLOW: Final = 1.0
"""Seconds for an answer from which exports get tedious."""
EXPIRY_WARNED: Final = 14
"""Days before its end from which a certificate is warned about."""
_DAY: Final = 86_400.0
_WIDTH: Final = 80
_INDENT: Final = " " * 25
_COLOURS: Final = {"ok": "green", "warning": "yellow", "failed": "red"}
_LIMITS: Final = re.compile(r"(x-)?rate-?limit\b.*")


@attrs.frozen
class Check:
    """One line of the doctor's table.

    Attributes:
        name: What was looked at.
        status: "ok", "warning", "failed", "skipped", or "unknown" where nothing could be told.
        found: What was found.
        change: What to change; empty: nothing.
    """

    name: str
    status: Status
    found: str
    change: str = ""


def judge_error(error: AsyncChatError, auth: str) -> Check:
    """What it means that the API was not reached, or refused.

    Args:
        error: How the first call ended.
        auth: Where the token went.
    """
    told = in_flags(str(error))
    if isinstance(error, APIStatusError):
        told = told.partition(". ")[0]  # what comes after it is advice, and given here
    if isinstance(error, AuthenticationError):
        return Check("API", "failed", told, f"give the right token, or another --auth than {auth}")
    if isinstance(error, PermissionDeniedError):
        return Check("API", "failed", told, "the token is known but may not read: ask the platform for access")
    if isinstance(error, NotFoundError):
        return Check("API", "failed", told, "give --base-url with the API's prefix, as in https://host/v1")
    if isinstance(error, RateLimitError):
        return Check("API", "failed", told, "wait, then go on with a lower --max-rate")
    if isinstance(error, DecodeError):
        told = told.partition(": check")[0]
        return Check("API", "failed", told, "give the --base-url of the API, not of a web page or a proxy")
    return Check("API", "failed", told, "see that the server is up, and that nothing stands in between")


def clock_skew(sent: float, received: float, date: float) -> float:
    """Seconds that the server's clock is ahead of this machine's, at least; negative: behind; 0: they may agree.

    The header is cut to whole seconds and was written at some moment between sending and receiving, so that only what
    both cannot explain counts.

    Args:
        sent: When the request went out, in seconds since the epoch as this machine has them.
        received: When the answer was there.
        date: What its Date header says.
    """
    least, most = date - received, date + 1.0 - sent
    return max(least, 0.0) + min(most, 0.0)


def judge_clock(skew: float | None) -> Check:
    """Whether this machine's clock is right."""
    if skew is None:
        return Check("clock", "unknown", "cannot tell: answers have no Date header")
    if abs(skew) < SKEW_WARNED:
        return Check("clock", "ok", f"agrees with the server's to {SKEW_WARNED:g} s")
    side = "behind" if skew > 0 else "ahead of"
    found = f"this machine is {abs(skew):,.0f} s {side} the server: times made here as since and until are off"
    change = "let the system set its clock (NTP), or tell the platform that theirs is wrong"
    return Check("clock", "failed" if abs(skew) >= SKEW_FAILED else "warning", found, change)


def judge_round_trip(seconds: float) -> Check:
    """Whether the server answers soon."""
    found = f"{seconds * 1000:,.1f} ms for one row"
    if seconds < SLOW:
        return Check("round trip", "ok", found)
    return Check("round trip", "warning", found, "expect slow exports; a higher --max-concurrency hides some of it")


def judge_limits(headers: Mapping[str, str]) -> Check:
    """What the server announces of rate limits."""
    told = [f"{name}: {value[:40]}" for name, value in headers.items() if _LIMITS.fullmatch(name)]
    return Check("rate limits", "ok", ", ".join(told[:5]) or "none announced")


def judge_tls(version: str, expires: float, now: float) -> Check:
    """What secures the connection, and for how long.

    Args:
        version: Of TLS.
        expires: When the certificate ends, in seconds since the epoch.
        now: Seconds since the epoch.
    """
    days = int((expires - now) // _DAY)
    found = f"{version}, the certificate ends in {days} days"
    if days >= EXPIRY_WARNED:
        return Check("TLS", "ok", found)
    return Check("TLS", "warning", found, "tell the platform to renew it")


def is_fine(checks: Iterable[Check]) -> bool:
    """Whether nothing failed."""
    return all(check.status != "failed" for check in checks)


def to_json(checks: Sequence[Check], probe: Mapping[str, Any] | None) -> dict[str, Any]:
    """The same as JSON values."""
    return {"ok": is_fine(checks), "checks": [attrs.asdict(check) for check in checks], "probe": probe}


def table(checks: Sequence[Check]) -> str:
    """The checks in lines of at most 80 columns, and their sum."""
    told = [check.status for check in checks]
    failed, warned, unknown = (told.count(status) for status in ("failed", "warning", "unknown"))
    parts = [f"{failed} failed"] if failed else []
    parts += [f"{warned} warning{'s' if warned > 1 else ''}"] if warned else []
    parts += [f"{unknown} could not be told"] if unknown else []
    return "\n".join([*(line for check in checks for line in _lines(check)), "", ", ".join(parts) or "all is fine"])


def _lines(check: Check) -> list[str]:
    lines = _wrapped(check.found) + (_wrapped(f"-> {check.change}") if check.change else [])
    status = click.style(f"{check.status:<9}", fg=_COLOURS.get(check.status), bold=check.status == "failed")
    return [f"  {status}{check.name:<14}{lines[0]}", *(_INDENT + line for line in lines[1:])]


def _wrapped(text: str) -> list[str]:
    width = _WIDTH - len(_INDENT)
    return textwrap.wrap(safe(" ".join(text.split())), width, break_on_hyphens=False) or [""]
