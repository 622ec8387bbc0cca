"""Listings: pages fetched side by side, rows handed out one by one."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from asyncchat._turns import End, Iteration, Source, Turn
from asyncchat._wire.request import check_count
from asyncchat.errors import ConfigurationError
from asyncchat.models import Page, RawRow

T = TypeVar("T")

DEFAULT_CONCURRENCY: Final = 8


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
        self._open: weakref.WeakSet[Iteration[T]] | None = None  # few pagers are iterated by many tasks, most by none

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
        async with contextlib.aclosing(self.turns()) as turns:
            async for turn in turns:
                if isinstance(turn, End):
                    turn.judged.set()
                    continue
                page = turn.look()
                if page is None:
                    page = await turn.again()
                heed = turn.judge(page)
                if heed is not None:
                    heed()
                if page.data or turn.number == 1:
                    yield page

    @property
    def runs_user_code(self) -> bool:
        """Whether something of the user's runs while it is iterated, such as a hook."""
        return self._source.runs_user_code

    def turns(self) -> AsyncGenerator[Turn[T] | End, None]:
        """What `pages` is made of, for a shim that reads pages in another thread: see `Turn`."""
        iteration = Iteration(
            self._source, per_page=self._per_page, concurrency=self._concurrency, ordered=self._ordered
        )
        if self._open is None:
            self._open = weakref.WeakSet()
        self._open.add(iteration)
        return iteration.turns()

    def raw(self) -> AsyncPager[RawRow]:
        """The same listing with its rows as they were sent: for bulk jobs that pass JSON on untouched."""
        source = self._raw()
        return AsyncPager(
            source, lambda: source, per_page=self._per_page, concurrency=self._concurrency, ordered=self._ordered
        )

    async def aclose(self) -> None:
        """End every iteration of this pager that is under way. May be called twice."""
        for iteration in list(self._open or ()):
            await iteration.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
