"""A bounded number of coroutines at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio

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
        await _work_off(function, take, limit)
    except BaseExceptionGroup as failed:
        first = _first(failed)
    else:
        return
    raise first  # out of the handler: the group, which holds it, is not its context


async def _work_off(function: Callable[[T], Awaitable[None]], take: Callable[[], T | None], limit: int) -> None:
    workers = busy = 0
    ended, failed = anyio.Event(), False

    async def work() -> None:
        """Take items as long as there are any, or others are being read that may bring some."""
        nonlocal workers, busy, ended, failed
        while not failed:  # a cancellation reaches the others only when they wait next
            item = take()
            if item is None:
                if not busy:
                    ended.set()
                    return
                await ended.wait()
                continue
            busy += 1
            if busy == workers < limit:
                workers += 1
                group.start_soon(work)
            try:
                await function(item)
            except BaseException:
                failed = True
                raise
            busy -= 1
            if busy < workers - 1 or not busy:  # somebody waits
                ended.set()
                ended = anyio.Event()

    async with anyio.create_task_group() as group:
        workers = 1
        group.start_soon(work)


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = failed
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
