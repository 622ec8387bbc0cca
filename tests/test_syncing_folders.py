"""`sync`, `refresh` and `verify` with folders of every format, against the sandbox."""

from __future__ import annotations

import csv
import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import attrs
import pytest
from answers import no_tasks_left
from export_api import exported, left, touched
from export_formats import stored
from test_syncing import QUICK, box, changed, client_of

from asyncchat import APIConnectionError, AsyncClient, Client, ConfigurationError, ExportBusyError, ExportError
from asyncchat import blocking as twins
from asyncchat.export import FORMATS, ConversationChange, Progress, export, refresh, sink, sync, verify
from asyncchat.export.destinations import folder_copy, parts, thinning
from asyncchat.export.destinations.files import Lock, read_note, read_report
from asyncchat.export.destinations.staging import STAGING
from asyncchat.export.stopping import RETRY
from asyncchat.export.syncing import rounds
from asyncchat.sandbox import Sandbox

__all__ = ["box"]  # a fixture


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "export"


def of_kind(place: Path, kind: str) -> dict[int, Any]:
    """The rows of a folder by id, each as its format keeps it; each is there once."""
    rows = stored(place, kind)
    found = {_id_of(row): row for row in rows}
    assert len(found) == len(rows)
    return found


def _id_of(row: Any) -> int:
    if isinstance(row, bytes):
        return int(json.loads(row)["id"])
    return int(row[0] if isinstance(row, tuple) else row.split(",")[0].split(":")[1])


def parts_of(place: Path) -> list[str]:
    return [path for path in left(place) if "/part-" in path]


def is_true(place: Path, box: Sandbox) -> bool:
    """Whether a folder holds what the server has, and its files are what the manifest says."""
    done = read_report(place)
    assert done is not None
    assert sorted(path.name for path in place.iterdir()) == ["conversations", "manifest.json", "messages", "models"]
    assert set(parts_of(place)) == {part.file for part in done.parts}
    assert all(parts.is_sound(place, part) for part in done.parts)
    held = {kind: set(of_kind(place, kind)) for kind in done.rows}
    assert done.rows == {kind: len(ids) for kind, ids in held.items()}
    return held == {kind: {int(str(row["id"])) for row in box.truth(kind)} for kind in done.rows}  # type: ignore[arg-type]


def deletions(box: Sandbox, place: Path) -> set[int]:
    """Let changes happen until conversations are gone that the folder holds."""
    before = set(of_kind(place, "conversations"))
    while not (gone := before - {int(str(row["id"])) for row in box.truth("conversations")}):
        changed(box, 20)
    return gone


# ---- rounds


@pytest.mark.asyncio
@pytest.mark.parametrize("form", FORMATS)
async def test_rounds(box: Sandbox, place: Path, form: str) -> None:
    """Each round brings what has changed: every row is as an export made now would have it, in the format of before."""
    async with client_of(box) as chat:
        await export(chat, place, format=form, lag=2)
        for _ in range(3):
            changed(box, 60)
            report = await sync(chat, place, **QUICK, prune=True)
            assert report.certified
            assert report.exported is None
            assert is_true(place, box)
            assert report.rows == {kind: len(of_kind(place, kind)) for kind in report.rows}
        found = await verify(chat, place, deep=True)
        assert (found.intact, found.as_of) == (True, report.as_of)
        again = await export(chat, place, format=form)
        assert (again.reused, again.as_of, again.rows) == (True, report.as_of, report.rows)
        await export(chat, place.with_name("now"), format=form, lag=2)
    for kind in report.rows:
        assert of_kind(place, kind) == of_kind(place.with_name("now"), kind)


@pytest.mark.asyncio
async def test_the_first_time(box: Sandbox, place: Path) -> None:
    """Where there is no export yet one is made; the round after it takes what has changed meanwhile."""
    async with client_of(box) as chat:
        report = await sync(chat, place, **QUICK)
        assert report.exported is not None
        assert report.certified
        changed(box, 30)
        assert (await sync(chat, place, **QUICK, prune=True)).exported is None
    assert is_true(place, box)


def test_blocking(box: Sandbox, place: Path) -> None:
    """The same for blocking callers."""
    with Client(box.base_url, token=box.token, auth=box.auth) as chat:
        twins.export(chat, place, format="csv", csv_raw=True, lag=2)
        changed(box, 30)
        assert twins.sync(chat, str(place), **QUICK, prune=True).certified
        assert twins.verify(chat, place, deep=True).intact
    with (place / "messages" / "part-00000.csv").open(newline="", encoding="utf-8") as file:
        texts = {int(row["id"]): row["message"] for row in csv.DictReader(file)}
    assert texts == {row["id"]: row["message"] for row in box.truth("messages")}


