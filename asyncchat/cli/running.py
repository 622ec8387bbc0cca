"""Runs a coroutine for a command, so that signals end it cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Terminated(BaseException):
    """SIGTERM came, and what was under way has been cleaned up."""


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a new event loop. SIGINT and SIGTERM cancel it and let it clean up.

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
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        if told:
            raise Terminated from None
        raise
