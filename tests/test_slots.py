"""Slots: handed out in order, given back whatever happens, more or fewer while calls wait."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncchat._transport.slots import Slots


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_first_come_first_served() -> None:
    """Slots go to those that wait in the order of their coming, a retry before them."""
    slots, order = Slots(1), []
    await slots.take()

    async def take(name: str, *, first: bool = False) -> None:
        await slots.take(first=first)
        order.append(name)
        slots.give_back()

    tasks = [asyncio.create_task(take(name, first=name == "retry")) for name in ("a", "b", "retry")]
    await turns()
    slots.give_back()
    await asyncio.gather(*tasks)
    assert order == ["retry", "a", "b"]
    assert slots.taken == 0


@pytest.mark.asyncio
async def test_more_slots_let_more_go() -> None:
    """When their number grows, those that wait go at once."""
    slots = Slots(1)
    tasks = [asyncio.create_task(slots.take()) for _ in range(5)]
    await turns()
    assert slots.taken == 1
    slots.total = 4
    assert slots.taken == 4
    slots.total = 5
    await asyncio.gather(*tasks)


@pytest.mark.asyncio
async def test_fewer_slots_are_waited_for() -> None:
    """When their number falls below those taken, none is given until enough came back."""
    slots = Slots(3)
    for _ in range(3):
        await slots.take()
    slots.total = 1
    task = asyncio.create_task(slots.take())
    for left in (2, 1):
        await turns()
        slots.give_back()
        assert slots.taken == left
    slots.give_back()
    await task
    assert slots.taken == 1


@pytest.mark.asyncio
async def test_nobody_overtakes() -> None:
    """A slot that came back belongs to the one that waits, though it has not run yet."""
    slots = Slots(1)
    await slots.take()
    waiting = asyncio.create_task(slots.take())
    await turns()
    slots.give_back()
    late = asyncio.create_task(slots.take())
    await turns()
    assert (waiting.done(), late.done()) == (True, False)
    slots.give_back()
    await late


@pytest.mark.asyncio
@pytest.mark.parametrize("given", [False, True])
async def test_a_cancelled_wait_leaves_nothing(given: bool) -> None:
    """A call that is cancelled while it waits, or in the moment in which it gets its slot, keeps none."""
    slots = Slots(1)
    await slots.take()
    task = asyncio.create_task(slots.take())
    await turns()
    if given:
        slots.give_back()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if not given:
        slots.give_back()
    assert slots.taken == 0
    await slots.take()


steps = st.lists(st.tuples(st.sampled_from(["take", "give", "cancel", "total"]), st.integers(0, 7)), max_size=40)


@given(steps)
@settings(deadline=None)
def test_the_count_is_true(happened: list[tuple[str, int]]) -> None:
    """Whatever is taken, given back, cancelled or resized, no slot is lost and none is given twice."""

    async def play() -> None:
        slots, held, waiting = Slots(2), 0, []
        for what, number in happened:
            if what == "take":
                waiting.append(asyncio.create_task(slots.take()))
            elif what == "give" and held:
                slots.give_back()
                held -= 1
            elif what == "cancel" and waiting:
                waiting[number % len(waiting)].cancel()
            elif what == "total":
                slots.total = number + 1
            if number % 2:
                await turns()
                held += sum(task.done() and not task.cancelled() for task in waiting)
                waiting = [task for task in waiting if not task.done()]
                assert held == slots.taken
        slots.total = 100
        await asyncio.gather(*waiting, return_exceptions=True)
        held += sum(not task.cancelled() for task in waiting)
        assert held == slots.taken

    asyncio.run(play())
