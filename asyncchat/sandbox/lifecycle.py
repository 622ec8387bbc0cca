"""The lifecycle: something that serves from a thread of its own, started and stopped from sync or async code."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from asyncchat.sandbox.background import Background

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

S = TypeVar("S")


class Lifecycle(ABC, Generic[S]):
    """Used as `with thing:`, as `async with thing:`, or between `start()` and `stop()`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._background: Background[S] | None = None

    @abstractmethod
    def _prepare(self) -> tuple[AbstractAsyncContextManager[S], str]:
        """Get ready in the caller's thread: what to enter in the new thread, and the thread's name."""

    def start(self) -> None:
        """Generate the rows and begin to answer; does nothing if it runs already.

        Raises:
            OSError: If the port cannot be had.
            ValueError: If the database holds something else.
        """
        background = self._launch()
        try:
            background.ready.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Close every connection and end the thread; does nothing if it does not run."""
        background, self._background = self._background, None
        if background is not None:
            background.stop()
            background.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        background = self._launch()
        try:
            await asyncio.wrap_future(background.ready)
        except BaseException:
            await self._stop_async()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop_async()

    async def _stop_async(self) -> None:
        background, self._background = self._background, None
        if background is not None:
            await asyncio.shield(asyncio.wrap_future(background.stop()))
            background.join()

    def _running(self) -> Background[S]:
        if self._background is None:
            raise RuntimeError("the sandbox is not running: use it as `with Sandbox() as box:`, or call start()")
        return self._background

    def _launch(self) -> Background[S]:
        with self._lock:
            if self._background is None:
                context, name = self._prepare()
                self._background = Background(lambda: context, name)
            return self._background
