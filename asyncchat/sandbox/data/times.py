"""Times: whole epoch seconds inside, ISO 8601 with a fixed `+0700` on the wire."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

_OFFSET: Final = 7 * 3600
_DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_SECOND: Final = timedelta(seconds=1)
_MINUTES: Final = tuple(f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(1440))
_SECONDS: Final = tuple(f"{second:02}+0700" for second in range(60))

_STAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(Z|[+-][0-9]{2}:?[0-9]{2})", re.IGNORECASE
)
_SPACE: Final = re.compile(r"[^ ]+T[^ ]+ [0-9]{2}:?[0-9]{2}", re.IGNORECASE)


def render(epoch: int) -> str:
    """Write a time as the API does.

    Args:
        epoch: Seconds since 1970 in UTC.

    Returns:
        Such as `2025-05-05T05:05:05+0700`.
    """
    day, second = divmod(epoch + _OFFSET, _DAY)
    return _render_day(day) + _MINUTES[second // 60] + _SECONDS[second % 60]


@lru_cache(maxsize=8192)
def _render_day(day: int) -> str:
    return date.fromordinal(_EPOCH_DAY + day).isoformat()


def parse(text: str) -> datetime:
    """Read a time from a query.

    Args:
        text: ISO 8601 with an offset, with or without a colon, or `Z`; fractions of a second are allowed.

    Raises:
        ValueError: If it is none; the message says how to write one.
    """
    if _SPACE.fullmatch(text):
        raise ValueError("the + of the offset arrived as a space: send it as %2B, as in 2025-05-05T05:05:05%2B0700")
    if not _STAMP.fullmatch(text):
        raise ValueError("must be ISO 8601 with an offset, as in 2025-05-05T05:05:05+0700 (the + sent as %2B)")
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise ValueError(f"is no date that exists: {error}") from error


def floor(moment: datetime, parts: int = 1) -> int:
    """The last whole epoch second at or before an aware datetime.

    Args:
        moment: When.
        parts: Of how many parts a second consists, to have such parts instead of whole seconds.
    """
    return (moment - _EPOCH) // (_SECOND / parts)


def ceil(moment: datetime, parts: int = 1) -> int:
    """The first whole epoch second at or after an aware datetime.

    Args:
        moment: When.
        parts: As for `floor`.
    """
    return -((_EPOCH - moment) // (_SECOND / parts))
