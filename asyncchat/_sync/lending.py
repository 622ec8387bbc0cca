"""Who runs the event loop: its own thread, or for moments a consumer that waits for what the loop makes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final

from asyncchat._sync.interrupts import HeldBack
from asyncchat._sync.places import Places

LONGEST: Final = 0.01
"""Seconds that nobody runs a lent loop at most, and that a borrower runs it at most: twice as long as Python lets a
thread that computes keep others waiting."""

GLANCE: Final = 5 * LONGEST
"""Seconds between glances at a loop that is borrowed again and again: each takes the interpreter from the borrower."""

_Given = list[tuple[SimpleQueue[Any], Any]]


class Lending:
    """An event loop that its thread lends to a blocking consumer, and takes back when others need it.

    Two threads that both have something to do take the interpreter from each other: every answer that comes wakes the
    loop's, and each of its system calls lets the other one go on. So the loop's thread steps aside when it has handed
    something over. Its consumer works on that, and while it waits for more it runs the loop itself, with no other
    thread to wake. Anyone who has something for the loop asks for it, and then it goes on in its own thread.

    What runs a loop holds a token. There is one, in `_free` while nobody runs it.

    Args:
        loop: The event loop.
        is_shared: Whether others than one consumer need it now.

    Attributes:
        runner: The thread that runs it, or is to.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, is_shared: Callable[[], bool]) -> None:
        self.runner = threading.get_ident()
        self._loop = loop
        self._is_shared = is_shared
        self._places = Places(loop)
        self._given: _Given = []
        self._free: SimpleQueue[None] = SimpleQueue()
        self._asks: SimpleQueue[None] = SimpleQueue()
        self._is_lent = False
        self._is_asked = False
        self._free_since = 0.0
        self._awaited: SimpleQueue[Any] | None = None
        self._failure: OSError | None = None

    def run(self, task: asyncio.Task[Any]) -> None:
        """Run the loop until a task has ended, but for when it is lent. Called in the loop's thread.

        Raises:
            Exception: What the task raised.
            OSError: What `borrow` failed with.
        """
        task.add_done_callback(lambda _: self._loop.stop())
        try:
            while not task.done():
                self._loop.run_forever()
                if self._given:
                    self._lend()
                if self._failure is not None:
                    raise self._failure
        finally:
            _deliver(self._given)
        task.result()

    def hand_over(self, queue: SimpleQueue[Any], item: Any, *, lend: bool = False) -> None:
        """Put something where another thread waits for it. Called in the loop.

        Args:
            queue: Where. Whoever runs the loop while it waits there runs it no longer.
            item: What.
            lend: Whether to lend the loop with it: when its taker needs the loop, it asks for it, or borrows it.
        """
        if self._given or (lend and self._awaited is None and not self._is_shared()):
            self._given.append((queue, item))  # once the loop has stopped: to take it wakes the other thread
            self._loop.stop()
        else:
            queue.put(item)
            if self._awaited is queue:
                self._loop.stop()

    @property
    def is_borrowed(self) -> bool:
        """Whether a consumer runs it now."""
        return self._awaited is not None

    def ask(self) -> None:
        """Have the loop's own thread run it, if it is lent. May be called in any thread, and with any lock held."""
        if self._is_lent:
            self._is_asked = True
            self._asks.put(None)
            if self._awaited is not None:
                self._stop()

    def borrow(self, queue: SimpleQueue[Any], first: Callable[[], object]) -> None:
        """Run the loop in this thread, until something is in a queue, or others need it, or for a while.

        Where this thread cannot run it, its own is asked to.

        Args:
            queue: Where something is awaited.
            first: What the loop is to call before anything else.

        Raises:
            BaseException: What a signal's handler raised, such as KeyboardInterrupt.
            OSError: It cannot be run here, nor anywhere any more: see `Places`.
        """
        if self._is_lent and self._places.has_this():
            with HeldBack(self._stop):
                self._run_for(queue, first)
        else:
            self._have_called(first)
            self.ask()

    def _run_for(self, queue: SimpleQueue[Any], first: Callable[[], object]) -> None:
        try:
            self._free.get_nowait()
        except Empty:
            self._have_called(first)
            return self.ask()
        self._loop.call_soon(first)
        own, self.runner, self._awaited = self.runner, threading.get_ident(), queue
        try:
            if not self._is_asked:  # looked at after it can be seen that the loop is to be stopped
                self._run_for_a_while()
        finally:
            self.runner, self._awaited, self._free_since = own, None, time.monotonic()
            self._free.put(None)
            if self._is_asked or self._is_shared() or queue.empty():
                self.ask()

    def _run_for_a_while(self) -> None:
        timers: list[asyncio.TimerHandle] = []
        self._loop.call_soon(lambda: timers.append(self._loop.call_later(LONGEST, self._loop.stop)))
        try:
            self._loop.run_forever()
        except OSError as exc:
            self._failure = exc
            raise
        finally:
            for timer in timers:
                timer.cancel()

    def _stop(self) -> None:
        self._have_called(self._loop.stop)

    def _have_called(self, function: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(function)

    def _lend(self) -> None:
        while not self._asks.empty():
            self._asks.get()
        self._is_asked, self._is_lent = False, True
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()  # for whoever had something for it before they could see that it is lent
        given, self._given, self._free_since = self._given, [], time.monotonic()
        self._free.put(None)  # before it is delivered: whoever takes that may borrow the loop at once
        _deliver(given)
        if self._is_shared():
            self.ask()
        self._take_back()
        self._is_lent = False

    def _take_back(self) -> None:
        patience = LONGEST
        while not self._is_asked:
            with contextlib.suppress(Empty):
                self._asks.get(timeout=patience)
            if time.monotonic() - self._free_since >= LONGEST:
                with contextlib.suppress(Empty):
                    return self._free.get_nowait()
            patience = GLANCE
        return self._free.get()


def _deliver(given: _Given) -> None:
    """Put each item in its queue, in order."""
    for queue, item in given:
        queue.put(item)
