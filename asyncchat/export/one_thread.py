"""A thread for a destination that blocks: the event loop never waits for a disk or a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio

from asyncchat.errors import ExportError

T = TypeVar("T")


class OneThread:
    """Calls functions in a thread, one after the other.

    Args:
        name: What they are done to, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asyncchat-export")

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function. Who is cancelled meanwhile waits for its end, and is cancelled then.

        anyio's `to_thread.run_sync` is not left by its own cancellations, but by those of asyncio.

        Raises:
            ExportError: The system failed, such as by a full disk.
            Exception: What the function raised otherwise.
        """
        future = asyncio.wrap_future(self._thread.submit(function))
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):
            while not future.done():
                try:
                    await asyncio.wait([future])
                except asyncio.CancelledError as exc:
                    cancelled = exc
        if cancelled is not None:
            future.exception()  # is not told: the cancellation goes before
            raise cancelled
        try:
            return future.result()
        except OSError as exc:
            raise _unwritable(self._name, exc) from None

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False)


def _unwritable(name: str, exc: OSError) -> ExportError:
    return ExportError(
        f"{name} cannot be written ({exc.strerror or exc}): what was committed is kept. Make room, or mend it; "
        "the same command then goes on from there"
    )
