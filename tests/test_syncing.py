"""`sync` with every kind of database, against the sandbox: what has changed is there, at next to no requests."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from database_rows import connection, select
from test_database_locks import holder

from asyncchat import AsyncClient, Client, ConfigurationError, ExportBusyError
from asyncchat import blocking as twins
from asyncchat.export import ConversationChange, SyncReport, export, sync, verify
from asyncchat.export.destinations import postgres
from asyncchat.sandbox import Sandbox

NOW = 1_760_000_000
QUICK: dict[str, Any] = {"lag": 2, "lookback": 5}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox whose time stands until it is told to pass."""
    with Sandbox(seed=4, models=3, conversations=150, messages_mean=6, clock=NOW) as running:
        yield running


def client_of(box: Sandbox) -> AsyncClient:
    return AsyncClient(box.base_url, token=box.token, auth=box.auth)


def changed(box: Sandbox, changes: int) -> None:
    """Let so many changes happen, and become old enough."""
    box.make_changes(changes)
    box.advance(10)


def ids(url: str, kind: str) -> list[int]:
    """The ids in a table, but for those marked as deleted."""
    return [row_id for (row_id,) in select(url, f"SELECT id FROM {kind} WHERE deleted_at IS NULL ORDER BY id")]  # noqa: S608


def is_true(url: str, box: Sandbox) -> bool:
    """Whether a database holds what the server has, each message with its conversation and text."""
    told = select(url, "SELECT id, conversation_id, message FROM messages WHERE deleted_at IS NULL ORDER BY id")
    messages: list[Any] = sorted(box.truth("messages"), key=lambda row: int(str(row["id"])))
    return told == [(row["id"], row["conversation_id"], row["message"]) for row in messages] and all(
        ids(url, kind) == sorted(int(str(row["id"])) for row in box.truth(kind)) for kind in ("models", "conversations")
    )


@pytest.mark.asyncio
async def test_rounds(box: Sandbox, database: str) -> None:
    """The first call exports; each later one brings what has changed, and is verified intact."""
    async with client_of(box) as chat:
        first = await sync(chat, database, **QUICK)
        assert first.exported is not None
        assert is_true(database, box)
        for _ in range(3):
            changed(box, 60)
            report = await sync(chat, database, **QUICK, prune=True)
            assert report.certified
            assert report.exported is None
            assert is_true(database, box)
            assert report.ways["recent"] > report.ways.get("tail", 0)
        found = await verify(chat, database)
        assert found.intact
        assert found.as_of == report.as_of
        again = await export(chat, database)
        assert (again.reused, again.as_of, again.rows) == (True, report.as_of, report.rows)


@pytest.mark.asyncio
async def test_nothing_new(box: Sandbox, database: str) -> None:
    """A round that has nothing to bring takes three requests, and changes no row."""
    async with client_of(box) as chat:
        await sync(chat, database, **QUICK)
        box.advance(100)
        before = select(database, "SELECT id, updated_at_offset FROM conversations ORDER BY id")
        report = await sync(chat, database, **QUICK)
    assert (report.requests, report.new, report.changed, report.messages) == (3, 0, 0, 0)
    assert select(database, "SELECT id, updated_at_offset FROM conversations ORDER BY id") == before


@pytest.mark.asyncio
async def test_few_requests(box: Sandbox, tmp_path: Path) -> None:
    """Where the news fit, a changed conversation costs no request of its own: a page of them does."""
    url = f"sqlite:///{tmp_path}/chats.db"
    async with client_of(box) as chat:
        await sync(chat, url, **QUICK)
        changed(box, 100)
        report = await sync(chat, url, **QUICK, audit=0)
    asked = report.ways.get("tail", 0) + report.ways.get("whole", 0)
    assert report.ways["recent"] > 30
    assert report.requests - asked <= 6
    assert report.audited == 0


