"""A bounded window of page fetches: what is under way, what has come, what to believe of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from asyncchat.errors import APIConnectionError, DecodeError
from asyncchat.models import Page

T = TypeVar("T")

_log = logging.getLogger("asyncchat")


def last_page(page: Page[Any]) -> int | None:
    """The last page's number as a page tells it; None when its count cannot be true, as 0 beside rows."""
    return None if page.data and page.total_pages < 1 else max(1, page.total_pages)


def agreed_size(first: Page[Any], asked: int) -> int:
    """The page size to go on with: the server's, if it gives fewer rows than asked."""
    given = first.rows_per_page
    return given if 0 < given < asked and len(first.data) <= given else asked


class Walk(Generic[T]):
    """Judges the pages of one iteration, in the order in which they are taken. Decides only, and sends nothing.

    Args:
        first: The first page.
        path: Which listing it is, for errors.
    """

    def __init__(self, first: Page[T], *, path: str | None = None) -> None:
        self._first = first
        self._path = path
        self._before = (1, first)
        self._empty = set() if first.data else {1}

    def doubts(self, number: int, page: Page[T]) -> bool:
        """Whether to read a page again: it is empty and says that more follow, or repeats a page before it."""
        return self._repeats(number, page) if page.data else number < page.total_pages

    def confirm(self, number: int, page: Page[T]) -> None:
        """Look at a page that was read again.

        Raises:
            DecodeError: It still repeats a page before it.
        """
        if page.data and self._repeats(number, page):
            raise DecodeError(
                f"page {number} brings the same rows as a page before it: the server ignores the page number. "
                "Ask for so little, with since= and until=, that one page holds it",
                paths=("$.data",),
                method="GET",
                path=self._path,
            )

    def ends_at(self, number: int, page: Page[T]) -> bool:
        """Take a page, and say whether the listing ends with it: an empty last page, or two empty ones in a row."""
        self._before = (number, page)
        if page.data:
            return False
        self._empty.add(number)
        if number >= page.total_pages or {number - 1, number + 1} & self._empty:
            return True
        _log.warning("page %d of %d came empty twice: going on", number, page.total_pages)
        return False

    def _repeats(self, number: int, page: Page[T]) -> bool:
        neighbour = self._before[1] if self._before[0] == number - 1 else self._first
        return page.data == neighbour.data


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
        self._fetch = fetch
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
            len(self._running) < self._concurrency
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
        if task.cancelled() or self._closed:
            return
        self._ready[number] = task
        if task.exception() is not None:
            self._last = self._next_start - 1
        self._top_up()

    def _pick(self) -> int | None:
        if self._ordered:
            return self._next_out if self._next_out in self._ready else None
        return next(iter(self._ready), None)

    async def take(self) -> tuple[int, T] | None:
        """The next page with its number, None at the end.

        Raises:
            AsyncChatError: What fetching that page ended with.
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
        return number, task.result()

    async def aclose(self) -> None:
        """Cancel what is under way, and wait until it is gone. May be called twice."""
        self._closed = True
        self._ready.clear()
        self._changed.set()
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
