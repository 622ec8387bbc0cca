"""What comes at once is done at once: in one call, whose end is everybody's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from asyncchat import WebhookError
from asyncchat.webhooks.together import Together


@pytest.mark.asyncio
async def test_what_comes_meanwhile_goes_together() -> None:
    """The first goes alone, what comes until it is done goes in one call; who is cancelled changes nothing."""
    calls: list[list[int]] = []
    go_on = threading.Event()

    def work(items: Sequence[int]) -> None:
        calls.append([*items])
        go_on.wait()

    together = Together[int](work)
    tasks = [asyncio.ensure_future(together.add(0))]
    await asyncio.sleep(0)
    tasks += [asyncio.ensure_future(together.add(number)) for number in (1, 2, 3)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    go_on.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert calls == [[0], [1, 2, 3]]
    assert [type(each).__name__ for each in told] == ["NoneType", "NoneType", "CancelledError", "NoneType"]


@pytest.mark.asyncio
@pytest.mark.parametrize("error", [WebhookError("full"), MemoryError("none left"), ValueError("a fault")])
async def test_what_fails(error: Exception) -> None:
    """Everybody gets it, whatever it is, and the next call is tried."""
    errors = [error]

    def work(_: Sequence[int]) -> None:
        if errors:
            raise errors.pop()

    together = Together[int](work)
    told: Any = await asyncio.gather(together.add(1), together.add(2), return_exceptions=True)
    assert list(told) == [error, error]
    await together.add(3)


@pytest.mark.asyncio
async def test_closing() -> None:
    """What waits is done first; afterwards nothing is taken, until it is started again."""
    done: list[int] = []
    together = Together[int](done.extend)
    task = asyncio.ensure_future(together.add(1))
    await asyncio.sleep(0)
    await together.aclose()
    await task
    with pytest.raises(WebhookError, match="closed"):
        await together.add(2)
    together.start()
    await together.add(3)
    assert done == [1, 3]
