"""A background: an event loop in a thread of its own, around one async context manager."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

S = TypeVar("S")
T = TypeVar("T")


class Background(Generic[S]):
    """Enters a context manager in a new thread's loop and holds it until it is told to stop.

    Args:
        enter: Makes the context manager; called in the thread.
        name: The name of the thread.

    Attributes:
        ready: What the context manager gave, or why it could not be entered.
        done: Done when the context manager has been left, with what went wrong in it after it was ready.
    """

    def __init__(self, enter: Callable[[], AbstractAsyncContextManager[S]], name: str) -> None:
        self.ready: Future[S] = Future()
        self.done: Future[None] = Future()
        self._stop: Future[None] = Future()
        for future in (self.ready, self.done):
            future.set_running_or_notify_cancel()  # who waits for it in a task may be cancelled; it may not
        self._enter = enter
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            asyncio.run(self._hold())
        except BaseException as error:  # noqa: BLE001 - it is handed to the thread that waits
            if self.ready.done():
                self.done.set_exception(error)
                return
            self.ready.set_exception(error)
        self.done.set_result(None)

    async def _hold(self) -> None:
        async with self._enter() as entered:
            self._loop = asyncio.get_running_loop()
            self.ready.set_result(entered)
            await asyncio.wrap_future(self._stop)

    def stop(self) -> Future[None]:
        """Ask it to leave, and give `done`; asking again does no harm."""
        if not self._stop.done():
            self._stop.set_result(None)
        return self.done

    def join(self) -> None:
        """Wait until the thread has ended, and raise what went wrong in it."""
        self._thread.join()
        self.done.result()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the thread's loop; it is cancelled when the background stops.

        Raises:
            RuntimeError: If the background has stopped.
        """
        if self._loop is None or self._stop.done():
            coroutine.close()
            raise RuntimeError("what ran in the background has stopped: start it again")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in the thread, between two steps of its loop, and give its result.

        Raises:
            RuntimeError: If the background has stopped.
        """
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(function())
            except BaseException as error:  # noqa: BLE001 - it is handed to the thread that waits
                result.set_exception(error)

        if self._loop is None or self._stop.done():
            raise RuntimeError("what ran in the background has stopped: start it again")
        self._loop.call_soon_threadsafe(run)
        either: tuple[Future[Any], Future[Any]] = (result, self.done)
        wait(either, return_when=FIRST_COMPLETED)
        if not result.done():
            raise RuntimeError("what ran in the background has stopped: start it again")
        return result.result()
