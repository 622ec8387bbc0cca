"""`verify`: what a destination holds against what the server has. Every difference is found, and none that is not."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from database_rows import connection, held
from export_api import START, FakeApi, conversation, drop_lines, left, message, stamp
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import AsyncClient, Client, ConfigurationError, ExportError, Request, Response
from asyncchat import blocking as twins
from asyncchat.export import FORMATS, Difference, VerifyProgress, VerifyReport, export, verify
from asyncchat.export.destinations.choose import choose_destination
from asyncchat.export.verifying import by_window
from asyncchat.export.verifying.stored import Stored
from asyncchat.export.windows import Span
from asyncchat.sandbox import Sandbox

NOW = 1_750_000_000
"""The second of the API's clock."""


async def exported_and_verified(api: FakeApi, target: Path | str, change: Any = None, **options: Any) -> VerifyReport:
    """Export, let something happen, and verify."""
    async with api.client(per_page=10) as chat:
        await export(chat, target)
        if change is not None:
            change()
        return await verify(chat, target, **options)


def told(report: VerifyReport) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return sorted((each.kind, each.missing, each.extra) for each in report.differences)


# ---- every destination


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(seed=5, models=3, conversations=120, messages_mean=5) as running:
        yield running


@pytest.mark.asyncio
@pytest.mark.parametrize("form", FORMATS)
async def test_a_folder_that_is_whole(box: Sandbox, tmp_path: Path, form: str) -> None:
    """In every format nothing is missing, nothing extra, and every row is counted."""
    async with AsyncClient(box.base_url, token=box.token, auth=box.auth) as chat:
        report = await export(chat, tmp_path / "out", format=form)
        found = await verify(chat, tmp_path / "out")
    assert found.intact
    assert found.rows == report.rows
    assert found.conversations == report.rows["conversations"]


@pytest.mark.asyncio
async def test_a_database_that_is_whole_and_one_that_is_not(box: Sandbox, database: str) -> None:
    """Rows that were deleted in the database, and one that was put there, are named by their ids."""
    async with AsyncClient(box.base_url, token=box.token, auth=box.auth) as chat:
        report = await export(chat, database)
        found = await verify(chat, database)
        assert found.intact
        assert found.rows == report.rows
        rows: list[Any] = list(box.truth("messages"))
        conversations = [row["id"] for row in box.truth("conversations")]
        lost, gone = rows[7], conversations[11]
        with contextlib.closing(connection(database)) as opened:
            for statement in (
                f"DELETE FROM messages WHERE id = {lost['id']}",  # noqa: S608 - ours
                f"DELETE FROM conversations WHERE id = {gone}",  # noqa: S608
                f"INSERT INTO messages (id, conversation_id) VALUES (77, {rows[0]['conversation_id']})",  # noqa: S608
            ):
                opened.execute(statement)
        found = await verify(chat, database)
    assert not found.intact
    assert ("conversations", (gone,), ()) in told(found)
    assert {each for each in found.differences if each.kind == "messages"} == {
        Difference(kind="messages", where=f"conversation {lost['conversation_id']}", missing=(lost["id"],)),
        Difference(kind="messages", where=f"conversation {rows[0]['conversation_id']}", extra=(77,)),
    }


@pytest.mark.asyncio
async def test_a_database_is_repaired(box: Sandbox, database: str) -> None:
    """What is missing is put in, as the export would have; what is extra stays, and is named."""
    ids = [row["id"] for row in box.truth("conversations")]
    async with AsyncClient(box.base_url, token=box.token, auth=box.auth) as chat:
        await export(chat, database)
        before = held(database)
        with contextlib.closing(connection(database)) as opened:
            opened.execute(f"DELETE FROM conversations WHERE id IN ({ids[3]}, {ids[9]})")  # noqa: S608 - ours
            opened.execute(f"DELETE FROM messages WHERE conversation_id IN ({ids[3]}, {ids[20]})")  # noqa: S608
            opened.execute("DELETE FROM models WHERE id = (SELECT min(id) FROM models)")
        found = await verify(chat, database, repair=True)
        assert (found.intact, found.mended) == (False, True)
        assert sum(found.repaired.values()) == found.missing > 3
        assert held(database) == before
        assert (await verify(chat, database)).intact
        assert (await export(chat, database)).reused
        with contextlib.closing(connection(database)) as opened:
            opened.execute(f"INSERT INTO messages (id, conversation_id) VALUES (77, {ids[0]})")  # noqa: S608
            opened.execute(f"DELETE FROM conversations WHERE id = {ids[7]}")  # noqa: S608
        found = await verify(chat, database, repair=True)
        assert (found.mended, dict(found.repaired), found.extra) == (False, {"conversations": 1}, 1)


