"""A blocking client's life: the first use, closing, being forgotten, forks."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Final, Generic, NoReturn, TypeVar

from asyncchat._sync.call import Call, closed
from asyncchat._sync.thread import LoopThread, load_uvloop
from asyncchat.errors import ConfigurationError

R = TypeVar("R")
Resident = TypeVar("Resident", bound=AbstractAsyncContextManager[Any])

AT_EXIT: Final = 1.0
"""Seconds that an interpreter that ends waits for a client to close."""


def refuse_pickling(item: object) -> NoReturn:
    """Tell that a client's thread, connections and token stay in its process.

    Raises:
        TypeError: Always, as pickle has it.
    """
    raise TypeError(f"a {type(item).__name__} cannot be pickled: make a client in each process, and send ids or rows")


class Bridge(Generic[Resident]):
    """A client, or what else is asynchronous, and the thread that it lives in, which starts with the first call.

    Args:
        make: Makes the asynchronous object; called again in a forked child, which has no such thread.
    """

    is_exiting: ClassVar = False
    """Whether the interpreter ends."""
    noun: ClassVar = "client"
    twin: ClassVar = "asyncchat.AsyncClient"

    def __init__(self, make: Callable[[], Resident]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._thread: LoopThread | None = None
        self._closed = False
        load_uvloop()
        self.resident = make()
        _bridges.add(self)

    def run(self, function: Callable[..., Coroutine[Any, Any, R]], *args: Any, **kwargs: Any) -> R:
        """Run a coroutine function in the loop and wait for it. An interrupt cancels it.

        Raises:
            ConfigurationError: The client is closed, or this is the loop's own thread.
        """
        call: Call[R] = Call(self.thread(function))
        try:
            call.submit(functools.partial(function, *args, **kwargs))
            return call.wait()
        finally:
            call.end()
            del call  # an error of its outcome holds this frame

    def thread(self, twin: Callable[..., Any]) -> LoopThread:
        """The thread, which is started if there is none.

        Args:
            twin: The asynchronous function that is to be called.

        Raises:
            ConfigurationError: The client is closed, or this is the loop's own thread.
        """
        self._refuse_own_loop(twin)
        with self._lock:
            if self._closed:
                raise closed(self.noun)
            if self._thread is None:
                thread = LoopThread(self.resident, self.noun)
                thread.is_exiting = Bridge.is_exiting
                thread.start()
                self._thread = thread
            return self._thread

    def _refuse_own_loop(self, twin: Callable[..., Any]) -> None:
        if self._thread is not None and self._thread.is_current:
            raise ConfigurationError(
                f"the blocking {self.noun} cannot be used from its own event loop, where it would wait for itself: "
                f"use {self.twin} there, and await {twin.__qualname__}"
            )

    def close(self) -> None:
        """Cancel what is under way, close the resident and end the thread. May be called twice.

        Raises:
            ConfigurationError: This is the loop's own thread.
        """
        self._refuse_own_loop(type(self.resident).__aexit__)
        self._closed = True
        if self._thread is not None:
            self._thread.stop()
            self._thread.join()

    @property
    def has_started(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and not self._closed

    def pause(self) -> Callable[[], None] | None:
        """Make the loop stand still, where it holds no lock and imports nothing; the function lets it go on."""
        thread = self._thread
        return None if thread is None or self._closed or thread.is_current else thread.pause()

    def restart_in_child(self) -> None:
        """Begin anew in a forked child, which has no such thread."""
        self._lock = threading.Lock()
        if self._thread is not None:
            # Kept for good: its finalizers would take the parent's sockets out of the epoll that both share.
            _inherited.append(self._thread)
            self._thread.is_lost = True
            self._thread, self.resident = None, self._make()

    def exiting(self) -> None:
        """Answer no call any more, as the interpreter ends; nor will a thread that is only about to start."""
        has_lock = self._lock.acquire(timeout=AT_EXIT)
        if self._thread is not None:
            self._thread.is_exiting = True
        if has_lock:
            self._lock.release()

    def forgotten(self) -> LoopThread | None:
        """Say that nobody closed it, and end the thread without waiting: a finalizer may run wherever it likes."""
        if self._thread is None or self._closed:
            return None
        self._closed = True
        try:
            self.warn()
        finally:
            self._thread.stop()
        return self._thread

    def warn(self) -> None:
        """Warn that nobody closed it."""
        warnings.warn(
            "an asyncchat client was never closed: use `with Client(...)`, or client.close()",
            ResourceWarning,
            stacklevel=3,
            source=self,
        )

    def __del__(self) -> None:
        if hasattr(self, "resident") and not sys.is_finalizing():
            self.forgotten()


_bridges: weakref.WeakSet[Bridge[Any]] = weakref.WeakSet()
_inherited: list[LoopThread] = []
_paused: dict[int, list[Callable[[], None] | None]] = {}
"""How to let loops go on, by the thread that forks."""


def _before_fork() -> None:
    _paused[threading.get_ident()] = [bridge.pause() for bridge in list(_bridges)]


def _after_in_parent() -> None:
    for resume in filter(None, _paused.pop(threading.get_ident(), [])):
        resume()


def _after_in_child() -> None:
    _paused.clear()
    for bridge in list(_bridges):
        bridge.restart_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


@atexit.register
def _close_forgotten() -> None:
    Bridge.is_exiting = True
    for bridge in list(_bridges):
        bridge.exiting()
    threads = [bridge.forgotten() for bridge in list(_bridges)]
    for thread in filter(None, threads):
        with contextlib.suppress(Exception):
            thread.join(AT_EXIT)
