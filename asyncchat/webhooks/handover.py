"""Hands events of an inbox to handlers, so many at once, each until it has been handled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable
from typing import Final

import attrs

from asyncchat.errors import WebhookError
from asyncchat.webhooks.dispatch import Dispatch
from asyncchat.webhooks.events import parse_event
from asyncchat.webhooks.inbox import Inbox
from asyncchat.webhooks.refetch import NotGenuineError
from asyncchat.webhooks.stored import Stored
from asyncchat.webhooks.together import Together

_log: Final = logging.getLogger("asyncchat.webhooks")

_LEASE: Final = 2.0
"""Times a handler's timeout after which somebody else may have its event: who had it is gone."""
_LONGEST_WAIT: Final = 1.0
"""Seconds after which it looks again by itself: another process may have put something into the inbox."""
_LEAST_WAIT: Final = 0.01
"""Seconds to wait where somebody else was faster."""
_BROKEN_SECONDS: Final = 1.0
"""How long an inbox that failed is left alone."""
_SWEEP: Final = 3_600.0
"""Seconds after which what has been kept for long enough is dropped again."""


@attrs.frozen
class _Failure:
    reason: str
    is_final: bool = False


class HandOver:
    """Takes events from an inbox and calls handlers with each, and drops what the inbox need not keep any longer.

    Args:
        inbox: Where they are.
        handlers: Are called with each; while there is none, events are left where they are.
        concurrency: Events at once.
        timeout: Seconds that handling one may take.
        now: Tells the time, in seconds since the epoch.
    """

    def __init__(
        self,
        inbox: Inbox,
        handlers: Dispatch,
        *,
        concurrency: int,
        timeout: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._inbox = inbox
        self._handlers = handlers
        self._worker = ""
        self._concurrency = concurrency
        self._timeout = timeout
        self._now = now
        self._done = Together[int](lambda ids: self._inbox.done_all(ids, self._worker, self._now()))
        self._task: asyncio.Task[None] | None = None
        self._working: set[asyncio.Task[None]] = set()
        self._woken: asyncio.Event
        self._swept = 0.0
        self._closed = False

    def start(self) -> None:
        """Begin, in the loop that runs; also after it was closed."""
        self._closed = False
        self._worker = uuid.uuid4().hex  # here, and not before a fork: no two processes have one name
        self._woken = asyncio.Event()
        self._task = asyncio.ensure_future(self._run())

    def wake(self) -> None:
        """Look for events at once."""
        self._woken.set()

    async def aclose(self) -> None:
        """Take no more events, and let those that are being handled come to their end."""
        self._closed = True
        if self._task is not None:
            self.wake()
            await asyncio.wait([self._task])
        if self._working:
            await asyncio.wait(self._working)

    async def _run(self) -> None:
        while not self._closed:
            self._woken.clear()
            try:
                await self._sweep()
                wait = await self._take()
            except WebhookError as exc:
                _log.warning("%s", exc)
                wait = _BROKEN_SECONDS
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), wait)

    async def _sweep(self) -> None:
        if self._now() >= self._swept + _SWEEP:
            await asyncio.to_thread(self._inbox.prune, self._now())
            self._swept = self._now()

    async def _take(self) -> float:
        """Take what is due and begin to handle it; returns how long to wait for more, unless woken."""
        free = self._concurrency - len(self._working)
        if free <= 0 or not self._handlers.has_handlers:
            return _LONGEST_WAIT  # whoever has done wakes
        taken, wait = await asyncio.to_thread(self._due, free)
        for stored in taken:
            task = asyncio.ensure_future(self._hand_over(stored))
            self._working.add(task)
            task.add_done_callback(self._has_done)
        return wait

    def _due(self, most: int) -> tuple[list[Stored], float]:
        """Events that are due, taken, and how long to wait for more; looking alone writes nothing."""
        now = self._now()
        due = self._inbox.next_due(now)
        wait = _LONGEST_WAIT if due is None else min(_LONGEST_WAIT, due - now)
        if wait > 0:
            return [], wait
        taken = self._inbox.take(self._worker, now, most=most, lease=self._timeout * _LEASE)
        return taken, 0.0 if taken else _LEAST_WAIT

    def _has_done(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self.wake()

    async def _hand_over(self, stored: Stored) -> None:
        failure = await self._failure_of(stored)
        try:
            if failure is None:
                await self._done.add(stored.id)
            else:
                _log.warning("event %d was not handled (attempt %d): %s", stored.id, stored.attempts, failure.reason)
                await self._note(stored, failure)
        except WebhookError as exc:
            _log.warning("event %d will be handed over again: %s", stored.id, exc)

    async def _note(self, stored: Stored, failure: _Failure) -> None:
        told = stored.id, self._worker, self._now(), failure.reason
        await asyncio.to_thread(self._inbox.failed, *told, is_final=failure.is_final)

    async def _failure_of(self, stored: Stored) -> _Failure | None:
        """Handle an event; what went wrong, None where nothing did."""
        bound = asyncio.timeout(self._timeout)
        try:
            async with bound:
                await self._handlers.handle(parse_event(stored.body))
        except NotGenuineError as exc:
            return _Failure(str(exc), is_final=True)
        except Exception as exc:  # noqa: BLE001 - a handler may raise anything: the event comes again
            late = f"it took longer than {self._timeout:g} s"
            return _Failure(late if bound.expired() else f"{type(exc).__name__}: {exc}")
        return None
