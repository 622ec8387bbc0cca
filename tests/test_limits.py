"""Pace and pause: time comes in, seconds go out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncchat._policy.limits import Concurrency, Pace, Pause

times = st.floats(0, 1e6)


def test_no_pause() -> None:
    """Nothing is waited for at first."""
    assert Pause().wait(5.0) == 0.0


def test_a_pause_ends() -> None:
    """A pause is waited for to its end, and no longer."""
    pause = Pause().extended(10.0, 5.0)
    assert [pause.wait(now) for now in (10.0, 12.0, 15.0, 20.0)] == [5.0, 3.0, 0.0, 0.0]


@given(st.lists(st.tuples(times, times)), times)
def test_a_pause_never_gets_shorter(asked: list[tuple[float, float]], now: float) -> None:
    """Whoever asks for less changes nothing."""
    pause = Pause()
    for at, seconds in asked:
        longer = pause.extended(at, seconds)
        assert longer.wait(now) >= pause.wait(now)
        pause = longer


def test_no_rate_is_no_wait() -> None:
    """Without a rate every request goes at once."""
    pace = Pace()
    assert pace.book(1.0) == (pace, 0.0)


def test_places_are_evenly_spaced() -> None:
    """At 4 a second, requests that come together go a quarter of a second apart."""
    pace, waits = Pace(rate=4.0), []
    for _ in range(4):
        pace, wait = pace.book(100.0)
        waits.append(wait)
    assert waits == [0.0, 0.25, 0.5, 0.75]


def test_idle_time_is_not_saved_up() -> None:
    """After a quiet hour there is no burst."""
    pace, _ = Pace(rate=1.0).book(0.0)
    pace, first = pace.book(3_600.0)
    _, second = pace.book(3_600.0)
    assert (first, second) == (0.0, 1.0)


@given(st.floats(0.01, 1_000), st.lists(times, min_size=2, max_size=30))
def test_the_rate_is_never_exceeded(rate: float, arrivals: list[float]) -> None:
    """Two requests never start closer than the rate allows."""
    pace, starts = Pace(rate=rate), []
    for now in sorted(arrivals):
        pace, wait = pace.book(now)
        starts.append(now + wait)
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert min(gaps) >= 1 / rate - 1e-6 * max(1.0, starts[-1])
    assert all(gap >= 0 for gap in gaps)


@pytest.mark.parametrize("rate", [0.5, 3.0])
def test_a_pace_is_a_value(rate: float) -> None:
    """Booking changes nothing in the pace that was asked."""
    pace = Pace(rate=rate)
    pace.book(5.0)
    assert pace == Pace(rate=rate)


def test_patience_lowers_the_concurrency() -> None:
    """Each time the server asks for patience, 0.7 times as many requests go side by side, and one at least."""
    level, slots = Concurrency(10, 10), []
    for _ in range(9):
        level = level.slower()
        slots.append(level.slots)
    assert slots == [7, 4, 3, 2, 1, 1, 1, 1, 1]


def test_success_raises_it_again() -> None:
    """One round of successes lets one more go, up to the bound."""
    level = Concurrency(3, 1)
    seen = []
    for _ in range(12):
        level = level.faster()
        seen.append(level.slots)
    assert seen == [2, 2, 2, *[3] * 9]
    assert level.level == 3.0
