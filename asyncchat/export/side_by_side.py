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

    async def work() -> None:
        for item in source:
            await function(item)

    try:
        async with anyio.create_task_group() as group:
            for _ in range(limit):
                group.start_soon(work)
    except BaseExceptionGroup as failed:
        first = _first(failed)
    else:
        return
    raise first  # out of the handler: the group, which holds it, is not its context


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = failed
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
