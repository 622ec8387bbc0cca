"""One coroutine function on its way from a blocking caller to the loop, and its outcome on the way back."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from asyncchat.errors import ConfigurationError

if TYPE_CHECKING:
    from asyncchat._sync.thread import LoopThread

R = TypeVar("R")

GRACE: Final = 0.5
"""Seconds that a caller waits for a call that it cancelled, and after which a waiting one looks for an interrupt."""


def await_item(queue: SimpleQueue[Any]) -> Any:
    """Wait for an item, and look every half a second whether there was an interrupt.

    A signal that comes just before a thread begins to wait does not wake it (nor does any, on Windows).
    """
    while True:
        with contextlib.suppress(Empty):
            return queue.get(timeout=GRACE)


def closed(noun: str) -> ConfigurationError:
    """What a call gets of a client, or what else it is, that is closed."""
    return ConfigurationError(f"this {noun} is closed: make a new one, or stay inside `with`")


class Call(Generic[R]):
    """One coroutine function on its way through the loop.

    What both threads wait at is a `SimpleQueue`: an interrupt may leave a caller with the lock of a `Future`, for whose
    release the loop would wait for ever.

    Args:
        thread: Where it is to run.
        queue: Where it is put when it has ended.
    """

    def __init__(self, thread: LoopThread, queue: SimpleQueue[Any] | None = None) -> None:
        self._thread = thread
        self._queue: SimpleQueue[Any] = queue or SimpleQueue()
        self._task: asyncio.Task[None] | None = None
        self._has_ended = False
        self._error: BaseException | None = None
        self._result: R

    def submit(self, function: Callable[[], Coroutine[Any, Any, R]]) -> None:
        """Hand it to the loop, where the function is called and awaited.

        Raises:
            ConfigurationError: The client is closed.
        """
        self._thread.calls.add(self)  # before it is handed over: an ending thread answers all that it finds here
        try:
            self._thread.call_soon(self._begin, function)
        except RuntimeError:  # the loop is closed
            self._thread.calls.discard(self)
            raise closed(self._thread.noun) from None

    def wait(self) -> R:
        """Wait until it has ended; for calls that have a queue of their own.

        Raises:
            BaseException: What the function raised.
        """
        await_item(self._queue)
        return self.result()

    def result(self) -> R:
        """What it gave, after its end.

        Raises:
            BaseException: What the function raised.
        """
        if self._error is None:
            return self._result
        try:
            raise self._error
        finally:
            self._error = None  # it holds this frame

    def end(self) -> None:
        """Cancel it if it has not ended, and wait until it has given back what it held.

        A finalizer may call this in any thread, and with any lock held: the wait is short, and none in the loop's own.
        """
        if self._has_ended or self._thread.is_lost:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: all has ended
            self._thread.call_soon(self._cancel)
        if not self._thread.is_current and not sys.is_finalizing():
            with contextlib.suppress(Empty):
                while self._queue.get(timeout=GRACE) is not self:
                    pass

    def refuse(self) -> None:
        """End it, if it has not ended, because the client is closed."""
        if not self._thread.is_exiting:
            self._settle(closed(self._thread.noun))

    def _begin(self, function: Callable[[], Coroutine[Any, Any, R]]) -> None:
        if self._thread.ending:
            self.refuse()
        else:
            self._task = self._thread.loop.create_task(self._carry(function))
            self._task.add_done_callback(self._ended)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _carry(self, function: Callable[[], Coroutine[Any, Any, R]]) -> None:
        try:
            self._result = await function()
        except asyncio.CancelledError:
            return  # told by _ended, as of a task that is cancelled before its first step
        except BaseException as exc:  # noqa: BLE001 - an exit asked for in a hook is the caller's, and ends no loop
            self._settle(exc)
        else:
            self._settle()

    def _ended(self, _: asyncio.Task[None]) -> None:
        if self._thread.ending:
            self.refuse()
        else:
            self._settle(CancelledError())

    def _settle(self, error: BaseException | None = None) -> None:
        if not self._has_ended:
            self._error = error
            self._has_ended = True
            self._thread.calls.discard(self)
            self._thread.lending.hand_over(self._queue, self)
