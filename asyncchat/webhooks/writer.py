"""Writes events that come at once with one commit: an inbox takes many times as many of them so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from asyncchat.errors import WebhookError
from asyncchat.webhooks.inbox import Inbox

_AT_ONCE: Final = 500


class Writer:
    """Adds events to an inbox, in a thread; whoever waits for one goes on when it is on the disk.

    Args:
        inbox: Where they go.
        now: Tells the time, in seconds since the epoch.
    """

    def __init__(self, inbox: Inbox, now: Callable[[], float]) -> None:
        self._inbox = inbox
        self._now = now
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Take events, also after it was closed."""
        self._closed = False

    async def add(self, body: bytes) -> None:
        """Keep an event.

        Raises:
            WebhookError: The inbox took it not.
        """
        if self._closed:
            raise WebhookError("the receiver is closed: send it again later")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((body, future))
        if self._task is None:
            self._task = asyncio.ensure_future(self._write())
        await asyncio.shield(future)  # who is cancelled, as its sender has gone, leaves the others theirs

    async def reject(self, body: bytes, reason: str) -> None:
        """Keep aside what is no event.

        Raises:
            WebhookError: The inbox took it not.
        """
        await asyncio.to_thread(self._inbox.reject, body, reason, self._now())

    async def aclose(self) -> None:
        """Write what waits, and take nothing more."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                error = await asyncio.to_thread(self._add, [body for body, _ in batch])
                for _, future in batch:
                    if error is None:
                        future.set_result(None)
                    else:
                        future.set_exception(error)
                        future.exception()  # is not told of where nobody waits any more
        finally:
            self._task = None

    def _add(self, bodies: list[bytes]) -> WebhookError | None:
        try:
            self._inbox.add(bodies, self._now())
        except WebhookError as exc:
            return exc
        return None
