"""A call that is cancelled, at whatever turn of the loop, leaves nothing behind, and the next one works."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from answers import model, no_tasks_left
from cancelling import MOST_TURNS, PATIENCE, WAYS, Scenario, cut_at, lines, listing, points, socket_points
from export_api import FakeApi, exported, kept

from asyncchat import AsyncClient, NotFoundError, RateLimitError, Request, Response
from asyncchat.export import export
from asyncchat.testing import FakeClock, MockTransport, json_response

TABLE: dict[str, int] = {}


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Print how many turns were tried: every one of them passed, or a test has failed."""
    yield
    for name, turns in TABLE.items():
        print(f"{name:<60} {turns:>5} points, 0 leaks")  # noqa: T201 - shown by -rP
    print(f"{'in all':<60} {sum(TABLE.values()):>5} points, 0 leaks")  # noqa: T201


def failing(*first: Response) -> Any:
    """Answers that are given first; then a model."""
    return lambda number, _request: first[number - 1] if number <= len(first) else json_response(model(1))


def asks(status: int, **headers: str) -> Response:
    return json_response({}, status, headers)


class Challenge:
    """A flow that sends two requests for each call."""

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        yield request
        yield request.with_header("X-Answer", "42")


async def get(chat: AsyncClient) -> object:
    return await chat.models.get(1)


async def get_twice(chat: AsyncClient) -> None:
    await chat.models.get(1)
    await chat.models.get(1)


async def get_nothing(chat: AsyncClient) -> None:
    with contextlib.suppress(NotFoundError):
        await chat.models.get(1)


async def wait_for_a_slot(chat: AsyncClient) -> None:
    holder = asyncio.create_task(get(chat))  # it is not cancelled, and ends by itself
    await asyncio.sleep(0)
    await chat.models.get(2)
    await holder


async def wait_in_a_pause(chat: AsyncClient) -> None:
    with contextlib.suppress(RateLimitError):
        await chat.with_options(retry=0).models.get(1)
    await chat.models.get(1)


async def read_rows(chat: AsyncClient) -> None:
    async for _ in chat.models.list(per_page=1, concurrency=8):
        await asyncio.sleep(0)


async def leave_early(chat: AsyncClient) -> None:
    async with chat.models.list(per_page=1, concurrency=8) as pager:
        async for row in pager:
            if row.id == 3:
                break


async def collect(chat: AsyncClient) -> None:
    await chat.models.list(per_page=1, concurrency=8).collect()


async def collect_unordered(chat: AsyncClient) -> None:
    await chat.models.list(per_page=1, concurrency=8, ordered=False).collect()


async def close_during_calls(chat: AsyncClient) -> None:
    calls = [asyncio.create_task(get(chat)) for _ in range(3)]
    for call in calls:
        call.add_done_callback(lambda task: task.cancelled() or task.exception())
    await asyncio.sleep(0)
    await chat.aclose()
    await asyncio.wait(calls)


async def call_in_a_scope(chat: AsyncClient) -> None:
    with anyio.move_on_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(get, chat)
            group.start_soon(get, chat)


