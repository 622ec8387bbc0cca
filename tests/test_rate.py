"""How the rate of a server is learned from what it turns away. Time comes in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncchat._policy.limits import Concurrency
from asyncchat._policy.load import Load
from asyncchat._policy.rate import Meter, Rate, Taken

KNOWN = Rate(limit=100.0, since=50.0, settled=True)


def starts(rate: Rate, arrivals: list[float]) -> list[float]:
    """When requests that come at those times go out, one after the other."""
    load, gone = Load(concurrency=Concurrency(32), rate=rate), [0.0]
    for arrival in arrivals:
        now = max(arrival, gone[-1])
        gone.append(now + load.place(now))
        load.depart(gone[-1])
    return gone[1:]


def test_no_rate_is_no_wait() -> None:
    """Until a server turns a request away, every request goes at once."""
    assert (Rate().at(0.0), starts(Rate(), [5.0, 5.0])) == (None, [5.0, 5.0])


def test_places_are_evenly_spaced() -> None:
    """At 4 a second, requests that come together go a quarter of a second apart."""
    assert starts(Rate(4.0), [100.0] * 4) == [100.0, 100.25, 100.5, 100.75]


def test_idle_time_is_not_saved_up() -> None:
    """After a quiet hour there is no burst."""
    assert starts(Rate(1.0), [0.0, 3_600.0, 3_600.0]) == [0.0, 3_600.0, 3_601.0]


@given(st.floats(0.01, 1_000), st.lists(st.floats(0, 1e6), min_size=2, max_size=30))
def test_the_rate_is_never_exceeded(rate: float, arrivals: list[float]) -> None:
    """Two requests never start closer than the rate allows, but for a hundredth of a second that a sleep was late."""
    gone = starts(Rate(rate), sorted(arrivals))
    gaps = [later - earlier for earlier, later in pairwise(gone)]
    assert min(gaps) >= 1 / rate - 0.01 - 1e-6 * max(1.0, gone[-1])


def test_the_first_refusal_halves_the_speed() -> None:
    """The first 429 tells only that it was too fast."""
    rate = Rate().refused(10.0, Taken(40, 0.5))
    assert (rate.limit, rate.settled) == (40.0, False)


def test_nothing_taken_tells_nothing() -> None:
    """A server that has taken nothing yet gives no rate to go by."""
    for taken in (Taken(0, 5.0), Taken(1, 0.01), Taken(5, 0.0)):
        assert Rate().refused(10.0, taken).at(10.0) is None


def test_the_third_refusal_in_a_row_halves_the_speed() -> None:
    """While nothing is taken between two refusals, a pause was too short: the rate falls only with the third."""
    rate, limits = KNOWN, []
    for second in (58.0, 58.1, 58.2, 58.3):
        rate = rate.refused(second, Taken(0, 0.1))
        limits.append(rate.limit)
    assert limits == [100.0, 100.0, pytest.approx(50.0, rel=0.01), limits[2]]


def test_the_second_refusal_measures() -> None:
    """What was taken between two refusals is the server's limit."""
    rate = Rate(limit=400.0, since=10.0).refused(10.5, Taken(10, 0.5))
    assert (rate.limit, rate.settled) == (20.0, True)


def test_what_was_saved_up_is_not_taken_for_the_limit() -> None:
    """After a long time without refusals the server may have saved up: the rate falls by little."""
    rate = KNOWN.refused(60.0, Taken(700, 10.0))
    assert rate.limit == pytest.approx(0.95 * KNOWN.at(60.0))  # type: ignore[operator]


def test_it_begins_below_the_limit_and_is_back_in_eight_seconds() -> None:
    """A tenth below the limit, level with it after 8 seconds, a tenth above after 16."""
    assert [KNOWN.at(50.0 + seconds) for seconds in (0.0, 8.0, 16.0)] == pytest.approx([90.0, 100.0, 110.0])


@given(st.floats(0.1, 1e4), st.floats(0, 600), st.floats(0, 600))
def test_it_only_grows_between_refusals(limit: float, first: float, second: float) -> None:
    """Without a refusal the rate never falls."""
    rate = Rate(limit=limit, since=0.0)
    slow, fast = rate.at(min(first, second)), rate.at(max(first, second))
    assert slow is not None
    assert fast is not None
    assert slow <= fast


def test_a_bound_is_a_bound() -> None:
    """What was learned never passes `max_rate`."""
    assert Rate(5.0, limit=100.0, since=0.0).at(5.0) == 5.0
    assert Rate(500.0, limit=100.0, since=0.0).at(8.0) == pytest.approx(100.0)


@given(st.lists(st.tuples(st.floats(0.001, 100), st.integers(0, 1_000)), min_size=1, max_size=50))
def test_a_rate_stays_usable(refusals: list[tuple[float, int]]) -> None:
    """However often it is turned away, a client still sends a request every three seconds at least."""
    rate, now = Rate(), 0.0
    for seconds, count in refusals:
        now += seconds
        rate = rate.refused(now, Taken(count, seconds))
    speed = rate.at(now)
    assert speed is None or speed >= 0.45 - 1e-9


def test_a_meter_counts_between_refusals() -> None:
    """The first reading is the speed of the last three seconds; each later one counts from the refusal before."""
    meter = Meter()
    for tick in range(100):
        meter.take(tick * 0.1)
    first = meter.refused(10.0)
    assert first.count == 30
    assert first.seconds == pytest.approx(3.0)
    meter.take(11.0)
    meter.take(11.5)
    assert meter.refused(12.0) == Taken(2, 2.0)


def test_what_tells_nothing_is_counted_on() -> None:
    """A single request between two refusals is counted with those after it."""
    meter = Meter(since=10.0)
    meter.take(11.0)
    assert not meter.refused(12.0).tells
    meter.take(13.0)
    assert meter.refused(15.0) == Taken(2, 5.0)