def test_a_repaired_database_finds_words_again(box: Sandbox, tmp_path: Path) -> None:
    """The full-text search over messages knows the rows that were put in."""
    target = f"sqlite:///{tmp_path}/chats.db"
    row: Any = next(row for row in box.truth("messages") if str(row["message"]).isascii())
    word = max(str(row["message"]).split(), key=len)
    search = ("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH ?", (f'"{word}"',))
    with Client(box.base_url, token=box.token, auth=box.auth) as chat:
        twins.export(chat, target)
        with contextlib.closing(connection(target)) as opened:
            count = opened.execute(*search).fetchall()
            opened.execute("DELETE FROM messages WHERE id = ?", (row["id"],))
        assert twins.verify(chat, target, repair=True).mended
    with contextlib.closing(connection(target)) as opened:
        assert opened.execute(*search).fetchall() == count


@pytest.mark.asyncio
async def test_a_repair_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows are put in, or none: also when the last step fails."""
    api, target = FakeApi.of(20), f"sqlite:///{tmp_path}/chats.db"
    async with api.client() as chat:
        await export(chat, target)
        with contextlib.closing(connection(target)) as opened:
            opened.execute("DELETE FROM conversations WHERE id < 5")
        before = held(target)

        def fail(_store: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        with monkeypatch.context() as patch:
            patch.setattr("asyncchat.export.destinations.sqlite._SQLite.commit", fail)
            with pytest.raises(ExportError, match="disk I/O error"):
                await verify(chat, target, repair=True)
        assert held(target) == before
        assert (await verify(chat, target, repair=True)).mended


@pytest.mark.asyncio
@pytest.mark.parametrize("form", FORMATS)
async def test_a_folder_is_repaired(box: Sandbox, tmp_path: Path, form: str) -> None:
    """A file that is damaged or gone is replaced as a whole; the others are the very same files."""
    target, other = tmp_path / "out", tmp_path / "other"
    async with AsyncClient(box.base_url, token=box.token, auth=box.auth) as chat:
        report = await export(chat, target, format=form)
        damage(target / next(part.file for part in report.parts if part.file.startswith("messages/")))
        (target / next(part.file for part in report.parts if part.file.startswith("models/"))).unlink()
        whole = {path.name: path.stat().st_ino for path in (target / "conversations").iterdir()}
        found = await verify(chat, target, repair=True)
        assert (found.intact, found.mended) == (False, True)
        assert len(found.replaced) == len(found.damaged) == 2
        assert {path.name: path.stat().st_ino for path in (target / "conversations").iterdir()} == whole
        again = await verify(chat, target, deep=True)
        assert again.intact
        assert again.rows == report.rows
        assert (await export(chat, target, format=form)).reused
        await export(chat, other, format=form)
    assert {path.name for path in target.iterdir()} == {path.name for path in other.iterdir()}


def damage(path: Path) -> None:
    """Turn a byte in the middle of a file over."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.asyncio
