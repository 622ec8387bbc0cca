"""Hands events of an inbox to handlers, so many at once, each until it has been handled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from asyncchat.errors import WebhookError
from asyncchat.webhooks.dispatch import Event
from asyncchat.webhooks.events import parse_event
from asyncchat.webhooks.inbox import Inbox
from asyncchat.webhooks.stored import Stored

_log: Final = logging.getLogger("asyncchat.webhooks")

_LEASE: Final = 2.0
"""Times a handler's timeout after which somebody else may have its event: who had it is gone."""
_LONGEST_WAIT: Final = 60.0
_BROKEN_SECONDS: Final = 1.0
"""How long an inbox that failed is left alone."""


class HandOver:
    """Takes events from an inbox and calls a handler with each.

    Args:
        inbox: Where they are.
        handle: Is called with each.
        worker: What this process is called in the inbox.
        concurrency: Events at once.
        timeout: Seconds that handling one may take.
        now: Tells the time, in seconds since the epoch.
    """

    def __init__(
        self,
        inbox: Inbox,
        handle: Callable[[Event], Awaitable[None]],
        *,
        worker: str,
        concurrency: int,
        timeout: float,
        now: Callable[[], float],
    ) -> None:
        self._inbox = inbox
        self._handle = handle
        self._worker = worker
        self._concurrency = concurrency
        self._timeout = timeout
        self._now = now
        self._task: asyncio.Task[None] | None = None
        self._working: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._closed = False

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.ensure_future(self._run())

    def wake(self) -> None:
        """Look for events at once."""
        self._woken.set()

    async def aclose(self) -> None:
        """Take no more events, and let those that are being handled come to their end."""
        self._closed = True
        self.wake()
        tasks = [*self._working, *([] if self._task is None else [self._task])]
        if tasks:
            await asyncio.wait(tasks)
        if self._working:
            await asyncio.wait(self._working)

    async def _run(self) -> None:
        while not self._closed:
            self._woken.clear()
            try:
                wait = await self._take()
            except WebhookError as exc:
                _log.warning("%s", exc)
                wait = _BROKEN_SECONDS
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), wait)

    async def _take(self) -> float:
        """Take what is due and begin to handle it; returns how long to wait for more, unless woken."""
        free = self._concurrency - len(self._working)
        if free <= 0:
            return _LONGEST_WAIT  # whoever has done wakes
        now, lease = self._now(), self._timeout * _LEASE
        taken = await asyncio.to_thread(self._inbox.take, self._worker, now, most=free, lease=lease)
        for stored in taken:
            task = asyncio.ensure_future(self._hand_over(stored))
            self._working.add(task)
            task.add_done_callback(self._has_done)
        if taken:
            return 0.0
        due = await asyncio.to_thread(self._inbox.next_due, self._now())
        return _LONGEST_WAIT if due is None else min(_LONGEST_WAIT, max(0.01, due - self._now()))

    def _has_done(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self.wake()

    async def _hand_over(self, stored: Stored) -> None:
        error = await self._error_of(stored)
        try:
            if error is None:
                await asyncio.to_thread(self._inbox.done, stored.id, self._worker, self._now())
            else:
                _log.warning("event %d was not handled (attempt %d): %s", stored.id, stored.attempts, error)
                await asyncio.to_thread(self._inbox.failed, stored.id, self._worker, self._now(), error)
        except WebhookError as exc:
            _log.warning("event %d will be handed over again: %s", stored.id, exc)

    async def _error_of(self, stored: Stored) -> str | None:
        """Handle an event; what went wrong, None where nothing did."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._handle(parse_event(stored.body))
        except TimeoutError:
            return f"it took longer than {self._timeout:g} s"
        except Exception as exc:  # noqa: BLE001 - a handler may raise anything: the event comes again
            return f"{type(exc).__name__}: {exc}"
        return None
