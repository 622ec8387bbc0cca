"""The thread and event loop that a blocking client lives in."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack
from typing import Any, TypeVar

from anyio import CancelScope
from anyio.from_thread import BlockingPortal, start_blocking_portal

from asyncchat._client import AsyncClient
from asyncchat.errors import ConfigurationError

R = TypeVar("R")


async def _until(stop: Future[None], function: Callable[..., Coroutine[Any, Any, R]], *args: object) -> R:
    """Run a coroutine function, and cancel it once `stop` is set by another thread."""
    loop = asyncio.get_running_loop()
    with CancelScope() as scope:

        def cancel(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: all has ended
                loop.call_soon_threadsafe(scope.cancel)

        stop.add_done_callback(cancel)
        return await function(*args)
    raise CancelledError


class Bridge:
    """A client, and the thread with the event loop that it lives in. The thread starts with the first call.

    Args:
        make: Makes the asynchronous client; called again in a forked child, which has no such thread.
    """

    def __init__(self, make: Callable[[], AsyncClient]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._stack: ExitStack | None = None
        self._portal: BlockingPortal | None = None
        self._thread = 0
        self._inherited: object = None
        self._closed = False
        self.client = make()
        _bridges.add(self)

    def run(self, function: Callable[..., Coroutine[Any, Any, R]], *args: object) -> R:
        """Run a coroutine function in the loop and wait for it. An interrupt cancels it.

        Raises:
            ConfigurationError: The client is closed, or this is the loop's own thread.
        """
        self._refuse_own_loop()
        portal = self._ready_portal()
        interrupted: Future[None] = Future()  # before the call begins: an interrupt may come while it is handed over
        try:
            future: Future[R] = portal.start_task_soon(_until, interrupted, function, *args)
            return future.result()
        except BaseException:
            interrupted.set_result(None)
            raise

    def _refuse_own_loop(self) -> None:
        if self._portal is not None and threading.get_ident() == self._thread:
            raise ConfigurationError(
                "the blocking client cannot be used from its own event loop, where it would wait for itself: "
                "use asyncchat.AsyncClient there"
            )

    def _ready_portal(self) -> BlockingPortal:
        with self._lock:
            if self._closed:
                raise ConfigurationError("this client is closed: make a new one, or stay inside `with`")
            if self._portal is None:
                self._stack = ExitStack()
                self._portal = self._stack.enter_context(start_blocking_portal("asyncio", name="asyncchat-loop"))
                self._thread = self._portal.call(threading.get_ident)
                self._stack.enter_context(self._portal.wrap_async_context_manager(self.client))
            return self._portal

    def close(self) -> None:
        """Close the client and end the thread. May be called twice.

        Raises:
            ConfigurationError: This is the loop's own thread.
        """
        self._refuse_own_loop()
        with self._lock:
            self._closed, stack, self._stack, self._portal = True, self._stack, None, None
        if stack is not None:
            stack.close()

    def restart_in_child(self) -> None:
        """Begin anew in a forked child, which has no such thread."""
        self._lock = threading.Lock()
        if self._portal is not None:
            # Kept for good: their finalizers would take the parent's sockets out of the epoll that both share.
            self._inherited = (self._portal, self._stack, self.client, self._inherited)
            self._portal, self._stack, self.client = None, None, self._make()

    @property
    def is_open(self) -> bool:
        """Whether the thread runs."""
        return self._portal is not None

    def forgotten(self) -> None:
        """Close what nobody closed, and say so."""
        if not self.is_open or threading.get_ident() == self._thread:
            return
        try:
            warnings.warn(
                "an asyncchat client was never closed: use `with Client(...)`, or client.close()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
        finally:
            self.close()

    def __del__(self) -> None:
        if hasattr(self, "client") and not sys.is_finalizing():
            self.forgotten()


_bridges: weakref.WeakSet[Bridge] = weakref.WeakSet()


def _restart_in_child() -> None:
    for bridge in list(_bridges):
        bridge.restart_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_in_child)


@atexit.register
def _close_forgotten() -> None:
    for bridge in list(_bridges):
        bridge.forgotten()