async def test_a_repair_of_a_folder_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever step is the last one, the folder holds the old export, or the new one after the same call."""
    api, target, steps, last = FakeApi.of(20), tmp_path / "out", 0, 0
    async with api.client() as chat:
        report = await export(chat, target)
        rename = Path.rename

        def fail(self: Path, place: Path) -> Path:
            nonlocal steps
            steps += 1
            if steps == last:
                raise OSError(5, "Input/output error")
            return rename(self, place)

        for number in range(1, 30):
            drop_lines(target, "conversations", {3, 7})
            steps, last = 0, number
            with monkeypatch.context() as patch:
                patch.setattr(Path, "rename", fail)
                try:
                    await verify(chat, target, repair=True)
                except OSError:
                    pass
                else:
                    break
            await verify(chat, target, repair=True)
            assert (await verify(chat, target, deep=True)).intact
            assert (await export(chat, target)).rows == report.rows
    assert steps < last
    assert last > 5


@pytest.mark.asyncio
async def test_a_repair_that_would_be_half(tmp_path: Path) -> None:
    """A damaged file of messages is not thrown away by who leaves the messages out."""
    api, target = FakeApi.of(3), tmp_path / "out"
    async with api.client() as chat:
        await export(chat, target)
        damage(target / "messages" / "part-00000.jsonl")
        with pytest.raises(ConfigurationError, match="leave messages=False out"):
            await verify(chat, target, repair=True, messages=False)
        assert (await verify(chat, target, repair=True)).mended


# ---- rows that are there, and not as they should be


def spoil(target: Path | str, kind: str, row_id: int) -> None:
    """Change a row's text where it is kept."""
    column = {"models": "name", "conversations": "platform", "messages": "message"}[kind]
    if isinstance(target, str):
        with contextlib.closing(connection(target)) as opened:
            opened.execute(f"UPDATE {kind} SET {column} = 'spoiled' WHERE id = {row_id}")  # noqa: S608 - ours
        return
    for path in (target / kind).iterdir():
        path.write_bytes(path.read_bytes().replace(b'"m%d"' % row_id, b'"spoiled"'))
    told = json.loads((target / "manifest.json").read_text())
    for part in told["parts"]:  # by who knows of the hashes
        data = (target / part["file"]).read_bytes()
        part |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (target / "manifest.json").write_text(json.dumps(told))


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["models", "conversations", "messages"])
async def test_a_spoiled_row_in_a_database(box: Sandbox, database: str, kind: Any) -> None:
    """Only a deep verification finds it; a repair puts in what the server has."""
    spoiled = int(str(list(box.truth(kind))[2]["id"]))
    async with AsyncClient(box.base_url, token=box.token, auth=box.auth) as chat:
        await export(chat, database)
        assert (await verify(chat, database, deep=True)).intact
        spoil(database, kind, spoiled)
        assert (await verify(chat, database)).intact
        found = await verify(chat, database, deep=True, repair=True)
        assert [each.changed for each in found.differences] == [(spoiled,)]
        assert (found.intact, found.mended, found.repaired) == (False, True, {kind: 1})
        assert (await verify(chat, database, deep=True)).intact


@pytest.mark.asyncio
async def test_a_spoiled_row_in_a_folder(tmp_path: Path) -> None:
    """Its file is replaced as a whole, though its hash was right."""
    api, target = FakeApi.of(20), tmp_path / "out"
    async with api.client() as chat:
        await export(chat, target)
        spoil(target, "messages", 7_000)
        assert [each.changed for each in (await verify(chat, target, deep=True)).differences] == [(7_000,)]
        found = await verify(chat, target, deep=True, repair=True)
        assert found.mended
        assert found.replaced == ("messages/part-00000.jsonl",)
        assert (await verify(chat, target, deep=True)).intact


@pytest.mark.asyncio
@pytest.mark.parametrize("form", FORMATS)
async def test_every_format_is_compared(box: Sandbox, tmp_path: Path, form: str) -> None:
    """What is kept in a format is what the server has, also after another message: that has come since."""
    async with AsyncClient(box.base_url, token=box.token, auth=box.auth) as chat:
        await export(chat, tmp_path / "out", format=form)
        assert (await verify(chat, tmp_path / "out", deep=True)).intact


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet", "csv"])
async def test_a_file_that_is_damaged(box: Sandbox, tmp_path: Path, form: str) -> None:
    """It is named, and so is every row that cannot be read of it any more."""
    async with AsyncClient(box.base_url, token=box.token, auth=box.auth) as chat:
        await export(chat, tmp_path / "out", format=form)
        (path,) = (tmp_path / "out" / "messages").iterdir()
        path.write_bytes(b"")
        found = await verify(chat, tmp_path / "out")
    assert found.damaged == (f"messages/{path.name}",)
    lost = {row_id for each in found.differences for row_id in each.missing}
    assert lost == {row["id"] for row in box.truth("messages")}
    assert not found.intact