@pytest.mark.asyncio
async def test_deletions(box: Sandbox, database: str) -> None:
    """What is gone is marked, with its messages, and stays; a round that does not look for it leaves it as it was."""
    async with client_of(box) as chat:
        await sync(chat, database, **QUICK)
        before = set(ids(database, "conversations"))
        while not (gone := before - {int(str(row["id"])) for row in box.truth("conversations")}):
            changed(box, 20)
        assert (await sync(chat, database, **QUICK)).deleted == ()
        assert gone <= set(ids(database, "conversations"))
        report = await sync(chat, database, **QUICK, prune=True)
        assert set(report.deleted) == gone
        assert report.rows["conversations"] == select(database, "SELECT count(*) FROM conversations")[0][0]
        assert (await sync(chat, database, **QUICK, prune=True)).deleted == ()
        assert (await verify(chat, database)).intact
    assert not gone & set(ids(database, "conversations"))
    (left,) = select(database, f"SELECT count(*), count(deleted_at) FROM messages WHERE conversation_id = {min(gone)}")  # noqa: S608
    assert left[0] == left[1] > 0


@pytest.mark.asyncio
async def test_what_verify_finds_is_not_what_came_since(box: Sandbox, tmp_path: Path) -> None:
    """A conversation that has changed since the last round lags behind until the next one: that is no difference."""
    url = f"sqlite:///{tmp_path}/chats.db"
    async with client_of(box) as chat:
        await sync(chat, url, **QUICK)
        changed(box, 40)
        report = await sync(chat, url, **QUICK)
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            rows = "SELECT max(id) FROM messages WHERE created_at < datetime(?, 'unixepoch')"
            ((lost,),) = database.execute(rows, (int(report.as_of.timestamp()) - 60,))
            database.execute("DELETE FROM messages WHERE id = ?", (lost,))
            database.commit()
        found = await verify(chat, url)
        assert [each.missing for each in found.differences if each.missing] == [(lost,)]
        box.make_changes(400)
        box.advance(10)
        newer = await verify(chat, url)
    assert newer.newer > 0
    assert all(each.kind != "messages" or not each.missing or lost in each.missing for each in newer.differences)


# ---- who is told


@pytest.mark.asyncio
async def test_who_is_told_of_changes(box: Sandbox, tmp_path: Path) -> None:
    """Each changed conversation is told once, when it is there; of the first export nothing is."""
    url = f"sqlite:///{tmp_path}/chats.db"
    told: list[ConversationChange] = []
    counts: list[int] = []

    async def tell(change: ConversationChange) -> None:
        told.append(change)
        owner = f"SELECT count(*) FROM messages WHERE conversation_id = {change.id}"  # noqa: S608
        counts.append(select(url, owner)[0][0])

    async with client_of(box) as chat:
        await sync(chat, url, **QUICK, on_change=tell)
        assert told == []
        changed(box, 30)
        report = await sync(chat, url, **QUICK, on_change=tell)
    assert len(told) == len({each.id for each in told}) == report.new + report.changed
    assert sum(len(each.messages) for each in told) == report.messages
    assert sum(each.is_new for each in told) == report.new > 0
    assert all(counts)


@pytest.mark.asyncio
async def test_who_fails_is_told_again(box: Sandbox, tmp_path: Path) -> None:
    """What nobody could be told of is told by the next run; the rows are there all the while."""
    url = f"sqlite:///{tmp_path}/chats.db"
    told: list[ConversationChange] = []

    def fail(_change: ConversationChange) -> None:
        raise RuntimeError("no")

    async with client_of(box) as chat:
        await sync(chat, url, **QUICK)
        changed(box, 20)
        with pytest.raises(RuntimeError, match="no"):
            await sync(chat, url, **QUICK, on_change=fail)
        there = set(ids(url, "conversations"))
        await sync(chat, url, **QUICK, on_change=told.append)
        assert {each.id for each in told} <= there
        assert len(told) > 3
        again: list[ConversationChange] = []
        await sync(chat, url, **QUICK, on_change=again.append)
    assert again == []


# ---- what is refused


@pytest.mark.asyncio
async def test_a_destination_of_ones_own(box: Sandbox) -> None:
    """One that cannot be kept up to date is refused by what it lacks, before anything is asked."""

    class Own:
        name, format = "mine", "own"
        open = write = commit = finish = close = None

    async with client_of(box) as chat:
        with pytest.raises(ConfigurationError, match=r"Own cannot be kept up to date: that needs its copy\(\)"):
            await sync(chat, Own())  # type: ignore[arg-type]
    assert box.stats()["requests"] == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "value"), [("lag", -1), ("lookback", "x"), ("audit", 2), ("audit", True)])
async def test_wrong_arguments(box: Sandbox, name: str, value: Any) -> None:
    """They are refused by name."""
    async with client_of(box) as chat:
        with pytest.raises(ConfigurationError, match=name):
            await sync(chat, "sqlite:///x.db", **{name: value})


