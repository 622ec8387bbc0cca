"""The state that all calls of a client share, as answers change it. Time comes in."""

from __future__ import annotations

import pytest

from asyncchat import APIStatusError
from asyncchat._policy.limits import Concurrency
from asyncchat._policy.load import Load
from asyncchat._policy.rate import Rate
from asyncchat._wire.headers import Budget


def fresh(slots: int = 8) -> Load:
    return Load(concurrency=Concurrency(slots), rate=Rate())


def turned_away(status: int, retry_after: float | None = None) -> APIStatusError:
    return APIStatusError.for_status(status)("x", status=status, retry_after=retry_after)


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_is_a_pause(status: int) -> None:
    """The whole client waits as long as the server asks."""
    load = fresh()
    assert load.throttled(10.0, turned_away(status, 7.0), sent_at=9.9, delay=7.2) == 7.2
    assert load.pause.wait(10.0) == pytest.approx(7.2)


def test_a_call_that_gives_up_pauses_the_others_all_the_same() -> None:
    """Where the call itself is not repeated, the pause is the Retry-After."""
    load = fresh()
    assert load.throttled(10.0, turned_away(429, 7.0), sent_at=9.9, delay=0.0) == 7.0


def test_a_pause_is_an_hour_at_most() -> None:
    """A server that asks for 114 hours is tried again after one."""
    load = fresh()
    assert load.throttled(0.0, turned_away(429, 410_400.0), sent_at=0.0, delay=0.0) == 3_600.0


def test_of_many_in_flight_the_first_refusal_counts() -> None:
    """Requests that were on their way when the client slowed down slow it down no further."""
    load = fresh(8)
    for now in (10.0, 10.1, 10.2):
        load.throttled(now, turned_away(503), sent_at=9.9, delay=0.3)
    assert load.concurrency.slots == 5
    assert load.pause.until == pytest.approx(10.3)


def test_a_timeout_lowers_the_concurrency() -> None:
    """A server that does not answer in time gets fewer requests at once, and no pause."""
    load = fresh(10)
    load.concurrency = Concurrency(10, 10.0)
    load.timed_out(60.0, sent_at=0.0)
    load.timed_out(60.1, sent_at=0.0)
    assert (load.concurrency.slots, load.pause.wait(60.0)) == (7, 0.0)


def test_an_idle_client_learns_nothing_of_concurrency() -> None:
    """Answers that came while slots were free do not say that more are welcome."""
    load = fresh(32)
    for _ in range(100):
        load.succeeded(1.0, 0.01, busy=False)
    assert load.concurrency.slots == 8


def test_a_used_up_budget_is_a_pause() -> None:
    """When no more requests may come than are on their way, nothing is sent until the limit's reset."""
    load = fresh()
    assert load.budget(10.0, Budget(4, 3.0), in_flight=3) == 0.0
    assert load.budget(10.0, Budget(3, 3.0), in_flight=3) == 3.0
    assert load.pause.wait(10.0) == 3.0


@pytest.mark.parametrize("seconds", [0.0, 121.0, 1e12])
def test_a_reset_that_makes_no_sense_is_not_waited_for(seconds: float) -> None:
    """A reset now, or in more than two minutes, begins no pause: should it be meant, a 429 will say so."""
    load = fresh()
    assert load.budget(10.0, Budget(0, seconds), in_flight=0) == 0.0


def test_a_pause_is_told_once() -> None:
    """A pause that makes none longer is not told again."""
    load = fresh()
    assert load.budget(10.0, Budget(0, 5.0), in_flight=0) == 5.0
    assert load.budget(11.0, Budget(0, 4.0), in_flight=0) == 0.0


def test_one_probe_goes_out() -> None:
    """In an outage one call may go when the time has come, and the next only after a longer one."""
    load = fresh()
    assert load.wait_out(0.0, 300.0)
    waits = []
    for now in (0.0, 5.0, 5.0, 15.0):
        waits.append(load.held(now, patient=True))
        if not waits[-1]:
            load.depart(now)
    assert waits == [5.0, 0.0, 10.0, 0.0]


def test_an_outage_holds_only_those_who_wait_it_out() -> None:
    """A call without patience is its own probe."""
    load = fresh()
    assert load.wait_out(0.0, 300.0)
    assert load.held(0.0, patient=False) == 0.0


def test_an_outage_that_nobody_looked_at_is_forgotten() -> None:
    """Two minutes after a probe was due and none went out, a failure begins another outage."""
    load = fresh()
    assert load.wait_out(0.0, 10.0)
    assert not load.wait_out(20.0, 10.0)
    assert load.wait_out(3_600.0, 10.0)
    assert load.held(3_600.0, patient=True) == 5.0


def paid(load: Load, now: float, retry_after: float | None, sent_at: float) -> float:
    """What a retry takes out of the bucket."""
    before = load.quota.level
    load.pay(now, turned_away(429, retry_after), sent_at=sent_at)
    return before - load.quota.level


def test_waiting_as_asked_is_free_while_others_are_answered() -> None:
    """A retry after a Retry-After costs nothing when there was an answer since the last one; a bare one costs 5."""
    load = fresh()
    assert paid(load, 1.0, 1.0, 0.9) == 0.0
    load.answered(2.0)
    assert paid(load, 3.0, 1.0, 2.9) == 0.0
    assert paid(load, 5.0, 1.0, 4.9) == 5.0
    load.answered(6.0)
    assert paid(load, 7.0, None, 6.9) == 5.0


def test_requests_that_are_turned_away_together_pay_once() -> None:
    """Of many in flight, the first one that is turned away pays."""
    load = fresh()
    assert [paid(load, now, None, 0.5) for now in (1.0, 1.1, 1.2)] == [5.0, 0.0, 0.0]


def test_a_sleep_that_was_late_does_not_slow_the_rate() -> None:
    """The next place comes after the one that was due, unless that was long ago."""
    load = Load(concurrency=Concurrency(8), rate=Rate(4.0))
    load.depart(1.0)
    load.depart(1.255)
    assert load.next_at == 1.5
    load.depart(9.0)
    assert load.next_at == 9.25


def test_an_outage_ends_with_the_first_answer() -> None:
    """An answer of whatever kind ends the outage, and patience begins anew with the next one."""
    load = fresh()
    assert load.wait_out(0.0, 100.0)
    assert not load.wait_out(100.0, 100.0)
    load.answered(101.0)
    assert load.held(101.0, patient=True) == 0.0
    assert load.wait_out(102.0, 100.0)
