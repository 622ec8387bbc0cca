"""What a round costs: requests for each hundred conversations that have changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from unittest import mock

import attrs
import pytest
from living import Life, LivingApi, Message, Order
from test_syncing_living import differences

from asyncchat import AsyncClient
from asyncchat.export import SyncReport, sync

pytestmark = pytest.mark.heavy

FEW, MANY = 1_000, 10_000
HOUR = 3_600.0

SPREADS: dict[str, Callable[[Random], float]] = {
    "one second": lambda _rnd: 0.0,
    "a minute": lambda rnd: rnd.random() * 60,
    "an hour": lambda rnd: rnd.random() * HOUR,
}


async def changed(
    path: Path, count: int, *, news: int, spread: Callable[[Random], float], order: Order
) -> tuple[SyncReport, int]:
    """Let each of so many conversations get new messages, and sync; returns the requests for the sample too."""
    rnd = Random(count)  # noqa: S311 - a game
    api = LivingApi(Life(seed=1, conversations=count, order=order, recent=6))
    async with api.client() as client:
        await round_of(api, client, path)
        for row in list(api.state.values()):
            began = api.real + spread(rnd)
            said = tuple(Message(next(api.ids), float(int(began))) for _ in range(rnd.randint(1, news)))
            api.state[row.id] = attrs.evolve(row, updated=said[-1].created, messages=(*row.messages, *said))
        api.live(HOUR + 200, 0)
        report = await round_of(api, client, path)
        assert report.certified
        assert not differences(api, path, report)
        return report, report.audit_requests


async def round_of(api: LivingApi, client: AsyncClient, path: Path) -> SyncReport:
    with mock.patch("asyncchat.export.syncing.rounds._local_clock", side_effect=lambda: api.real):
        return await sync(client, f"sqlite:///{path}", lag=60)


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.large)])
@pytest.mark.parametrize("spread", SPREADS)
async def test_news_that_fit(tmp_path: Path, count: int, spread: str) -> None:
    """At most 1.3 requests for a hundred changed conversations, beyond the sample and those that had no messages."""
    report, audit = await changed(tmp_path / "c.db", count, news=5, spread=SPREADS[spread], order="-time")
    empty = report.ways.get("whole", 0)  # had no message to join on to
    asked = (report.requests - audit - empty - report.ways.get("tail", 0)) / count * 100
    told = f"{spread}: {asked:.2f} requests for 100 changed, {audit} for the sample, {report.ways}"
    print(told)  # noqa: T201 - shown by -rP
    assert asked <= 1.3 + 300 / count
    assert report.ways.get("tail", 0) == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [300, pytest.param(MANY, marks=pytest.mark.large)])
async def test_long_tails(tmp_path: Path, count: int) -> None:
    """News that do not fit take the end of their listing: one request, for most of them."""
    report, audit = await changed(tmp_path / "c.db", count, news=40, spread=SPREADS["an hour"], order="-time")
    asked = (report.requests - audit) / count * 100
    print(f"{asked:.0f} requests for 100 changed, {audit} for the sample, {report.ways}")  # noqa: T201
    assert asked <= 130 + 600 / count


@pytest.mark.asyncio
@pytest.mark.parametrize("order", ["time", "id", "random"])
async def test_other_orders(tmp_path: Path, order: Order) -> None:
    """A server in another order costs no more while nothing moves."""
    report, audit = await changed(tmp_path / "c.db", FEW, news=5, spread=SPREADS["an hour"], order=order)
    asked = (report.requests - audit - report.ways.get("whole", 0)) / FEW * 100
    print(f"{order}: {asked:.2f} requests for 100 changed")  # noqa: T201
    assert order == "random" or asked <= 2
