"""Charts in SVG: lines on logarithmic axes, and bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, TypeAlias

import attrs

from benchmarks.kit.figures import Spread, shown

_WIDTH: Final = 720
_LEFT: Final = 70
_RIGHT: Final = 220
_TOP: Final = 34
_HEIGHT: Final = 260
_FOOT: Final = 46
_BAR: Final = 20
_NAME: Final = 300
_COLOURS: Final = ("#1b6ca8", "#d1495b", "#3a7d44", "#edae49", "#66507e", "#5c4b3a", "#00798c", "#888888", "#b5446e")
_STYLE: Final = "text{font:12px sans-serif;fill:#222}line{stroke:#ddd}polyline{fill:none;stroke-width:2}"


@attrs.frozen
class Lines:
    """Lines through points, on logarithmic axes.

    Attributes:
        title: What they show.
        x: What the horizontal axis is.
        series: The points of each line, all above 0.
    """

    title: str
    x: str
    series: Mapping[str, Sequence[tuple[float, float]]]

    @property
    def height(self) -> int:
        """Of the drawing."""
        return _TOP + _HEIGHT + _FOOT

    def draw(self) -> str:
        """The drawing's elements."""
        points = [point for line in self.series.values() for point in line]
        across = _Axis.around([x for x, _ in points], _LEFT, _WIDTH - _RIGHT)
        up = _Axis.around([y for _, y in points], _TOP + _HEIGHT, _TOP)
        grid = [_upright(across.place(mark), mark) for mark in across.marks]
        grid += [_level(up.place(mark), mark) for mark in up.marks]
        lines = [
            _line(name, [(across.place(x), up.place(y)) for x, y in line], number)
            for number, (name, line) in enumerate(self.series.items())
        ]
        foot = f'<text x="{_LEFT}" y="{_TOP + _HEIGHT + 38}">{escape(self.x)}</text>'
        return "".join([_heading(self.title), *grid, *lines, foot])


@attrs.frozen
class Bars:
    """A bar for each name, from 0.

    Attributes:
        title: What they show.
        bars: How long each is; where it is a spread, a thin line shows that.
        mark: Where a thin line stands across all of them, such as at a target.
    """

    title: str
    bars: Mapping[str, Spread | float]
    mark: float | None = None

    @property
    def height(self) -> int:
        """Of the drawing."""
        return _TOP + _BAR * len(self.bars) + 12

    def draw(self) -> str:
        """The drawing's elements."""
        spreads = {n: b if isinstance(b, Spread) else Spread(b, b, b, 1) for n, b in self.bars.items()}
        longest = max([*[each.high for each in spreads.values()], self.mark or 0.0, 1e-12])
        scale = (_WIDTH - _NAME - 120) / longest
        drawn = [_bar(name, each, number, scale) for number, (name, each) in enumerate(spreads.items())]
        if self.mark is not None:
            at = _NAME + self.mark * scale
            drawn.append(
                f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{self.height - 8}" style="stroke:#d1495b"/>'
            )
        return "".join([_heading(self.title), *drawn])


Chart: TypeAlias = Lines | Bars


def draw(charts: Sequence[Chart]) -> str:
    """Charts below each other, as a file."""
    drawn, at = [], 0
    for chart in charts:
        drawn.append(f'<g transform="translate(0 {at})">{chart.draw()}</g>')
        at += chart.height
    size = f'width="{_WIDTH}" height="{at}" viewBox="0 0 {_WIDTH} {at}"'
    ground = f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{ground}{"".join(drawn)}</svg>'


@attrs.frozen
class _Axis:
    """A logarithmic axis between two places of the drawing."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        low, high = math.log10(min(values)), math.log10(max(values))
        margin = max(0.05 * (high - low), 0.02)
        return cls(low - margin, high + margin, start, end)

    def place(self, value: float) -> float:
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def marks(self) -> list[float]:
        """Round numbers on it: powers of ten, and of few of these also 2 and 5 times them."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        steps = (1, 2, 5) if len(powers) <= 4 else (1,)  # noqa: PLR2004 - as many as can be read
        every = [step * 10.0**power for power in powers for step in steps]
        return [mark for mark in every if self.low <= math.log10(mark) <= self.high]


def _heading(title: str) -> str:
    return f'<text x="10" y="20" style="font-weight:bold">{escape(title)}</text>'


def _upright(x: float, mark: float) -> str:
    text = f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{shown_mark(mark)}</text>'
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_TOP + _HEIGHT}"/>{text}'


def _level(y: float, mark: float) -> str:
    text = f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{shown_mark(mark)}</text>'
    return f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>{text}'


def shown_mark(mark: float) -> str:
    """A round number without needless digits."""
    return f"{mark:,.0f}" if mark >= 1 else f"{mark:g}"


def _line(name: str, points: Sequence[tuple[float, float]], number: int) -> str:
    colour = _COLOURS[number % len(_COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    at = _TOP + 10 + 18 * number
    key = f'<rect x="{_WIDTH - _RIGHT + 12}" y="{at - 9}" width="10" height="10" fill="{colour}"/>'
    label = f'<text x="{_WIDTH - _RIGHT + 28}" y="{at}">{escape(name)}</text>'
    return f'<polyline points="{path}" stroke="{colour}"/>{dots}{key}{label}'


def _bar(name: str, spread: Spread, number: int, scale: float) -> str:
    y = _TOP + _BAR * number
    long, low, high = (value * scale for value in (spread.median, spread.low, spread.high))
    colour = _COLOURS[0]
    label = f'<text x="{_NAME - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
    bar = f'<rect x="{_NAME}" y="{y + 2}" width="{long:.1f}" height="{_BAR - 6}" fill="{colour}"/>'
    whisker = (
        f'<line x1="{_NAME + low:.1f}" x2="{_NAME + high:.1f}" y1="{y + 9}" y2="{y + 9}" style="stroke:#222"/>'
        if high > low
        else ""
    )
    return f'{label}{bar}{whisker}<text x="{_NAME + high + 6:.1f}" y="{y + 13}">{shown(spread.median)}</text>'
