"""One iteration of a listing: what has come, in its turn, and what to believe of it."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections.abc import AsyncGenerator, Callable
from typing import Any, Generic, Protocol, TypeVar

from asyncchat._window import Window
from asyncchat.errors import DecodeError, NotFoundError
from asyncchat.models import Page

T = TypeVar("T")

_log = logging.getLogger("asyncchat")


class Source(Protocol[T]):
    """All that paging knows of a listing."""

    @property
    def path(self) -> str:
        """Which one it is, for errors."""
        ...

    @property
    def runs_user_code(self) -> bool:
        """Whether something of the user's runs in what is awaited, such as a hook."""
        ...

    async def fetch(self, page: int, per_page: int) -> Page[T]:
        """One page of it."""
        ...

    async def ask(self, page: int, per_page: int) -> Callable[[], Page[T]]:
        """What reads one page of it, once that has come."""
        ...


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


class Turn(Generic[T]):
    """A page that has come, in its turn. It is read by whoever takes it, so that rows are made where they are used.

    Who takes turns looks at each (`look`; `again`, in the event loop, where that brings nothing), judges it, and has
    the event loop call what came of that, before it takes the next one. It may do so in another thread.

    Args:
        iteration: What it is a turn of.
        number: The page's number.
        answer: Gives what reads the page, or raises what fetching it ended with.
    """

    __slots__ = ("_answer", "_iteration", "number")

    def __init__(self, iteration: Iteration[T], number: int, answer: Callable[[], Callable[[], Page[T]]]) -> None:
        self._iteration = iteration
        self._answer = answer
        self.number = number

    @property
    def is_beyond_end(self) -> bool:
        """Whether an earlier turn was judged to be the last one, so that nobody wants this one."""
        return self.number > self._iteration.end

    def look(self) -> Page[T] | None:
        """The page; None where another try may bring one that can be read, or believed. To be called once.

        Raises:
            AsyncChatError: It could not be fetched; `DecodeError` where it cannot be read, and will be no better.
        """
        read = self._answer()
        del self._answer  # turns cross threads in batches: what has been read is not to stay until a batch is done with
        try:
            page = read()
        except DecodeError as exc:
            if not exc.retryable:
                raise
            return None
        return None if self.number > 1 and self._iteration.walk.doubts(self.number, page) else page

    async def again(self) -> Page[T]:
        """The page, asked for once more.

        Raises:
            AsyncChatError: It could not be fetched, or read; `DecodeError` when it repeats another.
        """
        page = (await self._iteration.ask(self.number))()
        self._iteration.walk.confirm(self.number, page)
        return page

    def judge(self, page: Page[T]) -> Callable[[], None] | None:
        """Believe a page; returns what the event loop has to call for that, if anything."""
        return self._iteration.judge(self.number, page)


class End:
    """Nothing more comes, unless one of the turns before has been judged to bring more."""

    def __init__(self) -> None:
        self.judged = asyncio.Event()


class Iteration(Generic[T]):
    """One iteration of a listing.

    Args:
        source: The listing.
        per_page: Rows to ask for in a page.
        concurrency: Page requests in flight at most.
        ordered: Whether turns are by number, or as pages come.

    Attributes:
        end: The last page's number, once that is certain.
        first: The first page, once it has come.
        walk: Judges pages from then on.
    """

    def __init__(self, source: Source[T], *, per_page: int, concurrency: int, ordered: bool) -> None:
        self._source = source
        self._per_page = per_page
        self._most_pages = 0
        self._slots = asyncio.Semaphore(concurrency)
        self._window = Window(self.ask, concurrency=concurrency, ordered=ordered, path=source.path)
        self.end: float = math.inf
        self.first: Page[T]
        self.walk: Walk[T]

    async def turns(self) -> AsyncGenerator[Turn[T] | End, None]:
        """Each turn from the first page on; and when nothing more comes an `End`, which must be judged too.

        Raises:
            AsyncChatError: At the place of a page that could not be fetched.
        """
        self.first = first = await self._fetch_first()
        self.walk = Walk(first, path=self._source.path)
        self._per_page, self._most_pages = agreed_size(first, self._per_page), first.total_pages
        try:
            self._window.open_until(last_page(first))
            yield Turn(self, 1, lambda: lambda: first)
            while not self._window.is_over:
                while (taken := await self._window.take()) is not None:
                    yield Turn(self, *taken)
                end = End()
                yield end
                await end.judged.wait()
        finally:
            await self._window.aclose()

    async def _fetch_first(self) -> Page[T]:
        first = await self._source.fetch(1, self._per_page)
        if not first.data and first.total_pages > 1:
            first = await self._source.fetch(1, self._per_page)
        return first

    async def ask(self, number: int) -> Callable[[], Page[T]]:
        """What reads a page after the first: there, 404 means past the end as an empty page does.

        Source: the contract's "not documented".
        """
        async with self._slots:  # a page that is asked for again waits for its turn too
            try:
                return await self._source.ask(number, self._per_page)
            except NotFoundError:
                return functools.partial(_nothing, number, self._per_page, self.first.total_pages)

    def judge(self, number: int, page: Page[T]) -> Callable[[], None] | None:
        """Believe a page in its turn; returns what the event loop has to call for that, if anything."""
        if number > 1 and self.walk.ends_at(number, page):
            self.end = min(self.end, number)
            return functools.partial(self._window.end_after, number)
        if page.total_pages <= self._most_pages:
            return None
        self._most_pages = page.total_pages
        return functools.partial(self._window.reach, page.total_pages)

    async def aclose(self) -> None:
        """Cancel what is under way, and wait until it is gone. May be called twice."""
        await self._window.aclose()


def _nothing(number: int, per_page: int, total_pages: int) -> Page[Any]:
    return Page(data=[], page=number, rows_per_page=per_page, total_pages=total_pages, total_rows=0)
