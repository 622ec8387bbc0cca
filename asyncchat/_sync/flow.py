"""Pages on their way from the loop to a blocking consumer: whole pages cross, several at once, and few of them wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from queue import SimpleQueue
from typing import Final, Generic, TypeVar

from asyncchat._sync.thread import Call, LoopThread
from asyncchat.errors import ConfigurationError
from asyncchat.models import Page

T = TypeVar("T")

AHEAD: Final = 8
"""Pages that wait for the consumer at most, besides those that the pager fetches ahead."""

BATCH: Final = AHEAD // 2
"""Pages that cross at once: each crossing makes both threads wait for the interpreter."""

LINGER: Final = 0.001
"""Seconds that a page waits for others to cross with it; the first one does not wait."""


class Flow(Generic[T]):
    """One iteration: a task in the loop hands pages over, a consumer in another thread takes them.

    Args:
        thread: Where the pages come from.
        pages: Begins the iteration; called in the loop.
    """

    def __init__(self, thread: LoopThread, pages: Callable[[], AsyncGenerator[Page[T], None]]) -> None:
        self._thread = thread
        self._pages = pages
        self._queue: SimpleQueue[list[Page[T]] | Call[None]] = SimpleQueue()
        self._crossing: list[Page[T]] = []
        self._timer: asyncio.Handle | None = None
        self._given = 0
        self._taken = 0
        self._is_full = False
        self._room = asyncio.Event()
        self._call: Call[None] = Call(thread, self._queue)

    def begin(self) -> None:
        """Start the task.

        Raises:
            ConfigurationError: The client is closed.
        """
        self._call.submit(self._pump)

    def take(self) -> list[Page[T]]:
        """Wait for the next pages; none at the end.

        Raises:
            AsyncChatError: At the place of a page that could not be fetched.
            ConfigurationError: The client was closed, or this is a forked child and the iteration its parent's.
        """
        if self._thread.is_lost:
            raise ConfigurationError("this iteration began before the process was forked: iterate the listing again")
        pages = self._queue.get()
        if isinstance(pages, Call):
            pages.result()
            return []
        self._taken += len(pages)
        if self._is_full:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the end is in the queue
                self._thread.loop.call_soon_threadsafe(self._room.set)
        return pages

    def close(self) -> None:
        """End the task: nothing more is sent."""
        self._call.end()

    async def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with contextlib.aclosing(self._pages()) as pages:
                async for page in pages:
                    self._crossing.append(page)
                    self._given += 1
                    if len(self._crossing) >= BATCH:
                        self._cross()
                    elif self._timer is None:
                        self._timer = loop.call_later(LINGER if self._given > 1 else 0, self._cross)
                    await self._wait_for_room()
        finally:
            self._cross()

    def _cross(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._crossing:
            pages, self._crossing = self._crossing, []
            self._queue.put(pages)

    async def _wait_for_room(self) -> None:
        while self._given - self._taken >= AHEAD:
            self._room.clear()
            self._is_full = True  # before the consumer's count is read again: it counts first, and then looks here
            if self._given - self._taken >= AHEAD:
                await self._room.wait()
            self._is_full = False
