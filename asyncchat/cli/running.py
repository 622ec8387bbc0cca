"""How signals end a command: a coroutine that is cancelled, or a wait that is over."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import signal
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from asyncchat.cli.ending import Terminated

T = TypeVar("T")

_SOUND: Final = (0, 23)
"""Older uvloops leave open the socket of a connect that is cancelled."""


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a new event loop, of uvloop where that is installed (the extra speed).

    SIGINT and SIGTERM cancel it and let it clean up.

    Raises:
        KeyboardInterrupt: SIGINT came.
        Terminated: SIGTERM came.
    """
    told = False

    async def cancellable() -> T:
        task = asyncio.ensure_future(main)

        def on_sigterm() -> None:
            nonlocal told
            told = True
            task.cancel()

        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers, and ends at once
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_sigterm)
        return await task

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(cancellable())
    except asyncio.CancelledError:
        if told:
            raise Terminated from None
        raise


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    with contextlib.suppress(ImportError):
        uvloop: Any = importlib.import_module("uvloop")  # an extra, and heavy
        if tuple(map(int, uvloop.__version__.split(".")[:2])) >= _SOUND:
            factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
            return factory
    return None


class Stop:
    """SIGINT or SIGTERM, waited for in the main thread.

    A handler must not set a `threading.Event`: it may interrupt its own thread where that holds the event's lock, and
    waits for it for ever. `SimpleQueue.put` is reentrant, by its documentation.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[int] = SimpleQueue()

    def listen(self) -> None:
        """Handle both signals from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: self._asked.put(number))

    @property
    def asked(self) -> bool:
        """Whether one has come."""
        return not self._asked.empty()

    def wait(self) -> None:
        """Wait until one comes."""
        self._asked.get()
