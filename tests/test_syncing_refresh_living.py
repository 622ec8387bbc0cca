"""Refreshes between the rounds of syncs of a server that lives: what they bring hides nothing from the rounds."""

from __future__ import annotations

import asyncio
import functools
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import attrs
import pytest
from answers import no_tasks_left
from cancelling import WAYS, cut_at
from living import Life, LivingApi
from test_syncing_living import (
    LAG,
    LARGE,
    LOOKBACK,
    ON_DISK,
    ROUNDS,
    SMALL,
    STATEMENTS,
    differences,
    folder,
    held,
    killed_at,
    life,
)
from test_syncing_troubles import CALM, fails, one_round

from asyncchat import AsyncClient, AuthenticationError, ConfigurationError, Request, Response, ServerError
from asyncchat.export import RefreshReport, SyncReport, refresh, sync
from asyncchat.export.syncing.landing import Landing
from asyncchat.testing import FakeClock, MockTransport

__all__ = ["folder"]  # a fixture


@contextmanager
def clock_of(api: LivingApi) -> Iterator[None]:
    """Let this machine's clock be the one beside the server."""
    names = [f"asyncchat.export.syncing.{module}._local_clock" for module in ("rounds", "fetching")]
    with mock.patch(names[0], side_effect=lambda: api.real), mock.patch(names[1], side_effect=lambda: api.real):
        yield


def notified(api: LivingApi, rnd: Random) -> list[int]:
    """Conversations that one may be notified of: those that changed last, some others, one that never was."""
    latest = sorted(api.state, key=lambda each: api.state[each].updated)[-rnd.choice([1, 3, 10]) :]
    others = rnd.sample(sorted(api.state), min(len(api.state), rnd.choice([0, 2])))
    return [*latest, *others, *rnd.choice([[], [10**6], latest[:1]])]


async def history(told: Life, path: Path, figures: Counter[str], *, kills: float = 0.3) -> tuple[LivingApi, SyncReport]:
    """Ten rounds with refreshes between them, and a quiet round that looks for deletions."""
    api, rnd = LivingApi(told), Random(told.seed + 1)  # noqa: S311 - a game
    url, steps = (f"sqlite:///{path}", STATEMENTS) if path.suffix else (str(path), ON_DISK)
    options: dict[str, Any] = {"lag": LAG, "lookback": LOOKBACK}
    async with api.client(per_page=rnd.choice([3, 10, 25])) as client:
        for _ in range(ROUNDS):
            for _ in range(rnd.choice([0, 1, 1, 4])):
                api.live(rnd.choice([0, 1, 3, 20]), rnd.choice([0, 1, 3, 10]))
                with clock_of(api), killed_at(api, rnd, kills, steps), suppress(ServerError, ConfigurationError):
                    report = await refresh(client, url, notified(api, rnd), lag=LAG, patience=0)
                    figures.update(report.ways, refreshes=1, gone=len(report.gone), unproven=len(report.unproven))
            api.live(rnd.choice([0, 1, 20, 200]), rnd.choice([0, 3, 10, 40]))
            with clock_of(api), killed_at(api, rnd, kills, steps), suppress(ServerError):
                await sync(client, url, **options, audit=0.1, patience=0)
                api.may_step = api.is_told
        api.is_quiet = True
        api.live(1_000, 0)
        with clock_of(api):
            return api, await sync(client, url, **options, audit=0.1, prune=True)


@pytest.mark.heavy
@pytest.mark.parametrize("suffix", [".db", ""], ids=["database", "folder"])
@pytest.mark.parametrize("count", [SMALL, pytest.param(LARGE, marks=pytest.mark.large)])
def test_the_copy_is_the_server(folder: Path, count: int, suffix: str) -> None:
    """Over late messages, replicas, clock steps, faults and kills: no difference that is not told."""
    figures: Counter[str] = Counter()
    for seed in range(count):
        path = folder / f"{seed}{suffix}"
        api, report = asyncio.run(history(life(seed), path, figures))
        found = differences(api, path, report)
        assert not found, (seed, found[:5], len(found), life(seed))
        assert life(seed).messages_order == "random" or report.certified, (seed, report.uncertified, life(seed))
        shutil.rmtree(folder)
        folder.mkdir()
    assert figures["recent"] > count
    print(dict(figures))  # noqa: T201 - shown by -rP


@pytest.mark.heavy
def test_what_would_be_lost(folder: Path) -> None:
    """Were it not noted which changes are not closed, messages that come late would be missed in some histories."""
    figures: Counter[str] = Counter()
    for seed in (10, 27):
        path = folder / f"{seed}.db"
        with mock.patch.object(Landing, "date"):
            api, report = asyncio.run(history(life(seed), path, figures))
        assert report.certified
        assert differences(api, path, report) != []


# ---- what is refused, fails, or is cancelled


async def synced(api: LivingApi, client: AsyncClient, path: Path) -> list[int]:
    """A copy, and the conversations that have changed since."""
    await one_round(api, client, path, 0)
    before = dict(api.state)
    api.left = 30
    api.live(20, 30)
    return [each for each in api.state if api.state[each] != before.get(each)]