# ---- what has happened since


@pytest.mark.asyncio
async def test_what_was_deleted_since_is_extra(tmp_path: Path) -> None:
    """A conversation that went is named, and its messages are."""
    api = FakeApi.of(40, messages=2)

    def happens() -> None:
        del api.conversations[4]
        del api.messages[5]

    found = await exported_and_verified(api, tmp_path / "out", happens)
    assert told(found) == [("conversations", (), (5,)), ("messages", (), (5_000, 5_001))]
    assert (found.missing, found.extra) == (0, 3)


@pytest.mark.asyncio
async def test_what_has_come_since_is_no_difference(tmp_path: Path) -> None:
    """Neither a new conversation nor new messages; those of a conversation that was read are counted."""
    api = FakeApi.of(40, messages=2)

    def happens() -> None:
        api.conversations.append(conversation(99, NOW + 5))
        api.messages[99] = [message(99_000, NOW + 6)]
        api.messages[7] += [message(7_500, NOW + 5), message(7_501, NOW + 6)]

    found = await exported_and_verified(api, tmp_path / "out", happens)
    assert found.intact
    assert found.newer == 2


@pytest.mark.asyncio
async def test_what_came_late_is_missing(tmp_path: Path) -> None:
    """Rows that belong to the time of the export, and were not there then."""
    api = FakeApi.of(40, messages=2)

    def happens() -> None:
        api.conversations.append(conversation(99, START + 33))
        api.messages[99] = [message(99_000)]
        api.messages[7].append(message(7_500))
        api.models.append({"id": 2, "name": "late", "created_at": stamp(START + 1)})

    found = await exported_and_verified(api, tmp_path / "out", happens)
    assert told(found) == [
        ("conversations", (99,), ()),
        ("messages", (7_500,), ()),
        ("messages", (99_000,), ()),
        ("models", (2,), ()),
    ]


# ---- windows


ROWS = st.lists(st.integers(0, 60), max_size=60)


@given(ROWS, st.booleans(), st.integers(1, 12), st.one_of(st.none(), st.integers(0, 20)))
def test_windows_hold_every_row_once(seconds: list[int], overlap: bool, size: int, since: int | None) -> None:
    """Together they are the span, each row is in one of them, and none is cut where a row is."""
    span = Span(since, 50)
    stored = Stored([(second, i) for i, second in enumerate(seconds)], overlap=overlap)
    windows = list(stored.windows(span, size))
    assert (windows[0].since, windows[-1].until) == (span.since, span.until)
    for one, other in itertools.pairwise(windows):
        is_shared = other.since == one.until
        assert is_shared or (not overlap and other.since == one.until + 1)
        assert not (is_shared and one.until in seconds)
    counts = [stored.count(window) for window in windows]
    assert sum(counts) == stored.count(span) == sum((since or 0) <= second <= 50 for second in seconds)
    assert set().union(*map(stored.ids, windows)) == stored.ids(span)


@given(ROWS.filter(bool), st.booleans())
def test_halves_are_smaller(seconds: list[int], overlap: bool) -> None:
    """Neither half is empty, so that halving comes to an end."""
    span = Span(None, 100)
    stored = Stored([(second, i) for i, second in enumerate(seconds)], overlap=overlap)
    halves = stored.halves(span)
    apart = sorted(set(seconds))
    if halves is None:
        assert all(b - a < (2 if overlap else 1) for a, b in itertools.pairwise(apart))
        return
    counts = [stored.count(half) for half in halves]
    assert min(counts) > 0
    assert sum(counts) == len(seconds)


