"""A listing, read by blocking code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, NoReturn, Self, TypeVar

from asyncchat._client import AsyncClient
from asyncchat._paging import AsyncPager
from asyncchat._sync.bridge import Bridge, refuse_pickling
from asyncchat._sync.flow import cross
from asyncchat._sync.thread import LoopThread
from asyncchat._turns import End, Turn
from asyncchat.models import Page, RawRow

T = TypeVar("T")


class Pager(Generic[T]):
    """A listing, read by blocking code: the twin of `AsyncPager`. Making one sends nothing.

    * `for row in pager`: every row; pages are fetched ahead, side by side, while the loop works;
    * `for page in pager.pages()`, `pager.page(n)`, `pager.count()`, `pager.collect()`.
    """

    def __init__(self, bridge: Bridge[AsyncClient], make: Callable[[AsyncClient], AsyncPager[T]]) -> None:
        self._bridge = bridge
        self._make = make
        self._client = bridge.resident
        self._made = make(bridge.resident)

    @property
    def _pager(self) -> AsyncPager[T]:
        if self._client is not self._bridge.resident:  # this is a forked child
            self._client, self._made = self._bridge.resident, self._make(self._bridge.resident)
        return self._made

    def __repr__(self) -> str:
        return repr(self._pager).removeprefix("Async")

    def __reduce__(self) -> NoReturn:
        refuse_pickling(self)

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.data

    def pages(self) -> Iterator[Page[T]]:
        """Every page, the first one even when it is empty.

        Raises:
            AsyncChatError: At the place of a page that could not be fetched.
        """
        pager = self._pager
        thread = self._bridge.thread(pager.pages)
        crossing = cross(thread, pager.turns, urgent=End, borrows=not pager.runs_user_code)
        with contextlib.closing(crossing) as turns:
            for turn in turns:
                if isinstance(turn, End):
                    thread.tell(turn.judged.set)
                elif not turn.is_beyond_end:
                    page = self._judged(turn, thread)
                    if page.data or turn.number == 1:
                        yield page

    def _judged(self, turn: Turn[T], thread: LoopThread) -> Page[T]:
        page = turn.look()
        if page is None:
            page = self._bridge.run(turn.again)
        heed = turn.judge(page)
        if heed is not None:
            thread.tell(heed)
        return page

    def page(self, number: int) -> Page[T]:
        """One page, from 1.

        Raises:
            AsyncChatError: The page could not be fetched.
        """
        return self._bridge.run(self._pager.page, number)

    def count(self) -> int:
        """How many rows the server counts under the same filters, with one request.

        Raises:
            AsyncChatError: The server could not be asked.
        """
        return self._bridge.run(self._pager.count)

    def collect(self) -> list[T]:
        """Every row, in a list.

        Raises:
            AsyncChatError: A page could not be fetched.
        """
        return self._bridge.run(self._pager.collect)

    def raw(self) -> Pager[RawRow]:
        """The same listing with its rows as they were sent."""
        make = self._make
        return Pager(self._bridge, lambda client: make(client).raw())

    def close(self) -> None:
        """End every iteration of this pager that is under way. May be called twice."""
        self._bridge.run(self._pager.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
