"""A bounded number of coroutines at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

import anyio
import anyio.abc

T = TypeVar("T")


async def side_by_side(function: Callable[[T], Awaitable[None]], items: Iterable[T], *, limit: int) -> None:
    """Await a function for every item, so many at once; items are drawn as they are needed.

    Raises:
        Exception: The first that one of them raised, as itself; the others are cancelled.
    """
    source = iter(items)
    await work_off(function, lambda: next(source, None), limit=limit)


async def work_off(function: Callable[[T], Awaitable[None]], take: Callable[[], T | None], *, limit: int) -> None:
    """Await a function for every item that is there to be taken, so many at once, until there is none and none is read.

    Args:
        function: Is given an item; it may make further items.
        take: Gives the next item, None when there is none just now. It is asked again whenever a call has ended.
        limit: How many at once.

    Raises:
        Exception: The first that one of them raised, as itself; the others are cancelled.
    """
    try:
        await _Crew(function, take, limit).run()
    except BaseExceptionGroup as failed:
        first = _first(failed)
    else:
        return
    raise first  # out of the handler: the group, which holds it, is not its context


class _Crew(Generic[T]):
    """Workers that take items, as many of them as have something to do.

    No function in here holds itself, as one within another that starts itself again would: what items have brought
    would stay in memory then until Python looks for cycles.
    """

    def __init__(self, function: Callable[[T], Awaitable[None]], take: Callable[[], T | None], limit: int) -> None:
        self._function = function
        self._take = take
        self._limit = limit
        self._workers = self._busy = 0
        self._ended = anyio.Event()
        self._failed = False

    async def run(self) -> None:
        """Take items until there is none and none is read."""
        async with anyio.create_task_group() as group:
            self._start(group)

    def _start(self, group: anyio.abc.TaskGroup) -> None:
        self._workers += 1
        group.start_soon(self._work, group)

    async def _work(self, group: anyio.abc.TaskGroup) -> None:
        """Take items as long as there are any, or others are being read that may bring some."""
        while not self._failed:  # a cancellation reaches the others only when they wait next
            item = self._take()
            if item is None:
                if not self._busy:
                    self._ended.set()
                    return
                await self._ended.wait()
                continue
            self._busy += 1
            if self._busy == self._workers < self._limit:
                self._start(group)
            try:
                await self._function(item)
            except BaseException:
                self._failed = True
                raise
            self._busy -= 1
            if self._busy < self._workers - 1 or not self._busy:  # somebody waits
                self._ended.set()
                self._ended = anyio.Event()


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = failed
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