@pytest.mark.asyncio
@pytest.mark.parametrize("fractions", [False, True])
async def test_damage_is_found_by_halving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fractions: bool) -> None:
    """Of a hundred windows those with a difference are halved and read; all others take one request each."""
    monkeypatch.setattr(by_window, "_WINDOW_ROWS", 40)
    monkeypatch.setattr(by_window, "_READ_ROWS", 5)
    api = FakeApi.of(4_000, messages=0)
    if fractions:
        api.hidden = {row["id"]: START + 10 * row["id"] + 0.5 for row in api.conversations}
    lost = {77, 78, 2_000, 3_999}
    folder = tmp_path / "out"
    found = await exported_and_verified(api, folder, lambda: drop_lines(folder, "conversations", lost), messages=False)
    assert {row_id for each in found.differences for row_id in each.missing} == lost
    assert found.extra == 0
    assert found.requests <= 100 + 3 * (2 * 4 + 4) + 5


@pytest.mark.asyncio
async def test_a_row_between_two_windows_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It came late, in the second that both windows share, so that both miss it."""
    monkeypatch.setattr(by_window, "_WINDOW_ROWS", 20)
    api = FakeApi.of(40, messages=0)
    last = api.conversations[19]
    late = conversation(99, datetime.fromisoformat(last["created_at"]).timestamp() + 1)
    found = await exported_and_verified(api, tmp_path / "out", lambda: api.conversations.append(late), messages=False)
    assert (found.missing, found.windows) == (1, 2)


@pytest.mark.asyncio
async def test_a_fraction_that_the_probe_did_not_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies between two windows that only touch is found: all together are counted as well."""
    monkeypatch.setattr(by_window, "_WINDOW_ROWS", 8)
    monkeypatch.setattr(by_window, "_READ_ROWS", 2)
    api = FakeApi(conversations=[conversation(i, START + second) for i, second in enumerate((1, 1, 3, 2), 1)])
    api.hidden = {i: START + second + 0.25 * (i % 4) for i, second in enumerate((1, 1, 3, 2), 1)}
    folder = tmp_path / "out"
    found = await exported_and_verified(api, folder, lambda: drop_lines(folder, "conversations", {1}), messages=False)
    assert [each.missing for each in found.differences] == [(1,)]


