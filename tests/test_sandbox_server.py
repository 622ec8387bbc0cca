"""The server in its thread: starting, counting, stopping."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import aiohttp
import pytest
from contract_shapes import ask, settled

from asyncchat.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=20) as running:
        yield running


ELSEWHERE: set[threading.Thread] = set()
"""Threads that were there before these tests, such as that of a sandbox for the whole run."""


@pytest.fixture(autouse=True, scope="module")
def _know_the_others() -> None:
    ELSEWHERE.update(threading.enumerate())


def threads() -> list[str]:
    running = set(threading.enumerate()) - ELSEWHERE
    return [thread.name for thread in running if thread.name.startswith("asyncchat-sandbox")]


def bearer(box: Sandbox) -> dict[str, str]:
    return {"Authorization": f"Bearer {box.token}"}


def test_it_serves_sync_callers(box: Sandbox) -> None:
    """A blocking client in the thread that started it gets its answer."""
    with urlopen(Request(f"{box.base_url}/models", headers=bearer(box))) as response:  # noqa: S310 - its own URL
        assert response.status == 200


@pytest.mark.asyncio
async def test_it_serves_async_callers() -> None:
    """`async with` starts it, and ends it with its thread."""
    async with Sandbox(conversations=20) as box:
        assert (await ask(box, "/models")).status == 200
        assert len(threads()) == 1
    assert threads() == []


@pytest.mark.asyncio
async def test_starting_does_not_block_the_loop() -> None:
    """Other tasks go on while an `async with` generates its rows."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    async with Sandbox(conversations=2_000):
        counting.cancel()
    assert turns > 10


@pytest.mark.asyncio
async def test_a_start_can_be_cancelled() -> None:
    """Cancelling an `async with` while it generates leaves nothing running."""
    box = Sandbox(conversations=2_000)
    starting = asyncio.create_task(box.__aenter__())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert threads() == []


def test_stop_leaves_no_thread(box: Sandbox) -> None:
    """After stop() its thread is gone."""
    box.stop()
    assert threads() == []


def test_start_and_stop_may_be_repeated(box: Sandbox) -> None:
    """start() when it runs and stop() when it does not are no errors, and it can be started again."""
    box.start()
    box.stop()
    box.stop()
    box.start()
    assert len(threads()) == 1


@pytest.mark.asyncio
async def test_stop_closes_idle_connections(box: Sandbox) -> None:
    """A keep-alive connection does not hold up stop()."""
    async with aiohttp.ClientSession(headers=bearer(box)) as session:
        async with session.get(f"{box.base_url}/models") as response:
            await response.read()
        box.stop()
    assert box.stats()["connections_open"] == 0


@pytest.mark.asyncio
async def test_stop_ends_requests_in_flight() -> None:
    """A request that waits for its answer does not hold up stop(), and counts as over."""
    with Sandbox(conversations=20, latency=3600) as box:
        waiting = asyncio.create_task(ask(box, "/models"))
        await settled(box, "in_flight", 1)
        await asyncio.to_thread(box.stop)
        with pytest.raises(aiohttp.ClientError):
            await waiting
    assert box.stats()["in_flight"] == 0


def test_a_port_in_use(box: Sandbox) -> None:
    """A port that is taken is an OSError that names it and says what to do."""
    port = int(box.origin.rpartition(":")[2])
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port} .*choose another port"):
        Sandbox(port=port).start()


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_is_none(port: int) -> None:
    """A number that is no port is refused before anything starts."""
    with pytest.raises(ValueError, match="port"):
        Sandbox(port=port)


@pytest.mark.parametrize("name", ["base_url", "origin"])
def test_no_address_before_the_start(name: str) -> None:
    """The address of a sandbox that does not run is an error that says how to start it."""
    with pytest.raises(RuntimeError, match=r"with Sandbox\(\) as box"):
        getattr(Sandbox(), name)


def test_truth_after_the_end(box: Sandbox) -> None:
    """An iteration over the truth that outlives its sandbox ends with an error, not by hanging."""
    rows = box.truth("conversations")
    next(rows)
    box.stop()
    with pytest.raises(RuntimeError, match="stopped"):
        list(rows)


def test_addresses(box: Sandbox) -> None:
    """The base URL is the origin and the prefix."""
    assert box.base_url == f"{box.origin}/v1"
    assert box.origin.startswith("http://127.0.0.1:")


@pytest.mark.asyncio
async def test_requests_are_counted(box: Sandbox) -> None:
    """Requests are counted by their place in the contract and by their status."""
    for path in ("/models", "/models/0", "/conversations/0/messages", "/nothing", "/models?page=x"):
        await ask(box, path)
    stats = box.stats()
    assert stats["requests"] == 5
    assert stats["by_path"] == {
        "/conversations/{conversation_id}/messages": 1,
        "/models": 2,
        "/models/{model_id}": 1,
        "unknown": 1,
    }
    assert stats["by_status"] == {"200": 1, "404": 3, "422": 1}


@pytest.mark.asyncio
async def test_the_peak_in_flight_is_counted() -> None:
    """Requests that wait at the same time are seen as such."""
    with Sandbox(conversations=20, latency=0.2) as box:
        await asyncio.gather(*(ask(box, "/models") for _ in range(7)))
        assert (box.stats()["peak_in_flight"], box.stats()["in_flight"]) == (7, 0)


@pytest.mark.asyncio
async def test_connections_are_counted(box: Sandbox) -> None:
    """Open and accepted TCP connections are counted, and a closed one is no longer open."""
    async with aiohttp.ClientSession(headers=bearer(box)) as session:
        for _ in range(3):
            async with session.get(f"{box.base_url}/models") as response:
                await response.read()
        assert (box.stats()["connections_open"], box.stats()["connections_accepted"]) == (1, 1)
    await settled(box, "connections_open", 0)
    assert box.stats()["connections_accepted"] == 1


@pytest.mark.asyncio
async def test_the_stats_endpoint_is_the_method(box: Sandbox) -> None:
    """`GET /_sandbox/stats` gives what `stats()` gives; its own connection is open meanwhile."""
    await ask(box, "/models")
    await settled(box, "connections_open", 0)
    reply = await ask(box, "/_sandbox/stats", origin=box.origin, headers={})
    assert reply.body == box.stats() | {"connections_open": 1}


@pytest.mark.asyncio
async def test_stats_can_be_reset(box: Sandbox) -> None:
    """`POST /_sandbox/stats/reset` begins the count anew."""
    await ask(box, "/models")
    reply = await ask(box, "/_sandbox/stats/reset", origin=box.origin, method="POST")
    assert (reply.body["requests"], reply.body["by_path"], box.stats()["requests"]) == (0, {}, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/stats/reset", 405), ("POST", "/truth", 405), ("DELETE", "/stats", 405), ("GET", "/truth/users", 404)],
)
async def test_wrong_calls_of_the_control_routes(box: Sandbox, method: str, path: str, status: int) -> None:
    """The control routes refuse what they are not, with a JSON body."""
    reply = await ask(box, f"/_sandbox{path}", origin=box.origin, method=method)
    assert (reply.status, bool(reply.body["message"])) == (status, True)


@pytest.mark.asyncio
async def test_truth_does_not_hold_up_others(box: Sandbox) -> None:
    """The API answers while somebody is in the middle of the truth."""
    rows = box.truth("messages")
    next(rows)
    assert (await ask(box, "/models")).status == 200
    assert sum(1 for _ in rows) > 0
