"""The live rows: a store that changes as the clock goes on, a replica that lags behind it, and the log of it all."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from asyncchat.sandbox.data.changes import Deletion, NewConversation, NewMessage
from asyncchat.sandbox.data.log import Log
from asyncchat.sandbox.data.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asyncchat.sandbox.data.changes import Change
    from asyncchat.sandbox.data.clock import Clock
    from asyncchat.sandbox.data.generate import Plan
    from asyncchat.sandbox.data.log import Logged
    from asyncchat.sandbox.data.store import Store
    from asyncchat.sandbox.data.tables import Kind
    from asyncchat.sandbox.serving.current import Current

MOST: Final = 100_000
"""Changes that can be asked for in one go."""
_TICK: Final = 0.1  # seconds; whoever reads settles first, so this only spreads the work


@define(order=True)
class _Made:
    """A change that was made and is not yet visible; earlier ones come first."""

    visible_at: float
    serial: int
    made_at: float = field(order=False)
    change: Change = field(order=False)


@frozen
class Unseen:
    """A row that exists and is not visible yet.

    Attributes:
        kind: Which table it will be in.
        id: Its id.
        time: When it was made.
        visible_at: When it will be seen.
    """

    kind: Kind
    id: int
    time: float
    visible_at: float


class Live:
    """The rows of a sandbox over time; what is due is made when somebody looks.

    Args:
        store: The rows at the start; they are changed from now on.
        current: How to behave; read afresh each time.
        clock: What time it is.
        plan: Where chance comes from.
    """

    def __init__(self, store: Store, current: Current, clock: Clock, plan: Plan) -> None:
        self.primary = store
        self.log = Log()
        self.clock = clock
        self._current = current
        self._traffic = Traffic(plan, store)
        self._serial = count()
        self._late: list[_Made] = []
        self._rate = 0.0
        self._next = float("inf")
        self._replica: Store | None = None
        self._lagging: deque[tuple[float, Change]] = deque()
        self._reads = 0
        self.settle()  # the first change is a pause away from now

    @property
    def version(self) -> tuple[int, int]:
        """Another one after every change that an answer could show."""
        return self.primary.version, -1 if self._replica is None else self._replica.version

    def reader(self) -> Store:
        """What the next answer is read from: under a replica lag, every second time the replica."""
        self.settle()
        if self._replica is None:
            return self.primary
        self._reads += 1
        return self.primary if self._reads % 2 else self._replica

    def settle(self) -> None:
        """Make every change that is due by now, in the order of time."""
        now = self.clock.now()
        self._follow_behaviour(now)
        while (due := min(self._next, self._late[0].visible_at if self._late else self._next)) <= now:
            if due == self._next:
                self._make(due)
                self._next += self._traffic.pause(self._rate)
            else:
                self._show(heappop(self._late))
        self._catch_up(now)

    def make(self, changes: int) -> int:
        """Make exactly that many changes now, beyond those that come by themselves; give the log's last serial.

        Raises:
            ValueError: If there would be less than none, or more than can be made in one go.
        """
        if not 0 <= changes <= MOST:
            raise ValueError(f"changes is {changes}: give a number from 0 to {MOST}")
        self.settle()
        now = self.clock.now()
        for _ in range(changes):
            self._make(now)
        return len(self.log)

    def advance(self, seconds: float) -> float:
        """Let time pass at once, make what becomes due, and give the time it is then.

        Raises:
            ValueError: If the time would go back.
        """
        self.settle()
        now = self.clock.advance(seconds)
        self.settle()
        return now

    def logged(self, after: int) -> list[Logged]:
        """The log's entries after the one of that number, up to now."""
        self.settle()
        return self.log.after(after)

    def unseen(self) -> Iterator[Unseen]:
        """Rows that exist and are not visible yet, those first that will be visible first."""
        self.settle()
        for made in sorted(self._late):
            change, times = made.change, (made.made_at, made.visible_at)
            if isinstance(change, NewConversation):
                yield Unseen("conversations", change.conversation[0], *times)
                yield Unseen("messages", change.message[0], *times)
            elif isinstance(change, NewMessage) and self.primary.has("conversations", change.message[1]):
                yield Unseen("messages", change.message[0], *times)

    def close(self) -> None:
        """Close both stores."""
        self.primary.close()
        if self._replica is not None:
            self._replica.close()

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[None]:
        """Let changes happen also while nobody looks."""

        async def tick() -> None:
            while True:
                await asyncio.sleep(_TICK)
                self.settle()

        task = asyncio.create_task(tick())
        try:
            yield
        finally:
            task.cancel()

    def _follow_behaviour(self, now: float) -> None:
        behaviour = self._current.behaviour
        if behaviour.traffic != self._rate:
            self._rate = behaviour.traffic
            self._next = now + self._traffic.pause(self._rate) if self._rate else float("inf")
        if behaviour.replica_lag and self._replica is None:
            self._replica = self.primary.copy()
        elif not behaviour.replica_lag and self._replica is not None:
            self._replica.close()
            self._replica = None
            self._lagging.clear()

    def _make(self, at: float) -> None:
        change = self._traffic.draw(int(at))
        if change is None:
            return
        late = self._traffic.late() and not isinstance(change, Deletion)
        wait = self._current.behaviour.late if late else 0.0
        made = _Made(at + wait, next(self._serial), at, change)
        if wait:
            heappush(self._late, made)
        else:
            self._show(made)

    def _show(self, made: _Made) -> None:
        self.log.append(self.primary.apply(made.change), made.made_at, made.visible_at)
        if self._replica is not None:
            self._lagging.append((made.visible_at, made.change))

    def _catch_up(self, now: float) -> None:
        lag = self._current.behaviour.replica_lag
        while self._replica is not None and self._lagging and self._lagging[0][0] + lag <= now:
            self._replica.apply(self._lagging.popleft()[1])
