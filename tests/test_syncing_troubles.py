"""Syncs of servers that lie, fail, refuse or do not filter: what is missing is named, and comes with the next round."""

from __future__ import annotations

import asyncio
import functools
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from unittest import mock

import attrs
import pytest
from answers import no_tasks_left
from cancelling import WAYS, cut_at
from living import Life, LivingApi
from test_syncing_living import differences

from asyncchat import AsyncClient, AuthenticationError, ExportError, Request, Response, ServerError
from asyncchat.export import SyncReport, sync
from asyncchat.testing import FakeClock, MockTransport

CALM = Life(seed=3, conversations=60)
BROKEN = Response(status=500, body=b"{}")


async def one_round(
    api: LivingApi, client: AsyncClient, path: Path, happenings: int = 30, **options: object
) -> SyncReport:
    """Let something happen, and old enough, and sync."""
    api.left = happenings
    api.live(100, happenings)
    api.live(20, 0)
    given: dict[str, object] = {"lag": 6, "lookback": 60, "patience": 0, **options}
    with mock.patch("asyncchat.export.syncing.rounds._local_clock", side_effect=lambda: api.real):
        return await sync(client, f"sqlite:///{path}", **given)  # type: ignore[arg-type]


def fails(*paths: str) -> Callable[[Request], Response | None]:
    return lambda request: BROKEN if request.path in paths else None


@pytest.mark.asyncio
async def test_messages_that_cannot_be_read(tmp_path: Path) -> None:
    """Their conversation is named, the others go on; the next round reads them, though nothing has changed since."""
    api, path = LivingApi(attrs.evolve(CALM, recent=1)), tmp_path / "chats.db"
    async with api.client() as client:
        await one_round(api, client, path, 0)
        api.left = 30
        api.live(50, 30)
        broken = [
            f"/conversations/{row.id}/messages"
            for row in api.state.values()
            if row.messages and row.ordered[-1].created > api.real - 50
        ][:2]
        api.answer = fails(*broken)
        report = await one_round(api, client, path, 0)
        assert not report.certified
        assert sorted(each.split(":")[0].split()[-1] for each in report.uncertified) == sorted(
            each.split("/")[2] for each in broken
        )
        assert differences(api, path, report) == []
        api.answer = lambda _request: None
        again = await one_round(api, client, path, 0)
    assert again.certified
    assert again.messages > 0
    assert differences(api, path, again) == []


@pytest.mark.asyncio
async def test_changes_that_cannot_be_read(tmp_path: Path) -> None:
    """A window that fails is owed: the next round reads it, however long ago it was."""
    api, path = LivingApi(CALM), tmp_path / "chats.db"

    def broken(request: Request) -> Response | None:
        asked = dict(request.params)
        return BROKEN if asked.get("sort") == "updated_at" and asked["per_page"] != "1" else None

    async with api.client() as client:
        await one_round(api, client, path, 0)
        api.answer = broken
        report = await one_round(api, client, path)
        assert not report.certified
        assert report.uncertified[0].startswith("window ")
        api.answer = lambda _request: None
        api.live(2_000, 0)
        again = await one_round(api, client, path, 0)
    assert again.certified
    assert differences(api, path, again) == []


@pytest.mark.asyncio
async def test_a_server_that_is_away(tmp_path: Path) -> None:
    """The round ends with its error, and leaves what is there; a refused token ends it at once."""
    api, path = LivingApi(CALM), tmp_path / "chats.db"
    async with api.client() as client:
        await one_round(api, client, path, 0)
        api.answer = lambda request: BROKEN if "messages" in request.path else None
        api.life = attrs.evolve(api.life, recent=1)
        with pytest.raises(ServerError):
            await one_round(api, client, path, 60)
        api.answer = lambda request: Response(status=401, body=b"{}") if "messages" in request.path else None
        with pytest.raises(AuthenticationError):
            await one_round(api, client, path, 1)
        api.answer = lambda _request: None
        report = await one_round(api, client, path, 0)
    assert differences(api, path, report) == []


@pytest.mark.asyncio
async def test_a_server_that_does_not_sort(tmp_path: Path) -> None:
    """One that takes the filters for `created_at` would hide every change: it is found out before the first round."""
    api, path = LivingApi(CALM), tmp_path / "chats.db"

    def unsorted(request: Request) -> Response | None:
        kept = tuple((name, value) for name, value in request.params if name != "sort")
        if len(kept) == len(request.params):
            return None
        value = api._value(Request(request.method, request.path, params=kept), api.state)
        return Response(status=200, body=json.dumps(value).encode())

    api.answer = unsorted
    async with api.client() as client:
        with pytest.raises(ExportError, match=r"ignores sort=updated_at"):
            await one_round(api, client, path, 0)


# ---- cancelled


