"""The thread and event loop that a client or receiver lives in."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from queue import Empty, SimpleQueue
from typing import Any, Final

from asyncchat._sync.call import GRACE, Call, await_item
from asyncchat._sync.lending import Lending

_LEAKING: Final = tuple(f"0.{minor}." for minor in range(23))
"""Versions of uvloop that leave open the socket of a connect that is cancelled."""


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
        self.lending: Lending
        self.ending = False
        self.is_exiting = False
        """Whether the interpreter ends: then only daemon threads wait for calls, and stand still instead of failing."""
        self.is_lost = False
        """Whether this is a forked child, which has no such thread."""
        self._made: SimpleQueue[asyncio.AbstractEventLoop | BaseException] = SimpleQueue()
        self._done: SimpleQueue[None] = SimpleQueue()
        self._is_abandoned = False
        self._is_over = False
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
        """Whether the caller runs in its loop, which other threads borrow."""
        return hasattr(self, "lending") and threading.get_ident() == self.lending.runner

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Have the loop call a function, at once.

        Raises:
            RuntimeError: The loop is closed.
        """
        if self._is_over:
            raise RuntimeError("the event loop is closed")
        self.loop.call_soon_threadsafe(self._call, function, args)
        self.lending.ask()

    def _call(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        function(*args)
        self.lending.ask()  # it may be lent since, and has something to go on with

    def tell(self, function: Callable[[], object]) -> None:
        """Have the loop call a function, and do not wait."""
        if not self.is_lost:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self.call_soon(function)

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
            self.call_soon(stand_still)
            reached.get(timeout=GRACE)
        return functools.partial(resumed.put, None)

    def stop(self) -> None:
        """Cancel what is under way, close the resident and end the thread, and do not wait."""
        with contextlib.suppress(RuntimeError, AttributeError):  # the loop is closed already, or not made yet
            self.call_soon(self._stop.set)

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
            self.lending = Lending(loop, lambda: len(self.calls) > 1)
        except BaseException as exc:  # noqa: BLE001 - raised by start
            self._made.put(exc)
            return
        self._made.put(loop)
        try:
            self.lending.run(loop.create_task(self._live()))
        except BaseException as exc:  # noqa: BLE001 - raised by join
            self._failure = exc
        finally:
            self.ending = True
            self._is_over = True
            with contextlib.suppress(RuntimeError):  # one of uvloop that found no file descriptors in another thread
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
        await self.loop.shutdown_asyncgens()
