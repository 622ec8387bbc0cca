"""Cancels something at every turn of the event loop, one after the other, and looks what is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

import anyio
from answers import model, no_tasks_left, page
from attrs import define, field, frozen

from asyncchat import AsyncClient, Request, Response
from asyncchat.testing import FakeClock, MockTransport, json_response

Act: TypeAlias = Callable[[AsyncClient], Awaitable[object]]
Call: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]
Started: TypeAlias = tuple["asyncio.Task[Any]", Callable[[], object]]

MOST_TURNS = 3_000
PATIENCE = 20.0
"""Seconds after which a call that waits for a lost slot fails the test."""


# ---- ways to cancel


def _by_task(call: Call) -> Started:
    task = asyncio.create_task(call())
    return task, task.cancel


def _by_task_twice(call: Call) -> Started:
    """The second one strikes while the first one is being cleaned up after."""
    task = asyncio.create_task(call())
    return task, lambda: (task.cancel(), asyncio.get_running_loop().call_soon(task.cancel))


def _by_timeout(call: Call) -> Started:
    limits: list[asyncio.Timeout] = []

    async def limited() -> None:
        async with asyncio.timeout(None) as limit:
            limits.append(limit)
            await call()

    task = asyncio.create_task(limited())

    def expire() -> None:
        if limits:
            limits[0].reschedule(asyncio.get_running_loop().time())
        else:
            task.cancel()

    return task, expire


def _by_scope(call: Call) -> Started:
    scope = anyio.CancelScope()

    async def limited() -> None:
        with scope:
            await call()

    return asyncio.create_task(limited()), scope.cancel


WAYS: dict[str, Callable[[Call], Started]] = {
    "task.cancel": _by_task,
    "task.cancel twice": _by_task_twice,
    "asyncio.timeout": _by_timeout,
    "anyio scope": _by_scope,
}


async def cut_at(turn: int, call: Call, way: str) -> bool:
    """Cancel something after so many turns; False if it came to its end nevertheless."""
    ended = False

    async def noted() -> None:
        nonlocal ended
        await call()
        ended = True

    task, cancel = WAYS[way](noted)
    for _ in range(turn):
        if task.done():
            break
        await asyncio.sleep(0)
    if not task.done():
        cancel()
    with contextlib.suppress(asyncio.CancelledError, TimeoutError):
        await task
    return not ended


# ---- what is cancelled: calls of a client, of a server that takes its time


@define
class World:
    """A made-up server that answers after some turns, and knows what is under way.

    Attributes:
        answer: Answers the n-th request.
        width: Requests that must get through side by side afterwards.
    """

    answer: Callable[[int, Request], Response | Exception]
    width: int = 1
    asked: int = 0
    in_flight: int = 0
    _full: asyncio.Event | None = None

    async def __call__(self, request: Request) -> Any:
        self.asked += 1
        number = self.asked
        self.in_flight += 1
        try:
            if self._full is None:
                for _ in range(3):
                    await asyncio.sleep(0)
                return self.answer(number, request)
            if self.in_flight == self.width:
                self._full.set()
            await self._full.wait()
            return json_response(model(1))
        finally:
            self.in_flight -= 1

    async def prove(self, chat: AsyncClient) -> None:
        """No request is under way, and as many as may be get through together: no slot is lost."""
        await no_tasks_left()
        assert self.in_flight == 0
        self._full = asyncio.Event()
        async with asyncio.timeout(PATIENCE):
            rows = await asyncio.gather(*(chat.models.get(1) for _ in range(self.width)))
        assert [row.id for row in rows] == [1] * self.width
        await no_tasks_left()


def listing(pages: int) -> Callable[[int, Request], Response]:
    """A listing of models, one a page."""

    def answer(_number: int, request: Request) -> Response:
        number = int(dict(request.params)["page"])
        return json_response(page([model(number)], page=number, rows_per_page=1, total_pages=pages, total_rows=pages))

    return answer


@frozen(kw_only=True)
class Scenario:
    """Something to cancel.

    Attributes:
        act: What is cancelled.
        answer: How the server answers the n-th request.
        width: Requests that must get through side by side afterwards.
        closes: Whether the client is closed by it.
    """

    act: Act
    answer: Callable[[int, Request], Response | Exception] = lambda _number, _request: json_response(model(1))
    width: int = 1
    closes: bool = False
    options: dict[str, Any] = field(factory=dict)


async def _one(scenario: Scenario, turn: int, way: str) -> bool:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    world = World(scenario.answer, scenario.width)
    transport = MockTransport(world, clock=FakeClock())
    async with AsyncClient(transport=transport, **{"max_concurrency": scenario.width, **scenario.options}) as chat:

        async def act() -> None:
            await scenario.act(chat)

        cut = await cut_at(turn, act, way)
        if scenario.closes:
            await chat.aclose()
            await no_tasks_left()
            assert world.in_flight == 0
        else:
            await world.prove(chat)
    assert transport.closed
    gc.collect(0)
    assert complaints == []
    return cut


async def points(scenario: Scenario, way: str) -> int:
    """Cancel a scenario at every turn until it ends by itself; gives the number of turns.

    Raises:
        AssertionError: Something is left of it: a task, a slot, a request, a complaint of the loop.
    """
    for turn in range(MOST_TURNS):
        if not await _one(scenario, turn, way):
            return turn
    raise AssertionError("it did not end")


# ---- the same over sockets


@define
class Lines:
    """A server that answers over kept connections, in pieces.

    Attributes:
        open: Connections that are open.
        answered: Requests that were answered to their end.
    """

    base_url: str = ""
    open: int = 0
    answered: int = 0
    stuck: bool = False
    reached: asyncio.Event = field(factory=asyncio.Event)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                body = json.dumps(model(1)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                await asyncio.sleep(0)
                writer.write(b"Content-Length: %d\r\n\r\n" % len(body))
                for start in range(0, len(body), 20):
                    await asyncio.sleep(0)
                    if self.stuck and start:
                        self.reached.set()
                        await reader.read()  # until the client hangs up
                        return
                    writer.write(body[start : start + 20])
                    await writer.drain()
                self.answered += 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def idle(self) -> None:
        """Wait until every connection is closed."""
        async with asyncio.timeout(PATIENCE):
            while self.open:  # noqa: ASYNC110 - it is gone in some turns
                await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def lines() -> AsyncIterator[Lines]:
    """A running server of `Lines`."""
    served = Lines()
    server = await asyncio.start_server(served.connected, "127.0.0.1", 0)
    served.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
        await served.idle()


async def socket_points(act: Act, way: str) -> int:
    """Cancel calls over sockets at every turn until they end by themselves; gives the number of turns.

    Raises:
        AssertionError: A connection is left at the server, or the client cannot go on.
    """
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with lines() as server:
        for turn in range(MOST_TURNS):
            async with AsyncClient(server.base_url, token="t0ken", max_concurrency=1, retry=0) as chat:

                async def call(chat: AsyncClient = chat) -> None:
                    await act(chat)

                cut = await cut_at(turn, call, way)
                async with asyncio.timeout(PATIENCE):
                    assert (await chat.models.get(1)).id == 1
                assert server.open <= 2
            await server.idle()
            assert complaints == []
            if not cut:
                return turn
    raise AssertionError("it did not end")
