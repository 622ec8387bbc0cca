"""Bounds in time: what is inside of one is cancelled in time; a cancellation from elsewhere is never taken for it."""

from __future__ import annotations

import asyncio
import gc
import math
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual import run_virtual

from asyncchat._transport.alarms import Alarms, Bound


async def rest(
    alarms: Alarms, seconds: float | None, lasts: float, *, idle: float | None = None
) -> tuple[Bound, float]:
    """Rest for a while in a bound: the bound, and how long it really was."""
    began = asyncio.get_running_loop().time()
    with alarms.within(seconds, idle=idle) as bound:
        await asyncio.sleep(lasts)
    return bound, asyncio.get_running_loop().time() - began


TIMES = st.integers(0, 2_000).map(lambda hundredths: hundredths / 100)


@given(st.lists(st.tuples(TIMES, st.none() | TIMES, st.none() | TIMES, TIMES), min_size=1, max_size=30))
def test_each_of_many_ends_when_its_time_has_come(plans: list[tuple[float, float | None, float | None, float]]) -> None:
    """Whatever others do meanwhile: one timer serves all."""
    alarms = Alarms()

    async def one(begins: float, seconds: float | None, idle: float | None, lasts: float) -> None:
        await asyncio.sleep(begins)
        end = min(math.inf if seconds is None else seconds, math.inf if idle is None else idle)
        bound, took = await rest(alarms, seconds, lasts, idle=idle)
        assert took == pytest.approx(min(end, lasts))
        if end != lasts:
            assert bound.rang == (end < lasts)

    async def main() -> None:
        await asyncio.gather(*[one(*plan) for plan in plans])

    run_virtual(main())


def test_signs_of_life_put_the_end_off() -> None:
    """Until there is none for as long as is waited, or the whole time is over."""

    async def main(seconds: float | None) -> tuple[Bound, float]:
        began = asyncio.get_running_loop().time()
        with Alarms().within(seconds, idle=3) as bound:
            for _ in range(10):
                await asyncio.sleep(2)
                bound.alive()
            await asyncio.sleep(100)
        return bound, asyncio.get_running_loop().time() - began

    bound, took = run_virtual(main(None))
    assert (bound.rang, bound.is_idle, took) == (True, True, 23)
    bound, took = run_virtual(main(7))
    assert (bound.rang, bound.is_idle, took) == (True, False, 7)


def test_a_cancellation_from_elsewhere_goes_on_its_way() -> None:
    """Also when the time has come in the same moment."""

    async def main() -> None:
        alarms = Alarms()
        for cancelled_after in (4.0, 5.0, 5.0 + 1e-9):
            task = asyncio.create_task(rest(alarms, 5, 10))
            asyncio.get_running_loop().call_later(cancelled_after, task.cancel)
            await asyncio.wait([task], timeout=20)
            if cancelled_after <= 5:
                assert task.cancelled()
            assert not alarms._bounds

    run_virtual(main())


def test_the_time_that_has_come_twice_cancels_once() -> None:
    """A bound inside of one that rings with it: the outer one goes on too."""

    async def main() -> tuple[bool, bool, int]:
        alarms = Alarms()
        with alarms.within(5) as outer:
            with alarms.within(5) as inner:
                await asyncio.sleep(10)
            await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return outer.rang, inner.rang, task.cancelling()

    assert run_virtual(main()) == (True, True, 0)


def test_what_ends_by_itself_after_its_time_has_its_result() -> None:
    """A cancellation that was overcome leaves none behind."""

    async def main() -> int:
        with Alarms().within(1) as bound:
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                result = 7
        assert bound.rang
        await asyncio.sleep(1)
        return result

    assert run_virtual(main()) == 7


def test_another_error_is_not_hidden() -> None:
    """What is raised while the cancellation is on its way is raised."""

    async def main() -> None:
        with Alarms().within(1):
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                raise KeyError("mine") from None

    with pytest.raises(KeyError, match="mine"):
        run_virtual(main())


def test_another_loop_has_its_own_timer() -> None:
    """The timer of a loop that is closed would never ring."""
    alarms = Alarms()
    for _ in range(2):
        bound, took = run_virtual(rest(alarms, 5, 10))
        assert bound.rang
        assert took == 5
        run_virtual(rest(alarms, 50, 1))  # leaves a timer behind


def test_a_timer_holds_nobody_after_its_bounds_are_over() -> None:
    """A client that was closed is collected, though its timer was far away."""

    async def main() -> bool:
        alarms = Alarms()
        gone = weakref.ref(alarms)
        await rest(alarms, 3_600, 0)
        alarms.stop()
        del alarms
        gc.collect()
        return gone() is None

    assert run_virtual(main())


def test_it_is_entered_in_a_task() -> None:
    """Without one there is nothing to cancel: whoever drives a coroutine by hand is told so."""
    loop = asyncio.new_event_loop()
    told: list[str] = []

    def by_hand() -> None:
        try:
            with Alarms().within(1):
                pass
        except RuntimeError as exc:
            told.append(str(exc))
        loop.stop()

    loop.call_soon(by_hand)
    loop.run_forever()
    loop.close()
    assert "in a task of asyncio" in told[0]