@pytest.mark.asyncio
async def test_nothing_new(box: Sandbox, place: Path) -> None:
    """A round that has nothing to bring takes three requests, and leaves every file the one that it was."""
    async with client_of(box) as chat:
        await sync(chat, place, **QUICK)
        box.advance(100)
        before = {path: each for path, each in touched(place).items() if path.name.startswith("part-")}
        report = await sync(chat, place, **QUICK)
        assert (report.requests, report.new, report.changed, report.messages) == (3, 0, 0, 0)
        assert before.items() <= touched(place).items()
        assert (await verify(chat, place)).as_of == report.as_of


@pytest.mark.asyncio
async def test_only_what_has_changed(box: Sandbox, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files without a row that has changed are the ones of before; small ones become one as rows come."""
    monkeypatch.setattr(parts, "_BUFFER", 1_000)
    monkeypatch.setattr(sink, "_WRITE_BYTES", 5_000)
    monkeypatch.setattr(thinning, "_CHUNK_BYTES", 5_000)
    async with client_of(box) as chat:
        with monkeypatch.context() as patch:
            patch.setattr(folder_copy, "PART_BYTES", 1)  # each round leaves files of its own, however writes fall
            for _ in range(6):
                await sync(chat, place, **QUICK)
                changed(box, 3)
        for module in (parts, folder_copy):
            monkeypatch.setattr(module, "PART_BYTES", 40_000)
        await sync(chat, place, **QUICK)
        before = touched(place)
        changed(box, 2)
        report = await sync(chat, place, **QUICK)
        assert report.changed + report.new > 0
        after = touched(place)
        same = [path for path, each in before.items() if path.is_file() and after.get(path) == each]
        assert len(same) > 5
        files = len(parts_of(place))
        for _ in range(5):
            changed(box, 3)
            await sync(chat, place, **QUICK, prune=True)
    assert len(parts_of(place)) < files + 3
    assert is_true(place, box)


@pytest.mark.asyncio
async def test_deletions(box: Sandbox, place: Path) -> None:
    """What is gone leaves the files, with its messages, when it is looked for; else it stays."""
    async with client_of(box) as chat:
        await sync(chat, place, **QUICK)
        gone = deletions(box, place)
        assert (await sync(chat, place, **QUICK)).deleted == ()
        assert gone <= set(of_kind(place, "conversations"))
        report = await sync(chat, place, **QUICK, prune=True)
        assert set(report.deleted) == gone
        assert is_true(place, box)
        assert (await sync(chat, place, **QUICK, prune=True)).deleted == ()
    assert not gone & {row["conversation_id"] for row in exported(place, "messages")}


@pytest.mark.asyncio
async def test_without_messages(box: Sandbox, place: Path) -> None:
    """An export that has none gets none."""
    async with client_of(box) as chat:
        await export(chat, place, messages=False, lag=2)
        changed(box, 30)
        report = await sync(chat, place, **QUICK, messages=False, prune=True)
        assert (report.certified, set(report.rows)) == (True, {"models", "conversations"})
        assert (await verify(chat, place, deep=True)).intact
    assert {path.split("/")[0] for path in left(place)} == {"conversations", "manifest.json", "models"}


@pytest.mark.asyncio
async def test_who_is_told(box: Sandbox, place: Path) -> None:
    """Each changed conversation is told once, when it is there."""
    told: list[ConversationChange] = []

    def tell(change: ConversationChange) -> None:
        told.append(change)
        there = {row["id"] for row in exported(place, "messages") if row["conversation_id"] == change.id}
        assert there >= set(change.messages)

    async with client_of(box) as chat:
        await sync(chat, place, **QUICK)
        changed(box, 30)
        report = await sync(chat, place, **QUICK, on_change=tell)
    assert len(told) == len({each.id for each in told}) == report.new + report.changed > 3
    assert sum(len(each.messages) for each in told) == report.messages


@pytest.mark.asyncio
async def test_refresh(box: Sandbox, place: Path) -> None:
    """Some conversations are brought by their ids; those that are gone leave; the next round finds nothing amiss."""
    async with client_of(box) as chat:
        await sync(chat, place, **QUICK)
        before = {row["id"]: row for row in box.truth("conversations")}
        box.make_changes(40)
        after = {row["id"]: row for row in box.truth("conversations")}
        ids = [int(str(each)) for each in {*before, *after} if before.get(each) != after.get(each)]
        report = await refresh(chat, place, ids, lag=2)
        assert (report.certified, report.refreshed > 3) == (True, True)
        wanted = {int(str(each)): after[each] for each in after if int(str(each)) in ids}
        held = {row["id"]: row["updated_at"] for row in exported(place, "conversations")}
        assert {each: row["updated_at"] for each, row in wanted.items()} == {each: held.get(each) for each in wanted}
        assert not (set(ids) - wanted.keys()) & held.keys()
        box.advance(10)
        assert (await sync(chat, place, **QUICK, prune=True)).certified
        assert (await verify(chat, place, deep=True)).intact
    assert is_true(place, box)


# ---- what is refused, stopped, or damaged


@pytest.mark.asyncio
async def test_another_export(box: Sandbox, place: Path) -> None:
    """A folder that holds another query, such as one with an end, is left alone; so is one that is in use."""
    async with client_of(box) as chat:
        await export(chat, place, until="2025-06-01")
        before = touched(place)
        with pytest.raises(ConfigurationError, match="of something else: until was"):
            await sync(chat, place)
        with pytest.raises(ConfigurationError, match="holds another export"):
            await refresh(chat, place, [1], source="https://other.example.com")
        held = Lock.taken(place)
        with pytest.raises(ExportBusyError, match=f"process {os.getpid()}"):
            await sync(chat, place)
        held.release()
        assert touched(place) == before
        with pytest.raises(ConfigurationError, match="holds no finished export"):
            await refresh(chat, place.with_name("none"), [1])
    assert not place.with_name("none").exists()


class StoppedError(Exception):
    """Somebody wants no more of it."""


async def begin(chat: AsyncClient, place: Path, **query: Any) -> None:
    """Begin a fresh export, and stop it when it has something to go on from."""

    def stop(progress: Progress) -> None:
        if progress.windows:
            raise StoppedError

    with pytest.raises(StoppedError):
        await export(chat, place, **query, fresh=True, lag=2, observer=stop)


@pytest.mark.asyncio
async def test_an_unfinished_export(box: Sandbox, place: Path) -> None:
    """It is gone on with first, and what it replaces is not looked at; one of something else is named."""
    async with client_of(box) as chat:
        await export(chat, place, lag=2)
        await begin(chat, place)
        with pytest.raises(ConfigurationError, match="holds no finished export"):
            await refresh(chat, place, [1])
        changed(box, 30)
        report = await sync(chat, place, **QUICK, prune=True)
        assert report.exported is not None
        assert report.exported.resumed
        assert is_true(place, box)
        await begin(chat, place, messages=False)
        with pytest.raises(ConfigurationError, match="holds an unfinished export of something else: messages was"):
            await sync(chat, place, **QUICK)


@pytest.mark.asyncio
async def test_a_server_that_is_away(box: Sandbox, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export is as it was, without a trace of the round."""
    monkeypatch.setattr(rounds, "RETRY", attrs.evolve(RETRY, attempts=2, backoff=0.0))
    async with client_of(box) as chat:
        await sync(chat, place, **QUICK)
        before = touched(place)
        changed(box, 60)
        box.stop()
        with pytest.raises(APIConnectionError):
            await sync(chat, place, **QUICK, patience=0)
    assert touched(place) == before
    await no_tasks_left()


@pytest.mark.asyncio
@pytest.mark.parametrize("takes_folders", [True, False])
async def test_a_full_disk(box: Sandbox, place: Path, monkeypatch: pytest.MonkeyPatch, takes_folders: bool) -> None:
    """One line says so; the export is as it was, what was staged is gone, and the next round brings everything."""
    async with client_of(box) as chat:
        await sync(chat, place, **QUICK)
        before = read_report(place)
        changed(box, 60)

        fsync = os.fsync

        def full(descriptor: int) -> None:
            if not (takes_folders and stat.S_ISDIR(os.fstat(descriptor).st_mode)):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(ExportError, match="No space left on device"):
                await sync(chat, place, **QUICK)
        assert read_report(place) == before
        assert not (takes_folders and (place / STAGING).exists())
        assert (await sync(chat, place, **QUICK, prune=True)).certified
    assert is_true(place, box)


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "csv", "parquet"])
async def test_a_damaged_file(box: Sandbox, place: Path, form: str) -> None:
    """It is named, and neither read nor written anew as if it were whole; `verify` repairs it, then all goes on."""
    async with client_of(box) as chat:
        await export(chat, place, format=form, lag=2)
        changed(box, 10)
        await sync(chat, place, **QUICK)
        path = next((place / "messages").iterdir())
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        changed(box, 40)
        with pytest.raises(ExportError, match=f"{path.name}.* is not as the export left it: `verify` with repair=True"):
            await sync(chat, place, **QUICK)
        assert path.read_bytes() == data
        assert not (place / STAGING).exists()
        mended = await verify(chat, place, repair=True)
        assert mended.replaced == (f"messages/{path.name}",)
        assert read_note(place) is not None
        assert (await sync(chat, place, **QUICK, prune=True)).certified
        assert (await verify(chat, place, deep=True)).intact
    assert is_true(place, box)
