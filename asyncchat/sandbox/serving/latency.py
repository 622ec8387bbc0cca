"""Latency and bandwidth: how long an answer takes, as numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from asyncchat.sandbox.serving.answers import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncchat.sandbox.behaviour import Spread

_BEAT: Final = 0.05  # seconds between two pieces of a body


def latency(mean: float, spread: Spread, fraction: float) -> float:
    """Seconds before an answer.

    Args:
        mean: What they are on average.
        spread: How they are distributed.
        fraction: Chance, from 0 up to 1 without it.
    """
    if spread == "fixed":
        return mean
    return mean * (2 * fraction if spread == "uniform" else -math.log(1 - fraction))


def pace(bandwidth: float | None) -> Pace | None:
    """How a body comes at so many bytes a second; None: at once."""
    if bandwidth is None:
        return None
    step = math.ceil(bandwidth * _BEAT)
    return Pace(step, step / bandwidth)


def pieces(body: bytes, pace: Pace) -> Iterator[bytes]:
    """The parts of a body that are sent one after the other."""
    return (body[start : start + pace.step] for start in range(0, len(body), pace.step))