@given(st.data())
def test_every_difference_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever is missing or extra, with fractions behind the seconds or not: just that is named."""
    seconds = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=40), label="seconds")
    api = FakeApi.of(0)
    api.conversations = [conversation(i, START + second) for i, second in enumerate(seconds, 1)]
    api.messages = {row["id"]: [message(row["id"] * 1_000)] for row in api.conversations}
    if data.draw(st.booleans(), label="fractions"):
        api.hidden = {i: START + second + 0.25 * (i % 4) for i, second in enumerate(seconds, 1)}
    lost = data.draw(st.sets(st.integers(1, len(seconds)), max_size=6), label="lost")
    gone = data.draw(st.sets(st.integers(1, len(seconds)), max_size=6), label="gone") - lost
    folder = tmp_path_factory.mktemp("verify") / "out"

    def happens() -> None:
        drop_lines(folder, "conversations", lost)
        api.conversations = [row for row in api.conversations if row["id"] not in gone]
        for row_id in gone:
            del api.messages[row_id]

    async def run() -> VerifyReport:
        return await exported_and_verified(api, folder, happens)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_window, "_WINDOW_ROWS", 8)
        patch.setattr(by_window, "_READ_ROWS", 2)
        found = asyncio.run(run())
    assert not found.uncertain
    named = [row_id for each in found.differences if each.kind == "conversations" for row_id in each.missing]
    assert sorted(named) == sorted(lost)  # each once
    for kind, factor in (("conversations", 1), ("messages", 1_000)):
        of = [each for each in found.differences if each.kind == kind]
        assert {row_id for each in of for row_id in each.missing} == (lost if factor == 1 else set())
        assert {row_id for each in of for row_id in each.extra} == {row_id * factor for row_id in gone}


# ---- refusals, errors, progress


@pytest.mark.asyncio
async def test_a_place_without_an_export(tmp_path: Path) -> None:
    """It is told so, and nothing is made there."""
    async with FakeApi.of(1).client() as chat:
        for target in (tmp_path / "none", f"sqlite:///{tmp_path}/none.db", f"duckdb:///{tmp_path}/none.duckdb"):
            with pytest.raises(ConfigurationError, match="holds no finished export"):
                await verify(chat, target)
    assert left(tmp_path) == []


@pytest.mark.asyncio
async def test_an_export_of_another_server(box: Sandbox, tmp_path: Path) -> None:
    """Is refused before anything is asked, unless it is said to be the same."""
    async with AsyncClient(box.base_url, token=box.token, auth=box.auth) as chat:
        await export(chat, tmp_path / "out", source="https://other.example/v1", messages=False)
        with pytest.raises(ConfigurationError, match=r"was exported from https://other\.example/v1"):
            await verify(chat, tmp_path / "out")
        assert (await verify(chat, tmp_path / "out", source="https://other.example/v1")).intact


@pytest.mark.asyncio
@pytest.mark.parametrize("target", ["out", "sqlite:///{}/out.db"])
async def test_a_destination_that_is_written_to(tmp_path: Path, target: str) -> None:
    """Another export holds it: that is told, and nothing read."""
    where: Path | str = target.format(tmp_path) if ":" in target else tmp_path / target
    async with FakeApi.of(3).client() as chat:
        report = await export(chat, where)
        writer = choose_destination(where, format="jsonl", csv_raw=False)
        writer.open(report.query, fresh=True)
        with contextlib.closing(writer), pytest.raises(ExportError, match="another"):
            await verify(chat, where)


@pytest.mark.asyncio
async def test_a_destination_that_cannot_be_read_back() -> None:
    """One of the user's own says what it needs."""

    class Own:
        name = format = "own"

        def open(self, *_args: Any, **_options: Any) -> None: ...
        def write(self, *_args: Any) -> None: ...
        def commit(self, *_args: Any) -> None: ...
        def finish(self, *_args: Any) -> None: ...
        def close(self) -> None: ...

    async with FakeApi.of(1).client() as chat:
        with pytest.raises(ConfigurationError, match=r"Own cannot be read back: verifying needs its contents\(\)"):
            await verify(chat, Own())  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_a_server_that_gives_no_steady_answer(tmp_path: Path) -> None:
    """Where a conversation's count and its pages never agree, it is named as uncertain and not as different."""
    api = FakeApi.of(5, messages=3)

    def happens() -> None:
        def change(request: Request, value: dict[str, Any]) -> dict[str, Any]:
            return {**value, "total_rows": 9} if request.path == "/conversations/2/messages" else value

        api.envelope = change

    found = await exported_and_verified(api, tmp_path / "out", happens)
    assert not found.intact
    assert found.differences == ()
    assert "messages of conversation 2" in found.uncertain[0]


@pytest.mark.asyncio
async def test_a_server_that_fails_ends_it(tmp_path: Path) -> None:
    """The error is the server's, and the destination can be verified again."""
    api = FakeApi.of(5)
    async with api.client() as chat:
        await export(chat, tmp_path / "out")
        api.answer = lambda _request: Response(status=403, body=b"{}")
        with pytest.raises(Exception, match="403"):
            await verify(chat, tmp_path / "out", patience=0)
        api.answer = lambda _request: None
        assert (await verify(chat, tmp_path / "out")).intact


@pytest.mark.asyncio
async def test_progress_and_the_report_as_json(tmp_path: Path) -> None:
    """The last progress is the report's figures; the report is JSON."""
    seen: list[VerifyProgress] = []
    api = FakeApi.of(30)
    found = await exported_and_verified(api, tmp_path / "out", observer=seen.append)
    assert (seen[-1].conversations, seen[-1].conversations_total) == (30, 30)
    assert seen[-1].requests == found.requests
    assert json.loads(json.dumps(found.to_dict()))["intact"] is True


def test_the_blocking_twin(box: Sandbox, tmp_path: Path) -> None:
    """Finds what the other finds."""
    with Client(box.base_url, token=box.token, auth=box.auth) as chat:
        twins.export(chat, f"sqlite:///{tmp_path}/out.db")
        with contextlib.closing(sqlite3.connect(tmp_path / "out.db")) as opened, opened:
            opened.execute("DELETE FROM conversations WHERE id = (SELECT min(id) FROM conversations)")
        assert twins.verify(chat, f"sqlite:///{tmp_path}/out.db").missing == 1