@pytest.mark.heavy
@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.large), 23])
async def test_cancelled_at_any_turn(tmp_path: Path, way: str, stride: int) -> None:
    """Whenever a round is cancelled, nothing of it runs on, and the next one brings what is missing, once."""
    api, path = LivingApi(attrs.evolve(CALM, recent=3)), tmp_path / "chats.db"
    async with api.client(per_page=5) as client:
        await one_round(api, client, path, 0)
    api.left = 25
    api.live(100, 25)
    api.live(20, 0)

    async def slowly(request: Request) -> Response:
        for _ in range(2):
            await asyncio.sleep(0)
        return api(request)

    tried = 0
    async with AsyncClient(transport=MockTransport(slowly, clock=FakeClock()), per_page=5) as client:
        for turn in range([*WAYS].index(way) * stride, 100_000, len(WAYS) * stride):
            copy = Path(shutil.copy(path, tmp_path / f"{turn}.db"))
            run = functools.partial(sync, client, f"sqlite:///{copy}", lag=6, lookback=60)
            if not await cut_at(turn, run, way):
                break
            await no_tasks_left()
            report = await run()
            assert differences(api, copy, report) == []
            tried += 1
    assert tried >= 3


# ---- lies


@pytest.mark.asyncio
async def test_a_lie_is_found(tmp_path: Path) -> None:
    """Recent messages with a gap: what is counted shows it, all that were believed are filled, none is again."""
    api, path = LivingApi(attrs.evolve(CALM, conversations=200, lies=0.2)), tmp_path / "chats.db"
    async with api.client() as client:
        await one_round(api, client, path, 0)
        silent = 0
        for _ in range(100):
            report = await one_round(api, client, path, 60)
            if report.lied:
                break
            silent += len(differences(api, path, report)) > 0
        assert report.lied
        assert not report.trusts
        assert differences(api, path, report) == []
        for _ in range(3):
            report = await one_round(api, client, path, 10)
            assert "recent" not in report.ways
            assert differences(api, path, report) == []
    assert silent > 0, "no lie had a life"


@pytest.mark.asyncio
@pytest.mark.parametrize("change", ["cut off", "of another conversation"])
async def test_recent_messages_that_are_others(tmp_path: Path, change: str) -> None:
    """What they tell of messages that are there is not what is there: these stay, and all are read."""
    api, path = LivingApi(CALM), tmp_path / "chats.db"
    first = min(each.id for row in api.state.values() for each in row.messages)

    def told(request: Request) -> Response | None:
        value = api._value(request, api.state) if request.path == "/conversations" else None
        for row in value["data"] if value else ():
            row["recent_messages"] = [
                each | ({"message": each["message"][:3]} if change == "cut off" else {"id": first})
                for each in row["recent_messages"]
            ]
        return None if value is None else Response(status=200, body=json.dumps(value).encode())

    async with api.client() as client:
        await one_round(api, client, path, 0)
        with closing(sqlite3.connect(path)) as database:
            texts = database.execute("SELECT id, conversation_id, message FROM messages ORDER BY id").fetchall()
        api.answer = told
        report = await one_round(api, client, path, 40)
        assert report.changed > 5
        assert "recent" not in report.ways
        assert differences(api, path, report) == []
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT id, conversation_id, message FROM messages ORDER BY id").fetchall()
    assert rows[: len(texts)] == texts
    assert all(text == f"message {row_id}" for row_id, _, text in rows)


@pytest.mark.asyncio
async def test_all_are_counted(tmp_path: Path) -> None:
    """With audit=1 no lie lives to the end of its round."""
    api, path = LivingApi(attrs.evolve(CALM, lies=0.5)), tmp_path / "chats.db"
    async with api.client() as client:
        for _ in range(12):
            report = await one_round(api, client, path, 10, audit=1)
            assert differences(api, path, report) == []
    assert not report.trusts


async def life_of_lies(seed: int, path: Path, *, share: float, rounds: int) -> tuple[int, int | None]:
    """How many rounds a copy was silently wrong, and in which the lie was found."""
    api = LivingApi(attrs.evolve(CALM, seed=seed, conversations=200, lies=share))
    rnd, wrong = Random(seed), 0  # noqa: S311 - a game
    async with api.client() as client:
        await one_round(api, client, path, 0)
        for number in range(rounds):
            report = await one_round(api, client, path, rnd.randint(50, 150))
            if report.lied:
                assert differences(api, path, report) == []
                return wrong, number + 1
            wrong += len(differences(api, path, report)) > 0
    return wrong, None


@pytest.mark.heavy
@pytest.mark.asyncio
@pytest.mark.parametrize("count", [2, pytest.param(30, marks=pytest.mark.large)])
@pytest.mark.parametrize("share", [0.3, 0.03])
async def test_how_long_a_lie_lives(tmp_path: Path, count: int, share: float) -> None:
    """By the sample of two in a hundred and as many of earlier rounds: found, and then nothing is missing."""
    lives = []
    for seed in range(count):
        wrong, found = await life_of_lies(seed, tmp_path / f"{seed}.db", share=share, rounds=400)
        assert found is not None
        lives.append(wrong)
    lives.sort()
    middle, late = lives[len(lives) // 2], lives[int(len(lives) * 0.95)]
    print(f"share {share}: wrong for {middle} rounds at the median, {late} at 95 %, {lives[-1]} at most")  # noqa: T201
