"""The calendar: when conversations start, over years with bursts, a quiet one, quiet months and shared seconds."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

_ZONE: Final = timezone(timedelta(hours=7))
FIRST: Final = int(datetime(2021, 1, 1, tzinfo=_ZONE).timestamp())
"""No conversation starts before this epoch second."""
NOW: Final = int(datetime(2025, 6, 30, tzinfo=_ZONE).timestamp())
"""The sandbox's present: nothing is later."""

_DAY: Final = 86_400
_DAYS: Final = (NOW - FIRST) // _DAY
_YEAR_DAYS: Final = 365
_QUIET_YEAR: Final = 0.02
_MONTH_DAYS: Final = 30
_QUIET_MONTHS: Final = 0.2
_CAMPAIGN_DAYS: Final = 0.02
_CAMPAIGN: Final = 25.0
_IMPORTS: Final = 1 / 400  # conversations that begin an import: many rows in one second
_PAIRS: Final = 0.05  # conversations that share their second with the one before

# An hour appears once per share of a day's traffic.
_HOURS: Final = (0, 1, 5, 6, 7, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 18) + (
    (19,) * 3 + (20,) * 4 + (21,) * 3 + (22, 22, 23)
)


def starts(rng: Random, count: int) -> list[int]:
    """Choose when conversations start.

    Args:
        rng: Where chance comes from; only `random()` is used, which every Python version draws alike.
        count: How many times to choose.

    Returns:
        Epoch seconds in ascending order, some of them several times.
    """
    weights = list(accumulate(_day_weights(rng)))
    chance = rng.random
    total = weights[-1]
    moments = sorted(_moment(weights, chance() * total, chance(), chance()) for _ in range(count))
    _share_seconds(rng, moments)
    return moments


def _day_weights(rng: Random) -> list[float]:
    weights: list[float] = []
    busy = 1.0
    quiet = int(rng.random() * (_DAYS // _YEAR_DAYS))
    for day in range(_DAYS):
        if day % _MONTH_DAYS == 0:
            busy = 0.0 if rng.random() < _QUIET_MONTHS else 0.2 + rng.random()
        growth = 0.3 + day / _DAYS
        campaign = _CAMPAIGN if rng.random() < _CAMPAIGN_DAYS else 1.0
        year = _QUIET_YEAR if day // _YEAR_DAYS == quiet else 1.0
        weights.append(busy * growth * campaign * year)
    weights[-1] += 1.0  # never all quiet
    return weights


def _moment(weights: list[float], where: float, hour: float, second: float) -> int:
    day = bisect_right(weights, where)
    return FIRST + day * _DAY + _HOURS[int(hour * len(_HOURS))] * 3600 + int(second * 3600)


def _share_seconds(rng: Random, moments: list[int]) -> None:
    left = 0
    for index in range(1, len(moments)):
        if left == 0 and rng.random() < _IMPORTS:
            left = 10 + int(rng.random() * 50)
        if left or rng.random() < _PAIRS:
            moments[index] = moments[index - 1]
            left = max(left - 1, 0)