@pytest.mark.asyncio
async def test_another_export(box: Sandbox, database: str) -> None:
    """A database that holds another query, such as one with an end, is left alone."""
    async with client_of(box) as chat:
        await export(chat, database, until="2025-06-01")
        with pytest.raises(ConfigurationError, match="holds another export"):
            await sync(chat, database)


@pytest.mark.asyncio
async def test_two_at_once(box: Sandbox, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second says who holds the database, and leaves."""
    monkeypatch.setattr(postgres, "_LOCK_WAIT", "10ms")
    async with client_of(box) as chat:
        await sync(chat, database, **QUICK)
        held = holder(database, query=export_query(database, box))
        with held as process, pytest.raises(ExportBusyError, match=rf"process {process.pid}|session \d+"):
            await sync(chat, database, **QUICK)
        changed(box, 5)
        assert (await sync(chat, database, **QUICK)).certified


def export_query(url: str, box: Sandbox) -> dict[str, Any]:
    return {
        "source": box.base_url,
        "format": url.partition(":")[0],
        "since": None,
        "until": None,
        "model_ids": [],
        "messages": True,
    }


# ---- parts of the whole


@pytest.mark.asyncio
async def test_some_models(box: Sandbox, tmp_path: Path) -> None:
    """Only they, their conversations and messages are kept up to date."""
    url = f"sqlite:///{tmp_path}/chats.db"
    wanted = sorted(int(str(row["id"])) for row in box.truth("models"))[:2]
    async with client_of(box) as chat:
        await sync(chat, url, **QUICK, models=wanted)
        changed(box, 60)
        await sync(chat, url, **QUICK, models=wanted, prune=True)
    expected = [int(str(row["id"])) for row in box.truth("conversations") if row["model_id"] in wanted]
    assert ids(url, "models") == wanted
    assert ids(url, "conversations") == sorted(expected)


@pytest.mark.asyncio
async def test_some_time_and_no_messages(box: Sandbox, tmp_path: Path) -> None:
    """Conversations that are older are not brought in by their changes, and no messages by theirs."""
    url, since = f"sqlite:///{tmp_path}/chats.db", "2025-06-15"
    async with client_of(box) as chat:
        await sync(chat, url, **QUICK, since=since, messages=False)
        changed(box, 200)
        report = await sync(chat, url, **QUICK, since=since, messages=False, prune=True)
    expected = [int(str(row["id"])) for row in box.truth("conversations") if str(row["created_at"])[:10] >= since]
    assert ids(url, "conversations") == sorted(expected)
    assert report.ways == {}
    assert "messages" not in report.rows


def test_the_blocking_twin(box: Sandbox, tmp_path: Path) -> None:
    """It has the same name in `asyncchat.blocking`, and calls its hook."""
    url = f"sqlite:///{tmp_path}/chats.db"
    told: list[ConversationChange] = []
    with Client(box.base_url, token=box.token, auth=box.auth) as chat:
        twins.sync(chat, url, lag=2, lookback=5)
        changed(box, 20)
        report: SyncReport = twins.sync(chat, url, lag=2, lookback=5, on_change=told.append)
    assert len(told) == report.new + report.changed > 0


@pytest.mark.asyncio
async def test_full_text_search_stays_true(box: Sandbox, tmp_path: Path) -> None:
    """Messages that a round brings are found by their words; one that is changed by hand is found by its new ones."""
    path = tmp_path / "chats.db"
    async with client_of(box) as chat:
        await sync(chat, f"sqlite:///{path}", **QUICK)
        changed(box, 40)
        await sync(chat, f"sqlite:///{path}", **QUICK)
    with contextlib.closing(connection(f"sqlite:///{path}")) as database:
        ((newest, text),) = database.execute(
            "SELECT id, message FROM messages ORDER BY created_at DESC, id DESC LIMIT 1"
        )
        found = "SELECT rowid FROM messages_fts WHERE messages_fts MATCH ?"
        assert (newest,) in database.execute(found, (f'"{text.split()[0]}"',)).fetchall()
        database.execute("UPDATE messages SET message = 'zebra' WHERE id = ?", (newest,))
        assert database.execute(found, ("zebra",)).fetchall() == [(newest,)]
        database.execute("DELETE FROM messages WHERE id = ?", (newest,))
        assert database.execute(found, ("zebra",)).fetchall() == []
