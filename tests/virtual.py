"""Virtual time: an event loop whose clock jumps to the next timer, and servers that live in it.

What takes an hour of waiting takes a moment, and two runs with one seed are alike.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from attrs import define, field

from asyncchat import AsyncClient, Request, Response
from asyncchat.testing import json_response

T = TypeVar("T")

_START = 1_750_000_000.0


class _Jump(selectors.SelectSelector):
    """Waits for nothing: it moves the clock instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing will ever happen"
            self.now += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


class VirtualClock:
    """The running loop's time."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        return _START + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


@define
class VirtualServer:
    """A server behind a network: a transport that answers after a while, as `judge` says.

    Args:
        judge: Says what a request that arrives at that time is answered; None: a success.
        latency: Seconds between sending and answer, on average; half of it on either way.
        spread: The latency varies by this share of itself.
    """

    judge: Callable[[float], Response | Exception | None]
    latency: float = 0.05
    spread: float = 0.3
    dice: random.Random = field(factory=lambda: random.Random(7))  # noqa: S311 - repeatable
    clock: VirtualClock = field(factory=VirtualClock)
    arrivals: list[float] = field(factory=list)
    outcomes: list[tuple[float, str]] = field(factory=list)
    in_flight: int = 0
    peak: int = 0

    async def send(self, request: Request, *, timeout: float | None, max_body: int) -> Response:  # noqa: ASYNC109
        way = self.latency / 2 * (1 + self.spread * self.dice.uniform(-1, 1))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(way)
            now = asyncio.get_running_loop().time()
            self.arrivals.append(now)
            answer = self.judge(now)
            self.outcomes.append((now, "ok" if answer is None else str(getattr(answer, "status", "lost"))))
            await asyncio.sleep(way)
        finally:
            self.in_flight -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer or json_response({"id": 1, "name": "m", "created_at": "2025-05-05T05:05:05+0700"})

    async def aclose(self) -> None:
        pass

    def counts(self, since: float = 0.0, until: float = float("inf")) -> Counter[str]:
        return Counter(outcome for at, outcome in self.outcomes if since <= at < until)

    def client(self, **options: Any) -> AsyncClient:
        return AsyncClient(transport=self, clock=self.clock, **options)


async def call_often(client: AsyncClient, calls: int, workers: int) -> Counter[str]:
    """Make so many calls by so many workers: how many ended how."""
    left = iter(range(calls))
    ends: Counter[str] = Counter()

    async def work() -> None:
        for _ in left:
            try:
                await client.models.get(1)
            except Exception as exc:  # noqa: BLE001 - counted
                ends[type(exc).__name__] += 1
            else:
                ends["ok"] += 1

    await asyncio.gather(*(work() for _ in range(workers)))
    return ends


@define
class TokenBucket:
    """Lets `burst` requests through at once, and `rate` a second."""

    rate: float
    burst: float
    tokens: float = field(init=False)
    at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.tokens = self.burst

    def __call__(self, now: float) -> Response | None:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return Response(status=429)
        self.tokens -= 1
        return None


@define
class FixedWindow:
    """Lets so many requests through in each window of so many seconds."""

    most: int
    seconds: float = 1.0
    window: int = -1
    used: int = 0

    def __call__(self, now: float) -> Response | None:
        window = int(now / self.seconds)
        if window != self.window:
            self.window, self.used = window, 0
        self.used += 1
        return None if self.used <= self.most else Response(status=429)


@define
class SlidingWindow:
    """Lets so many requests through in any stretch of so many seconds."""

    most: int
    seconds: float = 1.0
    taken: deque[float] = field(factory=deque)

    def __call__(self, now: float) -> Response | None:
        while self.taken and self.taken[0] <= now - self.seconds:
            self.taken.popleft()
        if len(self.taken) >= self.most:
            return Response(status=429)
        self.taken.append(now)
        return None
