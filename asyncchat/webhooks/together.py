"""Does with one commit what comes at once: an inbox takes many times as many events so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from asyncchat.errors import WebhookError

T = TypeVar("T")

_AT_ONCE: Final = 500


class Together(Generic[T]):
    """Calls a function in a thread, with all that has come while it was called before.

    Args:
        function: Is called with up to 500 items; all of them are in the same case.
    """

    def __init__(self, function: Callable[[Sequence[T]], Any]) -> None:
        self._function = function
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Take items, also after it was closed."""
        self._closed = False

    async def add(self, item: T) -> None:
        """Have the function called with an item, and wait until it was.

        Raises:
            WebhookError: It is closed.
            Exception: What the function raised.
        """
        if self._closed:
            raise WebhookError("the receiver is closed: send it again later")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())
        await asyncio.shield(future)  # who is cancelled, as its sender has gone, leaves the others theirs

    async def aclose(self) -> None:
        """Let what waits be done, and take nothing more."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                error = await asyncio.to_thread(self._call, [item for item, _ in batch])
                for _, future in batch:
                    if error is None:
                        future.set_result(None)
                    else:
                        future.set_exception(error)
                        future.exception()  # is not told of where nobody waits any more
        finally:
            self._task = None

    def _call(self, items: Sequence[T]) -> Exception | None:
        try:
            self._function(items)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is for those who wait
            return exc
        return None
