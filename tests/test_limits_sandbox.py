"""Limits over real sockets: what the server saw."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from asyncchat import AsyncClient
from asyncchat.sandbox import Sandbox

LEARNED: Final = 15.0
RATE: Final = 20.0


@pytest.mark.large
@pytest.mark.asyncio
async def test_a_hard_limit_is_learned() -> None:
    """At 20 requests a second and without any header, 64 callers use 90 % of it, and under 3 % get a 429."""
    async with Sandbox(conversations=5, rate_limit=RATE, retry_after="none") as box:
        async with AsyncClient(box.base_url, token=box.token) as chat:
            left = iter(range(1_000))

            async def work() -> None:
                for _ in left:
                    await chat.models.list(per_page=1)

            await asyncio.gather(*(work() for _ in range(64)))
        seen = box.requests()
    begun, ended = seen[0].time, seen[-1].time
    taken = sum(entry.status == 200 for entry in seen if entry.time >= begun + LEARNED)
    refused = sum(entry.status == 429 for entry in seen)
    throughput = taken / (ended - begun - LEARNED)
    print(f"{throughput:.2f} requests/s of {RATE:g}, {refused / len(seen):.2%} of {len(seen)} answered 429")  # noqa: T201
    assert throughput >= 0.9 * RATE
    assert refused / len(seen) < 0.03
