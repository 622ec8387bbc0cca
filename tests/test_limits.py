"""Pauses, and how many requests go side by side: time comes in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncchat._policy.limits import Concurrency, Pause

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


def test_a_pause_knows_who_asked() -> None:
    """The status of the longest pause is kept, for the error of a call that cannot wait so long."""
    assert Pause().extended(0.0, 9.0, 503).extended(1.0, 2.0, 429) == Pause(9.0, 503)


def test_it_starts_with_eight() -> None:
    """Eight requests go side by side at first, or fewer where fewer are allowed."""
    assert [Concurrency(most).slots for most in (1, 5, 8, 32)] == [1, 5, 8, 8]


def test_patience_lowers_the_concurrency() -> None:
    """Each time the server asks for patience, 0.7 times as many requests go side by side, and one at least."""
    level, slots = Concurrency(10, 10.0), []
    for second in range(9):
        level = level.slower(float(second))
        slots.append(level.slots)
    assert slots == [7, 4, 3, 2, 1, 1, 1, 1, 1]


def test_it_is_lowered_once_a_second() -> None:
    """A second slow-down within a second changes nothing: the first has not shown what it does."""
    once = Concurrency(10, 10.0).slower(5.0)
    assert once.slower(5.9) is once
    assert once.slower(6.0).slots == 4


def test_every_fourth_fast_answer_raises_it() -> None:
    """Until the first slow-down, four fast answers let one more go, up to the bound."""
    level, seen = Concurrency(10), []
    for _ in range(12):
        level = level.faster(0.0, 0.01)
        seen.append(level.slots)
    assert seen == [8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 10]


def test_after_a_slow_down_it_is_raised_by_one_a_second() -> None:
    """Once a server has asked for patience, ten seconds of fast answers let ten more go, however many there are."""
    level = Concurrency(100, 10.0).slower(0.0)
    for tick in range(1, 1_001):
        level = level.faster(tick / 100, 0.01)
    assert level.level == pytest.approx(17.0)


def test_slow_answers_raise_nothing() -> None:
    """Answers that take over twice as long as the fastest raise nothing."""
    level = Concurrency(32).faster(0.0, 0.1)
    assert level.faster(0.0, 0.4).level == level.level
    assert level.faster(0.0, 0.2).level > level.level


steps = st.tuples(st.booleans(), st.floats(0, 5), st.floats(0, 3))


@given(st.integers(1, 64), st.lists(steps, max_size=80))
def test_the_bounds_hold(most: int, happened: list[tuple[bool, float, float]]) -> None:
    """Whatever happens, at least one request may go and never more than allowed."""
    level, now = Concurrency(most), 0.0
    for good, after, elapsed in happened:
        now += after
        level = level.faster(now, elapsed) if good else level.slower(now)
        assert 1 <= level.slots <= most
