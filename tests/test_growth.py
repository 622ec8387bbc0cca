"""Clients that are used for long: neither objects nor files nor threads become more."""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cancelling import lines
from waiting import until

from asyncchat import APIConnectionError, AsyncClient, Client
from asyncchat.sandbox import Sandbox
from asyncchat.sandbox.audit import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN = Path("/proc/self/fd")

TIMERS = 300
"""An event loop forgets timers that were cancelled only when there are more than some hundred of them."""


def figures() -> tuple[int, int]:
    """Objects that the garbage collector knows, without the log of a sandbox in this process, and open files."""
    for _ in range(3):
        gc.collect()
    known = sum(type(item) is not Entry for item in gc.get_objects())
    return known, sum(1 for _ in OPEN.iterdir()) if OPEN.is_dir() else 0


async def _growth(call: Callable[[], Any], calls: int) -> tuple[int, int]:
    """What is there more after the last four fifths of so many calls."""
    for _ in range(calls // 5):
        await call()
    before = figures()
    for _ in range(calls - calls // 5):
        await call()
    after = figures()
    return after[0] - before[0], after[1] - before[1]


async def _growth_over_sockets(calls: int) -> tuple[int, int]:
    async with lines() as server, AsyncClient(server.base_url, token="t0ken") as chat:
        grown = await _growth(lambda: chat.models.get(1), calls)
        assert server.answered == calls
    return grown


@pytest.mark.asyncio
async def test_2_000_calls_in_turn() -> None:
    """2,000 calls over sockets, one after the other, leave no more objects and files than 400."""
    objects, files = await _growth_over_sockets(2_000)
    assert objects < TIMERS
    assert files == 0


@pytest.mark.large
@pytest.mark.asyncio
async def test_10_000_calls_in_turn() -> None:
    """10,000 calls over sockets, one after the other, leave no more objects and files than 2,000."""
    objects, files = await _growth_over_sockets(10_000)
    assert objects < TIMERS
    assert files == 0


@pytest.mark.asyncio
async def test_500_failures_in_turn(caplog: pytest.LogCaptureFixture) -> None:
    """Calls that fail leave no more objects than calls that do not: no error keeps its frames alive."""
    caplog.set_level(logging.CRITICAL, "asyncchat")  # what is logged is kept for the report

    async def fail() -> None:
        with contextlib.suppress(APIConnectionError):
            await chat.models.get(1)

    gc.collect()
    async with AsyncClient("http://127.0.0.1:1", token="t0ken", retry=0) as chat:
        objects, files = await _growth(fail, 500)
    assert objects < 100
    assert files == 0


@pytest.mark.parametrize("clients", [100, pytest.param(1_000, marks=pytest.mark.large)])
def test_blocking_clients_in_turn(clients: int) -> None:
    """Blocking clients that are opened, used and closed leave neither objects nor memory, files or threads."""
    with Sandbox(conversations=5) as box:

        def use() -> None:
            with Client(box.base_url, token=box.token) as chat:
                chat.models.list().count()
                next(iter(chat.conversations.list(per_page=1)))

        for _ in range(clients // 5):
            use()
        before, memory, threads = figures(), resident(), threading.active_count()
        for _ in range(clients):
            use()
        until(lambda: figures()[1] - before[1] <= 2)  # the sandbox is in this process, and closes its ends a bit later
        after, memory = figures(), resident() - memory
        assert threading.active_count() <= threads
    print(f"{clients} clients: {after[0] - before[0]:+} objects, {memory:+} KiB")  # noqa: T201 - shown by -rP
    assert after[1] - before[1] <= 2
    assert after[0] - before[0] < 2_000
    assert memory < 8_192  # among thousands of tests, other memory comes and goes by half of it


def resident() -> int:
    """KiB of memory that this process holds now; 0 where that is not told."""
    told = Path("/proc/self/status")
    if not told.exists():
        return 0
    return int(told.read_text().partition("VmRSS:")[2].split()[0])
