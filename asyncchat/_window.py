"""A bounded window of page fetches: what is under way, and what has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from asyncchat.errors import APIConnectionError

T = TypeVar("T")


class Window(Generic[T]):
    """The fetches under way for one iteration.

    It owns its tasks: no task group stands open while a page is in the consumer's hands.

    Args:
        fetch: Fetches one page, or what will read it.
        concurrency: Fetches under way at most; as many pages again may wait to be taken.
        ordered: Whether pages are taken by number, or as they come.
        path: Which listing it is, for errors.
    """

    def __init__(
        self,
        fetch: Callable[[int], Coroutine[Any, Any, T]],
        *,
        concurrency: int,
        ordered: bool,
        path: str | None = None,
    ) -> None:
        self._path = path
        self._fetch: Callable[[int], Coroutine[Any, Any, T]] | None = fetch
        self._concurrency = concurrency
        self._ordered = ordered
        self._last: int | None = 1
        self._running: dict[asyncio.Task[T], int] = {}
        self._ready: dict[int, asyncio.Task[T]] = {}
        self._next_start = 2
        self._next_out = 2
        self._ended = False
        self._closed = False
        self._changed = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end: nothing is under way, or waits to be taken, and it was not closed."""
        return not (self._running or self._closed) and self._pick() is None

    def open_until(self, last: int | None) -> None:
        """Begin to fetch, up to that page; None: one at a time until told to end."""
        self._last = last
        self._top_up()

    def reach(self, last: int) -> None:
        """Go on up to that page, if the end so far is nearer and not certain: the listing has grown."""
        if self._last is not None and self._last < last and not self._ended:
            self.open_until(last)

    def end_after(self, last: int) -> None:
        """End for good with that page: start nothing beyond it, and drop what was fetched beyond it."""
        self._ended = True
        self._last = last if self._last is None else min(last, self._last)
        for task, number in self._running.items():
            if number > self._last:
                task.cancel()
        self._ready = {number: task for number, task in self._ready.items() if number <= self._last}

    def _top_up(self) -> None:
        ahead = 1 if self._last is None else 2 * self._concurrency
        while (
            self._fetch is not None
            and len(self._running) < self._concurrency
            and len(self._running) + len(self._ready) < ahead
            and (self._last is None or self._next_start <= self._last)
        ):
            number = self._next_start
            task = asyncio.create_task(self._fetch(number), name=f"asyncchat page {number}")
            self._running[task] = number
            task.add_done_callback(self._arrived)
            self._next_start += 1

    def _arrived(self, task: asyncio.Task[T]) -> None:
        number = self._running.pop(task)
        self._changed.set()
        if task.cancelled():
            return
        has_failed = task.exception() is not None
        if self._closed or (self._ended and number > (self._last or 0)):
            return
        self._ready[number] = task
        if has_failed:
            self._last = self._next_start - 1
        self._top_up()

    def _pick(self) -> int | None:
        if self._ordered:
            return self._next_out if self._next_out in self._ready else None
        return next(iter(self._ready), None)

    async def take(self) -> tuple[int, Callable[[], T]] | None:
        """The number of the next page, and what gives it, or raises what fetching it ended with; None at the end.

        Raises:
            APIConnectionError: The window was closed.
        """
        while (number := self._pick()) is None:
            if self._closed:
                raise APIConnectionError(
                    "the listing was closed while it was being read: iterate it again to read it from its first page",
                    retryable=False,
                    method="GET",
                    path=self._path,
                )
            if not self._running:
                return None
            self._changed.clear()
            await self._changed.wait()
        task = self._ready.pop(number)
        self._next_out = number + 1
        self._top_up()
        return number, task.result

    async def aclose(self) -> None:
        """Cancel what is under way, and wait until it is gone. May be called twice."""
        self._closed = True
        self._ready.clear()
        self._changed.set()
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._fetch = None  # it leads back here by way of the iteration, and pages would stay with both
