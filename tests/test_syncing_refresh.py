"""`refresh` with every kind of database, against the sandbox: a few conversations are brought, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from database_rows import select
from test_database_locks import holder
from test_syncing import QUICK, box, client_of, export_query, ids, is_true

from asyncchat import Client, ConfigurationError, ExportError
from asyncchat import blocking as twins
from asyncchat.export import ConversationChange, RefreshReport, export, refresh, sync, verify
from asyncchat.export.destinations import postgres
from asyncchat.export.destinations.database import Database
from asyncchat.export.destinations.database_copy import DatabaseCopy
from asyncchat.export.destinations.urls import make_database
from asyncchat.sandbox import Sandbox

__all__ = ["box"]  # a fixture

LAG: dict[str, Any] = {"lag": 2}


def there(box: Sandbox, kind: Any = "conversations") -> dict[int, dict[str, Any]]:
    return {int(str(row["id"])): dict(row) for row in box.truth(kind)}


def changed_in(box: Sandbox, changes: int) -> list[int]:
    """Let changes happen; returns the conversations that have changed, begun or gone."""
    before = there(box)
    box.make_changes(changes)
    after = there(box)
    return sorted(each for each in {*before, *after} if before.get(each) != after.get(each))


def state_of(url: str) -> dict[str, Any]:
    ((text,),) = select(url, "SELECT CAST(state AS TEXT) FROM asyncchat_syncs")
    return dict(json.loads(json.loads(text)["state"]))


def counts(url: str) -> tuple[Any, ...]:
    """What the copy says that it holds, and what it holds."""
    ((text,),) = select(url, "SELECT CAST(report AS TEXT) FROM asyncchat_exports")
    told = json.loads(text)["rows"]
    return told, {kind: select(url, f"SELECT count(*) FROM {kind}")[0][0] for kind in told}  # noqa: S608


@pytest.mark.asyncio
async def test_what_has_just_changed(box: Sandbox, database: str) -> None:
    """It is there at once, as the server has it; the next round looks into it again, and all is intact."""
    async with client_of(box) as chat:
        first = await sync(chat, database, **QUICK)
        for _ in range(2):
            wanted = changed_in(box, 40)
            report = await refresh(chat, database, wanted, **LAG)
            assert is_true(database, box)
            assert report.certified
            assert report.new > 0 < report.messages
            assert report.refreshed + report.unchanged + len(report.gone) == len(wanted)
            assert report.as_of == first.as_of
            told, held = counts(database)
            assert told == held
            assert (await verify(chat, database)).intact
        assert state_of(database)["unclosed"]
        box.advance(20)
        synced = await sync(chat, database, **QUICK, prune=True)
        assert (synced.new, synced.changed, synced.messages) == (0, 0, 0)
        assert state_of(database)["unclosed"] == []
        assert is_true(database, box)
        assert (await verify(chat, database)).intact


@pytest.mark.asyncio
async def test_what_it_costs(box: Sandbox, tmp_path: Path) -> None:
    """A request for each conversation whose news came with it, given twice or not; none for an empty list."""
    url = f"sqlite:///{tmp_path}/chats.db"
    async with client_of(box) as chat:
        await sync(chat, url, **QUICK)
        wanted = changed_in(box, 30)
        report = await refresh(chat, url, [*wanted, *wanted], **LAG)
        asked = report.ways.get("tail", 0) + report.ways.get("whole", 0)
        assert report.ways["recent"] > 10
        assert report.requests <= len(wanted) + 2 * asked
        assert report.retries == 0
        box.advance(20)
        again = await refresh(chat, url, wanted, **LAG)
        assert (again.unchanged, again.refreshed) == (len(wanted) - len(again.gone), 0)
        assert again.requests - len(wanted) == again.ways.get("tail", 0) <= report.new
        before = box.stats()["requests"]
        empty = await refresh(chat, url, [], **LAG)
        assert box.stats()["requests"] == before
    assert empty == RefreshReport(destination=url, as_of=report.as_of, seconds=empty.seconds)


@pytest.mark.asyncio
async def test_one_conversation(box: Sandbox, tmp_path: Path) -> None:
    """One whose news came with it takes one request in all, and is told to who wants to know."""
    url, told = f"sqlite:///{tmp_path}/chats.db", list[ConversationChange]()
    async with client_of(box) as chat:
        await sync(chat, url, **QUICK)
        before = there(box)
        for _ in range(50):
            some = [each for each in changed_in(box, 1) if each in before and each in there(box)]
            report = await refresh(chat, url, some, **LAG, on_change=told.append)
            assert report.requests - len(some) == report.ways.get("tail", 0) + report.ways.get("whole", 0)
            if report.messages:
                break
    assert report.requests == report.changed == 1
    assert told[-1].id == some[0]
    assert len(told[-1].messages) == report.messages
    assert state_of(url)["untold"] == []


@pytest.mark.asyncio
async def test_who_fails_is_told_again(box: Sandbox, tmp_path: Path) -> None:
    """What nobody could be told of is told by the next sync; a refresh that tells nobody leaves that as it is."""
    url, told = f"sqlite:///{tmp_path}/chats.db", list[ConversationChange]()

    def fail(_change: ConversationChange) -> None:
        raise RuntimeError("no")

    async with client_of(box) as chat:
        await sync(chat, url, **QUICK)
        wanted = changed_in(box, 10)
        with pytest.raises(RuntimeError, match="no"):
            await refresh(chat, url, wanted, **LAG, on_change=fail)
        assert is_true(url, box)
        await refresh(chat, url, wanted, **LAG)
        await sync(chat, url, **QUICK, on_change=told.append)
    assert {each.id for each in told} == set(wanted)


@pytest.mark.asyncio
async def test_one_that_is_gone(box: Sandbox, database: str) -> None:
    """It is told, and marked with its messages as `sync` marks it; what the copy never had is told only."""
    async with client_of(box) as chat:
        await sync(chat, database, **QUICK)
        had = set(ids(database, "conversations"))
        while not (gone := had - there(box).keys()):
            changed_in(box, 20)
        report = await refresh(chat, database, [*gone, 10**12], **LAG)
        assert report.gone == (*sorted(gone), 10**12)
        assert report.refreshed == report.unchanged == 0
        again = await refresh(chat, database, gone, **LAG)
        assert again.gone == tuple(sorted(gone))
        assert not gone & set(ids(database, "conversations"))
        box.advance(20)
        assert not gone & set((await sync(chat, database, **QUICK, prune=True)).deleted)
        assert (await verify(chat, database)).intact
    (left,) = select(database, f"SELECT count(*), count(deleted_at) FROM messages WHERE conversation_id = {min(gone)}")  # noqa: S608
    assert left[0] == left[1] > 0


@pytest.mark.asyncio
async def test_a_model_that_is_not_there(box: Sandbox, database: str) -> None:
    """A conversation that is not there is added, with its messages and its model."""
    async with client_of(box) as chat:
        await sync(chat, database, **QUICK)
        lost = max(there(box).values(), key=lambda row: str(row["created_at"]))
        lose(database, int(lost["id"]), int(lost["model_id"]))
        report = await refresh(chat, database, [int(lost["id"])], **LAG)
        assert (report.new, report.requests) == (1, 3)
        assert is_true(database, box)
        told, held = counts(database)
        assert told == held


def lose(url: str, conversation_id: int, model_id: int) -> None:
    """Take a conversation and its model out of a copy, as if it had never had them."""
    drop(url, "messages", f"conversation_id = {conversation_id}")
    drop(url, "conversations", f"id = {conversation_id}")
    drop(url, "models", f"id = {model_id}")


def forget(url: str, conversation_id: int, message_ids: list[int]) -> None:
    """Take messages out of a copy, as if their conversation had not had them when it was read."""
    drop(url, "messages", f"id IN ({', '.join(map(str, message_ids))})")
    with changing(url) as copy:
        moment = "1970-01-02 00:00:00" if url.startswith("sqlite") else "1970-01-02 00:00:00+00"
        copy._session.run(
            f"UPDATE conversations SET updated_at = '{moment}', recent_messages = NULL WHERE id = {conversation_id}"  # noqa: S608
        )


def drop(url: str, kind: str, which: str) -> None:
    with changing(url) as copy:
        ((count,),) = copy._session.run(f"SELECT count(*) FROM {kind} WHERE {which}")  # noqa: S608
        copy._session.run(f"DELETE FROM {kind} WHERE {which}")  # noqa: S608
        copy.report = attrs.evolve(copy.report, rows={**copy.report.rows, kind: copy.report.rows[kind] - count})


@contextlib.contextmanager
def changing(url: str) -> Iterator[DatabaseCopy]:
    """A copy whose rows are changed behind its back."""
    made = make_database(url)
    assert isinstance(made, Database)
    with contextlib.closing(made):
        copy = made.copy(None)
        assert copy is not None
        assert copy.state is not None
        copy._session.begin()
        yield copy
        copy.commit(copy.state, copy.report)


@pytest.mark.asyncio
async def test_a_long_tail(box: Sandbox, database: str) -> None:
    """More news than a conversation carries take the end of its listing."""
    async with client_of(box) as chat:
        await sync(chat, database, **QUICK)
        busy = max(
            there(box),
            key=lambda each: len([1 for row in there(box, "messages").values() if row["conversation_id"] == each]),
        )
        lost = select(database, f"SELECT id FROM messages WHERE conversation_id = {busy} ORDER BY created_at, id")  # noqa: S608
        forget(database, busy, [row_id for (row_id,) in lost[1:]])
        report = await refresh(chat, database, [busy], **LAG)
        assert report.ways == {"tail": 1}
        assert (report.changed, report.messages) == (1, len(lost) - 1)
        assert is_true(database, box)


# ---- copies that are not synced yet, or of a part


@pytest.mark.asyncio
async def test_a_copy_that_was_only_exported(box: Sandbox, database: str) -> None:
    """It is refreshed too, and the first sync afterwards is complete."""
    async with client_of(box) as chat:
        await export(chat, database)
        wanted = changed_in(box, 40)
        await refresh(chat, database, wanted, **LAG)
        assert is_true(database, box)
        changed_in(box, 20)
        box.advance(20)
        assert (await sync(chat, database, **QUICK, prune=True)).certified
        assert is_true(database, box)
        assert (await verify(chat, database)).intact


@pytest.mark.asyncio
async def test_what_a_copy_is_not_of(box: Sandbox, tmp_path: Path) -> None:
    """Conversations of other models, or made before, are left out and named; no message comes where none are wanted."""
    url, since = f"sqlite:///{tmp_path}/chats.db", "2025-06-15"
    (wanted, *_) = there(box, "models")
    async with client_of(box) as chat:
        await sync(chat, url, **QUICK, models=[wanted], since=since, messages=False)
        report = await refresh(chat, url, there(box), **LAG)
    ours = {
        each for each, row in there(box).items() if row["model_id"] == wanted and str(row["created_at"])[:10] >= since
    }
    assert set(report.outside) == there(box).keys() - ours
    assert (report.unchanged, report.refreshed, report.ways) == (len(ours), 0, {})
    assert ids(url, "conversations") == sorted(ours)


# ---- what is refused


@pytest.mark.asyncio
async def test_what_is_no_copy(box: Sandbox, database: str, tmp_path: Path) -> None:
    """Nothing at all, a copy of another server, one with an end, and wrong ids: each says what to do."""
    async with client_of(box) as chat:
        with pytest.raises(ConfigurationError, match="holds no finished export"):
            await refresh(chat, tmp_path / "out", [1])
        with pytest.raises(ConfigurationError, match="holds no finished export"):
            await refresh(chat, database, [1])
        await export(chat, database, until="2025-06-01")
        with pytest.raises(ConfigurationError, match="holds another export"):
            await refresh(chat, database, [1])
        await sync(chat, f"sqlite:///{tmp_path}/other.db", **QUICK, source="somebody else")
        with pytest.raises(ConfigurationError, match="holds another export already, of somebody else"):
            await refresh(chat, f"sqlite:///{tmp_path}/other.db", [1])
        for wrong in (-1, "7", True, 2**63):
            with pytest.raises(ConfigurationError, match="conversation_ids takes whole numbers"):
                await refresh(chat, database, [wrong])  # type: ignore[list-item]
        with pytest.raises(ConfigurationError, match="lag takes seconds"):
            await refresh(chat, database, [1], lag=-1)


@pytest.mark.asyncio
async def test_two_at_once(box: Sandbox, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds the database in use is told by whom, and can go on when it is free."""
    monkeypatch.setattr(postgres, "_LOCK_WAIT", "10ms")
    async with client_of(box) as chat:
        await sync(chat, database, **QUICK)
        wanted = changed_in(box, 5)
        held = holder(database, query=export_query(database, box))
        with held as process, pytest.raises(ExportError, match=rf"process {process.pid}|session \d+"):
            await refresh(chat, database, wanted, **LAG)
        assert (await refresh(chat, database, wanted, **LAG)).certified
    assert is_true(database, box)


def test_the_blocking_twin(box: Sandbox, tmp_path: Path) -> None:
    """It has the same name in `asyncchat.blocking`, and calls its hook."""
    url, told = f"sqlite:///{tmp_path}/chats.db", list[ConversationChange]()
    with Client(box.base_url, token=box.token, auth=box.auth) as chat:
        twins.sync(chat, url, lag=2, lookback=5)
        report: RefreshReport = twins.refresh(chat, url, changed_in(box, 20), lag=2, on_change=told.append)
    assert len(told) == report.refreshed + len(report.gone) > 0
    assert json.loads(json.dumps(report.to_dict()))["certified"]
