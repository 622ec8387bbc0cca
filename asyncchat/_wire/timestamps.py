"""Timestamps of the API: ISO 8601 with whole seconds and an offset without a colon."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final

from msgspec import Meta, ValidationError, convert

from asyncchat.errors import ConfigurationError

_Instant = Annotated[datetime, Meta(tz=True)]
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EXAMPLE: Final = "2025-05-05T05:05:05+0700"
_SHOWN: Final = 40


def parse_timestamp(text: str) -> datetime:
    """Read a timestamp of an answer: `+0700`, `+07:00` or `Z`, with or without fractions of a second.

    Raises:
        ValueError: It is none, or has no offset.
    """
    try:
        return convert(text, _Instant)
    except ValidationError:
        shown = repr(text) if len(text) <= _SHOWN else f"{len(text)} characters"  # of what is cut no secret is found
        raise ValueError(f"not a timestamp with an offset, such as {_EXAMPLE}: {shown}") from None


def format_timestamp(moment: datetime) -> str:
    """Write a timestamp as the API does, keeping its offset: `2025-05-05T05:05:05+0700`, fractions only if any.

    An offset with seconds, which the API cannot write, becomes UTC.

    Source: the contract's schema Timestamp.
    """
    if (moment.utcoffset() or timedelta()) % timedelta(minutes=1):
        moment = moment.astimezone(UTC)
    fraction = f".{moment.microsecond:06}" if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + fraction + f"{moment:%z}"


def format_filter(moment: datetime) -> str:
    """Write a timestamp for `since` or `until`: whole seconds."""
    return format_timestamp(moment.replace(microsecond=0))


def to_instant(value: datetime | date | str, name: str = "the time") -> datetime:
    """Read what `since` and `until` take, as an aware datetime.

    Args:
        value: An aware datetime; a date or a text such as 2025-05-05, which is midnight UTC; a text with an offset.
        name: The argument's name, for the error.

    Raises:
        ConfigurationError: It is none of these; a datetime or text without an offset says how to add one.
    """
    if isinstance(value, str):
        value = _from_text(value.strip(), name)
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ConfigurationError(
                f"{name} has no time zone, so it names no instant: give one, "
                f"as in {value.isoformat(timespec='seconds')}+00:00 or datetime(..., tzinfo=timezone.utc)"
            )
        return value
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ConfigurationError(
        f"{name} takes a datetime, a date or a text such as {_EXAMPLE}, not {type(value).__name__}"
    )


def _from_text(text: str, name: str) -> datetime | date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if _DATE.match(text):  # 20250505 and 2025-W19 are ISO dates too, but not what is written here
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ConfigurationError(
        f"{name} is not a date: {text[:40]!r}. Write 2025-05-05, or a time with an offset such as {_EXAMPLE}"
    )


def check_range(since: datetime | None, until: datetime | None) -> None:
    """Refuse a range that ends before it begins.

    Raises:
        ConfigurationError: `since` is later than `until`.
    """
    if since is not None and until is not None and since > until:
        raise ConfigurationError(
            f"since ({format_timestamp(since)}) is later than until ({format_timestamp(until)}): swap them"
        )
