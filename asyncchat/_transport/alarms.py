"""Bounds in time: whatever is inside of one is cancelled when its time has come. All share one timer of the loop."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Final, Self


class Alarms:
    """The bounds that the calls of a client have.

    `asyncio.timeout` sets a timer of the event loop for each, and cancels it. Calls are many, and nearly none takes too
    long; so here one timer serves all: it rings for the earliest bound, which is mostly over by then, and is set again
    for the earliest of those that are not.
    """

    def __init__(self) -> None:
        self._bounds: Final[set[Bound]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    def within(self, seconds: float | None, *, idle: float | None = None) -> Bound:
        """A bound that begins now.

        Args:
            seconds: For all that is inside, None for no bound.
            idle: Seconds without a sign of life, None for no bound.
        """
        return Bound(self, asyncio.get_running_loop(), seconds, idle)

    def add(self, bound: Bound, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to watch a bound in that loop."""
        self._bounds.add(bound)
        if bound.at < self._rings_at or loop is not self._loop:
            self._set(loop, bound.at)

    def discard(self, bound: Bound) -> None:
        """Watch it no longer."""
        self._bounds.discard(bound)

    def ring_all(self) -> None:
        """Cancel whatever is inside of any bound, now."""
        for bound in tuple(self._bounds):
            bound.ring()

    def stop(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._rings_at = None, math.inf

    def _set(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        self.stop()
        self._loop = loop
        if at < math.inf:
            self._timer, self._rings_at = loop.call_at(at, self._ring, loop), at

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        now = max(loop.time(), self._rings_at)  # a loop may call a little early
        for bound in tuple(self._bounds):
            if bound.at <= now:
                bound.ring()
        self._set(loop, min((bound.at for bound in self._bounds if not bound.rang), default=math.inf))


class Bound:
    """What one task does in a bounded time: `with alarms.within(seconds) as bound: ...`, once.

    When the time has come the task is cancelled, and goes on after the `with`, where `bound.rang` is True. A
    cancellation from elsewhere goes on its way, also when both come together (as with `asyncio.timeout`).

    Attributes:
        at: When it rings, in seconds of the event loop's clock.
        rang: Whether it has.
    """

    __slots__ = ("_alarms", "_before", "_end", "_idle", "_loop", "_task", "at", "rang")

    def __init__(
        self, alarms: Alarms, loop: asyncio.AbstractEventLoop, seconds: float | None, idle: float | None
    ) -> None:
        self._alarms = alarms
        self._loop = loop
        self._end = math.inf if seconds is None else loop.time() + seconds
        self._idle = idle
        self._task: asyncio.Task[object] | None = None
        self._before = 0
        self.at = self._end
        self.rang = False
        self.alive()

    @property
    def is_idle(self) -> bool:
        """Whether it rings, or rang, for want of a sign of life."""
        return self.at < self._end

    def alive(self) -> None:
        """Note a sign of life."""
        if self._idle is not None:
            self.at = min(self._end, self._loop.time() + self._idle)

    def ring(self) -> None:
        """Cancel what is inside."""
        if not self.rang and self._task is not None:
            self.rang = True
            self._task.cancel()

    def __enter__(self) -> Self:
        task = self._task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a call is awaited in a task of asyncio: run it by asyncio.run, or in a task")
        self._before = task.cancelling()
        self._alarms.add(self, self._loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _exc: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        task, self._task = self._task, None
        self._alarms.discard(self)
        if not self.rang or task is None:
            return False
        return task.uncancel() <= self._before and kind is asyncio.CancelledError
