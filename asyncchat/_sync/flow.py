"""What an iteration brings, on its way from the loop to a blocking consumer: several items at once, and few wait."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Generator
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar

from asyncchat._sync.call import Call, await_item
from asyncchat._sync.lending import LONGEST
from asyncchat._sync.thread import LoopThread
from asyncchat.errors import ConfigurationError

T = TypeVar("T")

BATCHES: Final = 2
"""Batches of items, such as pages, that wait for the consumer at most, besides what the iteration fetches ahead."""

LEAST: Final = 8
MOST: Final = 16
"""Items that cross at once, at first and at most: each crossing makes both threads wait for the interpreter, which is
the dearer the less there is to do with an item; and items that wait longer leave the processor's caches."""

BUSY: Final = 0.0015
"""Seconds for which a batch keeps the consumer busy at least, or larger ones cross."""
LONG: Final = 8 * BUSY
"""Seconds for which it keeps it busy at most, or smaller ones cross, so that few wait."""

LINGER: Final = 0.002
"""Seconds that an item waits for others to cross with it to another thread; the first one does not wait."""
IDLE: Final = 8
"""Turns of a borrowed loop without another item, after which it would only wait: an answer takes fewer to be one."""


def cross(
    thread: LoopThread,
    begin: Callable[[], AsyncGenerator[T, None]],
    *,
    urgent: type[Any] | tuple[type[Any], ...] = (),
    borrows: bool = False,
) -> Generator[T, None, None]:
    """Iterate in another thread what is made in the loop; it is ended there when it is left here, however.

    Args:
        thread: Where it is made.
        begin: Begins the iteration; called in the loop.
        urgent: Which items do not wait for others.
        borrows: Whether the consumer may run the loop itself while it waits, and with it what makes the items.

    Raises:
        Exception: At its place, what the iteration raised.
        ConfigurationError: The client was closed, or this is a forked child and the iteration its parent's.
    """
    flow = _Flow(thread, begin, urgent, borrows)
    try:
        flow.submit()
        while items := flow.take():
            yield from items
    finally:
        flow.close()


def next_batch(batch: int, count: int, busy: float) -> int:
    """How many items are to cross at once from now on.

    Args:
        batch: How many were to.
        count: How many did.
        busy: Seconds that the consumer took for them.
    """
    if count >= batch < MOST and busy < BUSY:
        return 2 * batch
    return batch // 2 if batch > LEAST and busy > LONG else batch


def keeps_interpreter(busy: float, computed: float) -> bool:
    """Whether a consumer leaves the loop nothing to do while it works on a batch, and is soon done with it.

    Args:
        busy: Seconds that the last one took.
        computed: Seconds in which it computed.
    """
    return busy / 2 < computed < LONGEST


class _Flow(Generic[T]):
    """One iteration: a task in the loop hands items over, a consumer in another thread takes them."""

    def __init__(
        self,
        thread: LoopThread,
        begin: Callable[[], AsyncGenerator[T, None]],
        urgent: type[Any] | tuple[type[Any], ...],
        borrows: bool,
    ) -> None:
        self._thread = thread
        self._begin = begin
        self._urgent = urgent
        self._borrows = borrows
        self._queue: SimpleQueue[list[T] | Call[None]] = SimpleQueue()
        self._crossing: list[T] = []
        self._timer: asyncio.Handle | None = None
        self._is_due = False
        self._given = 0
        self._taken = 0
        self._batch = LEAST
        self._took = (time.monotonic(), time.thread_time(), 0)
        self._asked = self._took[0]
        self._computes = True
        self._is_lent = False
        self._is_full = False
        self._room = asyncio.Event()
        self._call: Call[None] = Call(thread, self._queue)

    def submit(self) -> None:
        """Start the task."""
        self._call.submit(self._pump)

    def take(self) -> list[T]:
        """Wait for the next items; none at the end."""
        if self._thread.is_lost:
            raise ConfigurationError("this iteration began before the process was forked: begin it again")
        came_at, computed, count = self._took
        self._asked = time.monotonic()
        busy = self._asked - came_at
        self._computes = keeps_interpreter(busy, time.thread_time() - computed)
        self._batch = next_batch(self._batch, count, busy)
        if self._queue.empty():
            self._wait_for_more()
        items: list[T] | Call[None] = await_item(self._queue)
        if isinstance(items, Call):
            items.result()
            return []
        self._taken += len(items)
        self._took = (time.monotonic(), time.thread_time(), len(items))
        if self._is_full and not self._is_lent:
            self._thread.tell(self._room.set)
        return items

    def _wait_for_more(self) -> None:
        if self._borrows and self._computes:
            self._thread.lending.borrow(self._queue, self._room.set)
        elif self._is_full:
            self._thread.tell(self._room.set)
        else:
            self._thread.lending.ask()

    def close(self) -> None:
        """End the task: nothing more is sent."""
        self._call.end()

    async def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with contextlib.aclosing(self._begin()) as items:
                async for item in items:
                    self._crossing.append(item)
                    self._given += 1
                    self._schedule(loop, is_due=len(self._crossing) >= self._batch or isinstance(item, self._urgent))
                    await self._wait_for_room()
        finally:
            self._cross(last=True)

    def _schedule(self, loop: asyncio.AbstractEventLoop, *, is_due: bool) -> None:
        """Have items cross: those that are due after what the loop has to do already, such as sending requests."""
        if is_due and not self._is_due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer, self._is_due = loop.call_soon(self._cross), True
        elif self._timer is None and self._thread.lending.is_borrowed:
            self._timer = loop.call_soon(self._cross_when_idle, loop, self._given, IDLE)
        elif self._timer is None:
            self._timer = loop.call_later(LINGER if self._given > 1 else 0, self._cross)

    def _cross_when_idle(self, loop: asyncio.AbstractEventLoop, given: int, turns: int) -> None:
        if given != self._given:
            given, turns = self._given, IDLE
        if turns:
            self._timer = loop.call_soon(self._cross_when_idle, loop, given, turns - 1)
        else:
            self._cross()

    def _cross(self, *, last: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._is_due = None, False
        if self._crossing:
            items, self._crossing = self._crossing, []
            self._is_lent = self._computes and not last and time.monotonic() - self._asked < LONGEST
            self._thread.lending.hand_over(self._queue, items, lend=self._is_lent)

    async def _wait_for_room(self) -> None:
        while self._is_far_ahead():
            self._room.clear()
            self._is_full = True  # before the consumer's count is read again: it counts first, and then looks here
            if self._is_far_ahead():
                await self._room.wait()
            self._is_full = False

    def _is_far_ahead(self) -> bool:
        return self._given - self._taken >= (1 if self._is_lent else BATCHES) * self._batch
