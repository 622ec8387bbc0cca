"""Rounds: every candidate once in each, in an order that changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def take_turns(ways: Mapping[str, Callable[[], T]], rounds: int, *, warm_up: int = 1) -> dict[str, list[T]]:
    """Call each way once a round, so that a slow moment of the machine hits all of them.

    Args:
        ways: What to call, by name.
        rounds: How many rounds count.
        warm_up: Rounds before them, whose results are dropped.

    Returns:
        What came of each way, round by round: results of the same place belong to the same round.
    """
    taken: dict[str, list[T]] = {name: [] for name in ways}
    order = list(ways)
    for turn in range(warm_up + rounds):
        for name in order:
            result = ways[name]()
            if turn >= warm_up:
                taken[name].append(result)
        order = [*order[1:], order[0]] if turn % 2 else order[::-1]
    return taken
