"""Pages on their way from the loop to a blocking consumer: whole pages cross, and few of them wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Final, Generic, TypeVar

from asyncchat._sync.thread import Call, LoopThread
from asyncchat.errors import ConfigurationError
from asyncchat.models import Page

T = TypeVar("T")

AHEAD: Final = 4
"""Pages that wait for the consumer at most, besides those that the pager fetches ahead."""

BATCH: Final = AHEAD // 2
"""Pages after which the consumer tells the loop that it took them."""


class Flow(Generic[T]):
    """One iteration: a task in the loop puts pages, a consumer in another thread takes them.

    Args:
        thread: Where the pages come from.
        pages: Begins the iteration; called in the loop.
    """

    def __init__(self, thread: LoopThread, pages: Callable[[], AsyncGenerator[Page[T], None]]) -> None:
        self._thread = thread
        self._pages = pages
        self._queue: SimpleQueue[Page[T] | Future[None]] = SimpleQueue()
        self._waiting = 0
        self._room = asyncio.Event()
        self._taken = 0
        self._call: Call[None] = Call(thread)
        self._call.outcome.add_done_callback(self._queue.put)

    def begin(self) -> None:
        """Start the task.

        Raises:
            ConfigurationError: The client is closed.
        """
        self._call.submit(self._pump)

    def take(self) -> Page[T] | None:
        """Wait for the next page; None at the end.

        Raises:
            AsyncChatError: At the place of a page that could not be fetched.
            ConfigurationError: The client was closed, or this is a forked child and the iteration its parent's.
        """
        if self._thread.is_lost:
            raise ConfigurationError("this iteration began before the process was forked: iterate the listing again")
        item = self._queue.get()
        if isinstance(item, Future):
            self._queue.put(item)
            return item.result()
        self._taken += 1
        if self._taken == BATCH:
            self._taken = 0
            with contextlib.suppress(RuntimeError):  # the loop is closed: the end is in the queue
                self._thread.loop.call_soon_threadsafe(self._give_room)
        return item

    def close(self) -> None:
        """End the task: nothing more is sent."""
        self._call.end()

    async def _pump(self) -> None:
        async with contextlib.aclosing(self._pages()) as pages:
            async for page in pages:
                self._queue.put(page)
                self._waiting += 1
                while self._waiting >= AHEAD:
                    self._room.clear()
                    await self._room.wait()

    def _give_room(self) -> None:
        self._waiting -= BATCH
        self._room.set()
