"""The thread and event loop that a client or receiver lives in, and the calls that other threads make of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import AbstractAsyncContextManager
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar

from asyncchat.errors import ConfigurationError

R = TypeVar("R")

_LEAKING: Final = tuple(f"0.{minor}." for minor in range(23))
"""Versions of uvloop that leave open the socket of a connect that is cancelled."""
GRACE: Final = 0.5
"""Seconds that a caller waits for a call that it cancelled, and after which a waiting one looks for an interrupt."""


def await_item(queue: SimpleQueue[Any]) -> Any:
    """Wait for an item, and look every half a second whether there was an interrupt.

    A signal that comes just before a thread begins to wait does not wake it (nor does any, on Windows).
    """
    while True:
        with contextlib.suppress(Empty):
            return queue.get(timeout=GRACE)


def load_uvloop() -> None:
    """Import uvloop where it is installed.

    Not in the loop's thread: a fork while that imports would leave its child a module that is locked for ever.
    """
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: F401, PLC0415 - an extra, and heavy


def _new_event_loop() -> asyncio.AbstractEventLoop:
    uvloop: Any = sys.modules.get("uvloop")
    if (
        uvloop is None
        or uvloop.__version__.startswith(_LEAKING)
        or type(asyncio.get_event_loop_policy()) is not asyncio.DefaultEventLoopPolicy
    ):
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


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
            self._thread.loop.call_soon_threadsafe(self._begin, function)
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
            self._thread.loop.call_soon_threadsafe(self._cancel)
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
            self._queue.put(self)


class LoopThread:
    """A daemon thread with an event loop, and a resident that is entered and left in one task of it.

    The loop is one of uvloop where that is installed (the extra speed), or of the kind that a policy makes which the
    program has set.

    Args:
        resident: A client, or what else lives in it.
        noun: What to call it.
    """

    def __init__(self, resident: AbstractAsyncContextManager[Any], noun: str) -> None:
        self.resident = resident
        self.noun = noun
        self.loop: asyncio.AbstractEventLoop
        self.calls: set[Call[Any]] = set()
        self.ending = False
        self.is_exiting = False
        """Whether the interpreter ends: then only daemon threads wait for calls, and stand still instead of failing."""
        self.is_lost = False
        """Whether this is a forked child, which has no such thread."""
        self._made: SimpleQueue[asyncio.AbstractEventLoop | BaseException] = SimpleQueue()
        self._done: SimpleQueue[None] = SimpleQueue()
        self._is_abandoned = False
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="asyncchat-loop", daemon=True)

    def start(self) -> None:
        """Start the thread; afterwards calls may be submitted.

        Raises:
            OSError: No event loop can be made, as for want of file descriptors.
        """
        try:
            self._thread.start()
            made = await_item(self._made)
        except BaseException as exc:  # an interrupt, while the thread may have begun: another one is to have it
            self._is_abandoned = True
            self.stop()
            if isinstance(exc.__context__, KeyboardInterrupt):  # it hit where Thread.start releases a lock
                raise KeyboardInterrupt from None
            raise
        if isinstance(made, BaseException):
            raise made

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in it."""
        return threading.current_thread() is self._thread

    def tell(self, function: Callable[[], object]) -> None:
        """Have the loop call a function, and do not wait."""
        if not self.is_lost:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(function)

    def pause(self) -> Callable[[], None]:
        """Make the loop stand still between two callbacks, and wait until it does; not for long, if one is slow.

        Returns:
            A function that lets it go on.
        """
        reached: SimpleQueue[None] = SimpleQueue()
        resumed: SimpleQueue[None] = SimpleQueue()

        def stand_still() -> None:
            reached.put(None)
            resumed.get()

        with contextlib.suppress(RuntimeError, Empty):  # the loop is closed, or a callback is slow
            self.loop.call_soon_threadsafe(stand_still)
            reached.get(timeout=GRACE)
        return functools.partial(resumed.put, None)

    def stop(self) -> None:
        """Cancel what is under way, close the resident and end the thread, and do not wait."""
        with contextlib.suppress(RuntimeError, AttributeError):  # the loop is closed already, or not made yet
            self.loop.call_soon_threadsafe(self._stop.set)

    def join(self, seconds: float | None = None) -> None:
        """Wait until the thread has ended.

        Raises:
            Exception: What closing the resident failed with.
        """
        # Thread.join of Python 3.12 takes a thread for ended once it was interrupted while waiting for it.
        with contextlib.suppress(Empty):
            self._done.put(await_item(self._done) if seconds is None else self._done.get(timeout=seconds))
            self._thread.join(seconds)
        if self._failure is not None:
            raise self._failure

    def _main(self) -> None:
        try:
            self.loop = loop = _new_event_loop()  # here, where no signal interrupts it
        except BaseException as exc:  # noqa: BLE001 - raised by start
            self._made.put(exc)
            return
        self._made.put(loop)
        try:
            loop.run_until_complete(self._live())
            loop.run_until_complete(loop.shutdown_asyncgens())
        except BaseException as exc:  # noqa: BLE001 - raised by join
            self._failure = exc
        finally:
            self.ending = True
            loop.close()
            for call in list(self.calls):
                call.refuse()
            self._done.put(None)

    async def _live(self) -> None:
        if self._is_abandoned:
            return
        await self.resident.__aenter__()
        await self._stop.wait()
        self.ending = True
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self._is_abandoned:
            await self.resident.__aexit__(None, None, None)
