"""Figures: medians with their spread, ratios of neighbouring turns, slopes of growth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

import attrs


@attrs.frozen
class Spread:
    """The median of some measurements, and between what they lay.

    Attributes:
        median: Half of them are above it.
        low: The smallest.
        high: The largest.
        count: How many there were.
    """

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of some values, at least one."""
        found = list(values)
        return cls(statistics.median(found), min(found), max(found), len(found))

    def __str__(self) -> str:
        return f"{shown(self.median)} ({shown(self.low)}-{shown(self.high)})"


def shown(value: float) -> str:
    """A number with three digits that count."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """The spread of the ratios of two candidates, each of one round."""
    return Spread.of(a / b for a, b in zip(over, under, strict=True))


def slope(points: Iterable[tuple[float, float]]) -> float:
    """The exponent of growth: the slope of a straight line through the logarithms. 1: twice the rows, twice the cost.

    Args:
        points: At least two, with different x; all above 0.
    """
    logs = [(math.log(x), math.log(y)) for x, y in points]
    return statistics.linear_regression([x for x, _ in logs], [y for _, y in logs]).slope
