"""Listings: pages fetched side by side, rows handed out one by one."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from asyncchat._window import Walk, Window, agreed_size, last_page
from asyncchat._wire.request import check_count
from asyncchat.errors import ConfigurationError, DecodeError, NotFoundError
from asyncchat.models import Page, RawRow

T = TypeVar("T")

DEFAULT_CONCURRENCY: Final = 8


def _read(read: Callable[[], Page[T]]) -> Page[T] | None:
    """A page that has come; None where another try may bring one that can be read."""
    try:
        return read()
    except DecodeError as exc:
        if not exc.retryable:
            raise
    return None


class Source(Protocol[T]):
    """All that paging knows of a listing."""

    @property
    def path(self) -> str:
        """Which one it is, for errors."""
        ...

    async def fetch(self, page: int, per_page: int) -> Page[T]:
        """One page of it."""
        ...

    async def ask(self, page: int, per_page: int) -> Callable[[], Page[T]]:
        """What reads one page of it, once that has come."""
        ...


class AsyncPager(Generic[T]):
    """A listing. Making one sends nothing; it can be iterated again and again, each time from the first page.

    * `async for row in pager`: every row, pages being fetched side by side;
    * `await pager`: the first page;
    * `async for page in pager.pages()`, `await pager.page(n)`, `await pager.count()`, `await pager.collect()`;
    * `async with pager` or `await pager.aclose()`: end every iteration under way.

    Leaving a loop early cancels what is under way and sends nothing more. An error is raised at the place of the page
    that it hit: rows before it have been handed out.
    """

    def __init__(
        self,
        source: Source[T],
        raw: Callable[[], Source[RawRow]],
        *,
        per_page: int,
        concurrency: int | None,
        ordered: bool,
    ) -> None:
        self._source = source
        self._raw = raw
        self._per_page = check_count(per_page, "per_page")
        self._concurrency = DEFAULT_CONCURRENCY if concurrency is None else check_count(concurrency, "concurrency")
        if not isinstance(ordered, bool):
            raise ConfigurationError(f"ordered takes True or False, not {ordered!r:.80}")
        self._ordered = ordered
        self._open: weakref.WeakSet[Window[Callable[[], Page[T]]]] | None = (
            None  # few pagers are iterated by many tasks, most by none
        )

    def __repr__(self) -> str:
        how = f"per_page={self._per_page}, concurrency={self._concurrency}, ordered={self._ordered}"
        return f"AsyncPager({self._source!r}, {how})"

    def __await__(self) -> Generator[Any, Any, Page[T]]:
        return self.page(1).__await__()

    async def page(self, number: int) -> Page[T]:
        """One page.

        Args:
            number: From 1. Past the end, the answer is an empty page or `NotFoundError`, as the server likes.

        Raises:
            AsyncChatError: The page could not be fetched.
        """
        return await self._source.fetch(check_count(number, "number"), self._per_page)

    async def count(self) -> int:
        """How many rows the server counts under the same filters, with one request.

        Raises:
            AsyncChatError: The server could not be asked.
        """
        return (await self._source.fetch(1, 1)).total_rows

    async def collect(self) -> list[T]:
        """Every row, in a list.

        Raises:
            AsyncChatError: A page could not be fetched.
        """
        return [row async for page in self.pages() for row in page.data]

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        async with contextlib.aclosing(self.pages()) as pages:
            async for page in pages:
                for row in page.data:
                    yield row

    async def pages(self) -> AsyncGenerator[Page[T], None]:
        """Every page, the first one even when it is empty; by number, or as they come with `ordered=False`.

        Raises:
            AsyncChatError: At the place of a page that could not be fetched; `DecodeError` when a page repeats another.
        """
        first = await self._first()
        per_page = agreed_size(first, self._per_page)

        slots = asyncio.Semaphore(self._concurrency)

        async def ask(number: int) -> Callable[[], Page[T]]:
            async with slots:  # a page that is asked for again waits for its turn too
                return await self._ask_further(number, per_page, first.total_pages)

        walk = Walk(first, path=self._source.path)
        window = Window(ask, concurrency=self._concurrency, ordered=self._ordered, path=self._source.path)
        if self._open is None:
            self._open = weakref.WeakSet()
        self._open.add(window)
        try:
            window.open_until(last_page(first))
            yield first
            while (taken := await window.take()) is not None:
                number, read = taken
                page = _read(read)
                if page is None or walk.doubts(number, page):
                    page = (await ask(number))()
                    walk.confirm(number, page)
                if walk.ends_at(number, page):
                    window.end_after(number)
                else:
                    window.reach(page.total_pages)
                if page.data:
                    yield page
        finally:
            await window.aclose()

    async def _first(self) -> Page[T]:
        first = await self._source.fetch(1, self._per_page)
        if not first.data and first.total_pages > 1:
            first = await self._source.fetch(1, self._per_page)
        return first

    async def _ask_further(self, number: int, per_page: int, total_pages: int) -> Callable[[], Page[T]]:
        """A page after the first: there, 404 means past the end as an empty page does (contract, "not documented")."""
        try:
            return await self._source.ask(number, per_page)
        except NotFoundError:
            return lambda: Page(data=[], page=number, rows_per_page=per_page, total_pages=total_pages, total_rows=0)

    def raw(self) -> AsyncPager[RawRow]:
        """The same listing with its rows as they were sent: for bulk jobs that pass JSON on untouched."""
        source = self._raw()
        return AsyncPager(
            source, lambda: source, per_page=self._per_page, concurrency=self._concurrency, ordered=self._ordered
        )

    async def aclose(self) -> None:
        """End every iteration of this pager that is under way. May be called twice."""
        for window in list(self._open or ()):
            await window.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
