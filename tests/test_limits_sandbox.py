"""Limits over real sockets: what the server saw."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from asyncchat import AsyncClient
from asyncchat.sandbox import Fault, Sandbox

LEARNED: Final = 15.0
RATE: Final = 20.0


async def call_often(box: Sandbox, calls: int, callers: int) -> None:
    async with AsyncClient(box.base_url, token=box.token) as chat:
        left = iter(range(calls))

        async def work() -> None:
            for _ in left:
                await chat.models.list(per_page=1)

        await asyncio.gather(*(work() for _ in range(callers)))


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [429, 503])
async def test_nothing_is_sent_before_a_retry_after_has_passed(status: int) -> None:
    """With 64 callers, the server sees nothing for the second that it asks for, but the 7 that were on their way."""
    turned_away = Fault("status", status=status, retry_after="1", nth=1)
    async with Sandbox(conversations=5, faults=[turned_away]) as box:
        await call_often(box, 200, 64)
        first, *others = sorted(box.requests(), key=lambda entry: entry.time)
    assert (first.status, len(others)) == (status, 200)
    assert len([entry for entry in others if entry.time < first.time + 1.0]) <= 7


@pytest.mark.large
@pytest.mark.asyncio
async def test_a_hard_limit_is_learned() -> None:
    """At 20 requests a second and without any header, 64 callers use 90 % of it, and under 3 % get a 429."""
    async with Sandbox(conversations=5, rate_limit=RATE, retry_after="none") as box:
        await call_often(box, 1_000, 64)
        seen = box.requests()
    begun, ended = seen[0].time, seen[-1].time
    taken = sum(entry.status == 200 for entry in seen if entry.time >= begun + LEARNED)
    refused = sum(entry.status == 429 for entry in seen)
    throughput = taken / (ended - begun - LEARNED)
    print(f"{throughput:.2f} requests/s of {RATE:g}, {refused / len(seen):.2%} of {len(seen)} answered 429")  # noqa: T201
    assert throughput >= 0.9 * RATE
    assert refused / len(seen) < 0.03