@pytest.mark.asyncio
async def test_messages_that_cannot_be_read(tmp_path: Path) -> None:
    """Their conversations are named, and owed: a refresh of others leaves it so, the next sync reads them."""
    api, path = LivingApi(attrs.evolve(CALM, recent=1)), tmp_path / "chats.db"
    async with api.client() as client:
        one, two, *rest = [each for each in await synced(api, client, path) if api.state[each].messages]
        api.answer = fails(f"/conversations/{one}/messages", f"/conversations/{two}/messages")
        with clock_of(api):
            report = await refresh(client, f"sqlite:///{path}", [one, two, *rest], lag=6, patience=0)
            assert sorted(report.unproven) == [one, two]
            assert report.unproven[one].startswith(f"messages of conversation {one}: ")
            api.answer = lambda _request: None
            assert (await refresh(client, f"sqlite:///{path}", rest, lag=6)).certified
            assert (await refresh(client, f"sqlite:///{path}", [two], lag=6)).certified
        api.answer = fails(f"/conversations/{one}/messages")
        still = await one_round(api, client, path, 0)
        assert [each.split(":")[0] for each in still.uncertified] == [f"messages of conversation {one}"]
        api.answer = lambda _request: None
        again = await one_round(api, client, path, 0)
    assert again.certified
    assert differences(api, path, again) == []


@pytest.mark.asyncio
async def test_conversations_that_cannot_be_read(tmp_path: Path) -> None:
    """One that fails, or comes as another one, is named, and stays as it was; the others are there."""
    api, path = LivingApi(CALM), tmp_path / "chats.db"
    async with api.client() as client:
        one, two, *rest = await synced(api, client, path)

        def answer(request: Request) -> Response | None:
            if request.path == f"/conversations/{two}":
                return api._answer(attrs.evolve(request, path=f"/conversations/{one}"), api.state)
            return fails(f"/conversations/{one}")(request)

        api.answer = answer
        with clock_of(api):
            report = await refresh(client, f"sqlite:///{path}", [one, two, *rest], lag=6, patience=0)
        assert sorted(report.unproven) == [one, two]
        assert f"is not the row {two}" in report.unproven[two]
        assert report.refreshed == len(rest)
        api.answer = lambda _request: None
        assert differences(api, path, await one_round(api, client, path, 0)) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "error"), [(500, ServerError), (401, AuthenticationError)])
async def test_a_server_that_is_away(tmp_path: Path, status: int, error: type[Exception]) -> None:
    """Where nothing is answered, or the token refused, that is the error, and the copy stays as it was."""
    api, path = LivingApi(CALM), tmp_path / "chats.db"
    async with api.client() as client:
        wanted = await synced(api, client, path)
        before = held(path)
        api.answer = lambda _request: Response(status=status, body=b"{}")
        for ids in (wanted[:1], wanted):
            with pytest.raises(error):
                await refresh(client, f"sqlite:///{path}", ids, lag=6, patience=0)
        assert held(path) == before
        api.answer = lambda _request: None
        assert differences(api, path, await one_round(api, client, path, 0)) == []


@pytest.mark.asyncio
async def test_a_model_that_cannot_be_read(tmp_path: Path) -> None:
    """The conversation is there, and named, since its model is not."""
    api, path = LivingApi(CALM), tmp_path / "chats.db"
    async with api.client() as client:
        await one_round(api, client, path, 0)
        api.live(5, 0)
        new = next(api.ids)
        api.state[new] = attrs.evolve(next(iter(api.state.values())), id=new, model_id=2, messages=())
        api.answer = fails("/models/2")
        with clock_of(api):
            report = await refresh(client, f"sqlite:///{path}", [new], lag=6, patience=0)
    assert report.new == 1
    assert report.unproven[new].startswith(f"conversation {new}, its model 2: ")


@pytest.mark.heavy
@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.large), 17])
async def test_cancelled_at_any_turn(tmp_path: Path, way: str, stride: int) -> None:
    """Whenever a refresh is cancelled, nothing of it runs on; another one, and a sync, bring what is missing."""
    api, path = LivingApi(attrs.evolve(CALM, recent=3)), tmp_path / "chats.db"
    async with api.client(per_page=5) as client:
        wanted = await synced(api, client, path)
    api.is_quiet = True

    async def slowly(request: Request) -> Response:
        for _ in range(2):
            await asyncio.sleep(0)
        return api(request)

    tried = 0
    async with AsyncClient(transport=MockTransport(slowly, clock=FakeClock()), per_page=5) as client:
        for turn in range([*WAYS].index(way) * stride, 100_000, len(WAYS) * stride):
            copy = Path(shutil.copy(path, tmp_path / f"{turn}.db"))
            run = functools.partial(refresh, client, f"sqlite:///{copy}", wanted, lag=6)
            if not await cut_at(turn, run, way):
                break
            await no_tasks_left()
            report: RefreshReport = await run()
            assert report.certified
            assert ends_like(copy, api)
            tried += 1
    assert tried >= 3


def ends_like(path: Path, api: LivingApi) -> bool:
    """Whether a copy holds what the server has."""
    conversations, messages = held(path)
    return (conversations, messages) == (api.conversations(), api.messages())