SCENARIOS: dict[str, Scenario] = {
    "get": Scenario(act=get),
    "get without deadline and timeout": Scenario(act=get, options={"deadline": None, "timeout": None}),
    "get, refused": Scenario(act=get_nothing, answer=failing(asks(404))),
    "get with retries": Scenario(act=get, answer=failing(asks(500), asks(502), asks(408))),
    "get with a retry of garbage": Scenario(act=get, answer=failing(Response(status=200, body=b"<html>"))),
    "get with a Retry-After": Scenario(act=get, answer=failing(asks(503, **{"retry-after": "3"}))),
    "waiting for a slot": Scenario(act=wait_for_a_slot),
    "waiting in a pause": Scenario(act=wait_in_a_pause, answer=failing(asks(429, **{"retry-after": "9"}))),
    "waiting for the pace": Scenario(act=get_twice, options={"max_rate": 0.5}),
    "an auth flow of two requests": Scenario(act=get, options={"auth": Challenge()}),
    "a group of calls": Scenario(act=call_in_a_scope, width=2),
    "first page": Scenario(act=lambda chat: chat.models.list(per_page=1).page(1), answer=listing(3)),
    "count": Scenario(act=lambda chat: chat.models.list(per_page=1).count(), answer=listing(3)),
    "pager with 8 in flight": Scenario(act=collect, answer=listing(20), width=8),
    "pager with 8 in flight, unordered": Scenario(act=collect_unordered, answer=listing(20), width=8),
    "pager with 8 in flight for one slot": Scenario(act=collect, answer=listing(9)),
    "rows one by one": Scenario(act=read_rows, answer=listing(12), width=8),
    "leaving a loop early": Scenario(act=leave_early, answer=listing(20), width=8),
    "aclose during calls": Scenario(act=close_during_calls, closes=True),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_cancelling_at_every_turn(name: str, way: str) -> None:
    """Whenever it is cancelled, no task, slot or request is left, and as many calls as before get through."""
    TABLE[f"{name}, by {way}"] = tried = await points(SCENARIOS[name], way)
    assert tried >= 3


SOCKETS: dict[str, Any] = {"connecting and reading": get, "reading over a kept connection": get_twice}


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SOCKETS)
async def test_cancelling_over_sockets_at_every_turn(name: str, way: str) -> None:
    """Whenever it is cancelled, no connection outlives the client, which works until it is closed."""
    TABLE[f"{name} over sockets, by {way}"] = tried = await socket_points(SOCKETS[name], way)
    assert tried >= 10


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
async def test_cancelling_a_body_that_does_not_come(way: str) -> None:
    """A call that hangs in the middle of a body is over once it is cancelled, and its connection is closed at once."""
    async with lines() as server, AsyncClient(server.base_url, token="t0ken", max_concurrency=1) as chat:
        server.stuck = True
        task, cancel = WAYS[way](lambda: chat.models.get(1))
        await server.reached.wait()
        cancel()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await task
        await server.idle()
        server.stuck = False
        async with asyncio.timeout(PATIENCE):
            assert (await chat.models.get(1)).id == 1
    await no_tasks_left()


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.large), 7])
async def test_cancelling_an_export(way: str, stride: int, tmp_path: Path) -> None:
    """Whenever an export is cancelled, its folder holds it whole or nothing that looks finished; the next one goes on.

    Each of the four ways takes every fourth turn, so that together they take every one, or every seventh.
    """
    api = FakeApi.of(7, messages=3)

    async def slowly(request: Request) -> Any:
        for _ in range(4):
            await asyncio.sleep(0)
        return api(request)

    async with AsyncClient(transport=MockTransport(slowly, clock=FakeClock()), per_page=2) as chat:
        for turn in range([*WAYS].index(way) * stride, MOST_TURNS, len(WAYS) * stride):
            folder = tmp_path / str(turn)
            run = functools.partial(export, chat, folder)
            if not await cut_at(turn, run, way):
                break
            await no_tasks_left()
            is_there = (folder / "manifest.json").exists()
            assert is_there or kept(tmp_path) in ([], [str(turn)])
            assert (await run()).reused is is_there
            for kind in ("models", "conversations", "messages"):
                assert exported(folder, kind) == api.rows(kind)
            shutil.rmtree(folder)
            TABLE[f"an export, by {way}"] = turn // len(WAYS) // stride + 1
    assert TABLE[f"an export, by {way}"] >= 2  # how many turns it has varies: it waits for threads


INTERRUPTED = """
import asyncio, os, signal
from answers import model, page
from asyncchat import Client
from asyncchat.testing import MockTransport, json_response

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
steps, strike = 0, 0

async def answer(request):
    global steps
    for _ in range(2):
        steps += 1
        if steps == strike:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(3600)
        await asyncio.sleep(0)
    number = int(dict(request.params)["page"])
    return json_response(page([model(number)], page=number, rows_per_page=1, total_pages=6, total_rows=6))

with Client(transport=MockTransport(answer), max_concurrency=2, retry=0) as chat:
    for strike in range(1, 13):
        steps = 0
        try:
            chat.models.list(per_page=1).collect()
            print("not interrupted")
        except KeyboardInterrupt:
            steps = 100
            print(strike, len(list(chat.models.list(per_page=1))))
"""


def test_interrupts_of_the_blocking_client() -> None:
    """Ctrl-C at every step of a listing ends the call, and each time the next listing is complete."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-W", "error", "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environ,
    )
    TABLE["the blocking client, by SIGINT"] = len(done.stdout.splitlines())
    assert (done.stdout, done.stderr) == ("".join(f"{strike} 6\n" for strike in range(1, 13)), "")
