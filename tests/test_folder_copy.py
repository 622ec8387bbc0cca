"""The finished export in a folder while it is kept up to date: what is written anew, and what a crash may leave."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import attrs
import odd_rows
import pytest
from export_api import exported, raw
from export_folders import ROWS, rows, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from power_loss import Disk, put

from asyncchat import RawRow
from asyncchat.export import FORMATS, Batch
from asyncchat.export.destinations import journal, thinning
from asyncchat.export.destinations.digests import read_digests
from asyncchat.export.destinations.files import read_note, read_report
from asyncchat.export.destinations.folder import FolderDestination
from asyncchat.export.destinations.folder_copy import FolderCopy
from asyncchat.export.destinations.formats import find_format
from asyncchat.export.destinations.parts import is_sound
from asyncchat.export.destinations.thinning import rows_without
from asyncchat.export.report import KINDS

LATER = datetime(2025, 7, 1, tzinfo=UTC)


# ---- files without some of their rows


@st.composite
def batches(draw: st.DrawFn) -> tuple[Batch, set[int]]:
    """Rows of one kind with ids of their own, and some of these."""
    kind = draw(st.sampled_from(KINDS))
    told = draw(st.lists(odd_rows.rows(kind), min_size=1, max_size=6, unique_by=lambda row: row["id"]))
    owner = 7 if kind == "messages" else None
    batch = Batch(kind=kind, rows=[odd_rows.raw(row, json.dumps(row)) for row in told], conversation_id=owner)
    ids = st.sampled_from([row["id"] for row in told]) | st.integers(-(2**63), 2**63 - 1)
    return batch, set(draw(st.lists(ids, max_size=4)))


def as_file(form: str, kind: str, *pieces: Any) -> bytes:
    file = BytesIO()
    out = find_format(form).begin(file, kind)
    for piece in pieces:
        out.write(piece)
    out.finish()
    return file.getvalue()


@pytest.mark.parametrize("form", [*FORMATS, "csv-raw"])
@given(told=batches())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_rows_without(tmp_path: Path, form: str, told: tuple[Batch, set[int]]) -> None:
    """Whatever is in the rows: those that stay are kept just so, the others are not there, and the file can be read."""
    batch, ids = told
    path = tmp_path / "part"
    path.write_bytes(as_file(form, batch.kind, batch))
    before = list(read_digests(BytesIO(path.read_bytes()), form))
    pieces = list(rows_without(path, batch.kind, form, ids))
    assert sum(piece.count for piece in pieces) == sum(row_id not in ids for row_id, _ in before)
    after = list(read_digests(BytesIO(as_file(form, batch.kind, *pieces)), form))
    assert after == [(row_id, digest) for row_id, digest in before if row_id not in ids]


@pytest.mark.parametrize("form", FORMATS)
def test_many_rows(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large files are read in pieces, each with so many rows as fit."""
    monkeypatch.setattr(thinning, "_CHUNK_BYTES", 10_000)
    told = [raw(i, text=b'{"id":%d,"created_at":"2025-05-05T10:00:00+0700","name":"m"}' % i) for i in range(20_000)]
    path = tmp_path / "part"
    path.write_bytes(as_file(form, "models", Batch(kind="models", rows=told)))
    pieces = list(rows_without(path, "models", form, set(range(0, 20_000, 2))))
    assert len(pieces) > 1
    assert sum(piece.count for piece in pieces) == 10_000
    assert [row_id for row_id, _ in read_digests(BytesIO(as_file(form, "models", *pieces)), form)] == [
        *range(1, 20_000, 2)
    ]


def test_a_record_that_is_cut_off(tmp_path: Path) -> None:
    """A CSV file that ends within a text is not taken for whole."""
    path = tmp_path / "part"
    path.write_bytes(as_file("csv", "models", Batch(kind="models", rows=rows(range(3)))) + b'9,"half')
    with pytest.raises(ValueError, match="cut off"):
        list(rows_without(path, "models", "csv", ()))


# ---- commits


@contextlib.contextmanager
def copied(root: Path) -> Iterator[FolderCopy]:
    out = FolderDestination(root)
    with contextlib.closing(out):
        copy = out.copy(None)
        assert copy is not None
        yield copy


def row(row_id: int, text: str) -> RawRow:
    return raw(row_id, text=json.dumps({"id": row_id, "new": text}).encode())


def change(copy: FolderCopy) -> None:
    """One row of each kind anew, one more, and one less, which takes its messages with it."""
    for kind, owner in (("models", None), ("conversations", None), ("messages", 1)):
        copy.write(Batch(kind=kind, rows=[row(0, "changed"), row(9, "more")], conversation_id=owner))
    copy.write(Batch(kind="messages", rows=[row(20, "of one that goes")], conversation_id=4))
    copy.mark_deleted("conversations", [4])


def commit(copy: FolderCopy) -> None:
    copy.commit("the state", attrs.evolve(copy.report, as_of=LATER))


def held(root: Path) -> dict[str, dict[int, str | None]]:
    return {kind: {row["id"]: row.get("new") for row in exported(root, kind)} for kind in KINDS}


OLD = {kind: dict.fromkeys(range(count)) for kind, count in ROWS.items()}
NEW = {
    "models": {0: "changed", 1: None, 2: None, 9: "more"},
    "conversations": {0: "changed", 1: None, 2: None, 3: None, 9: "more"},
    "messages": {0: "changed", 1: None, 9: "more"},
}


def test_a_commit(tmp_path: Path) -> None:
    """What is written is seen at once, and is in the files from the commit on, with what is noted."""
    write(tmp_path)
    with copied(tmp_path) as copy:
        change(copy)
        assert copy.known_ids("messages", [0, 9, 20]) == {0, 9}
        assert copy.message_counts([1, 4]) == {1: 3}
        assert set(copy.messages([1])[1].there) == {0, 1, 9}
        assert held(tmp_path) == OLD
        copy.doubt([3, 1], 2)
        copy.doubt([3, 2], 1)
        commit(copy)
        assert (copy.state, copy.doubtful(2)) == ("the state", [2, 1])
    assert held(tmp_path) == NEW
    done = read_report(tmp_path)
    assert done is not None
    assert (done.as_of, done.rows) == (LATER, {kind: len(found) for kind, found in NEW.items()})
    with copied(tmp_path) as copy:
        assert (copy.state, copy.doubtful()) == ("the state", [2, 1, 3])
        copy.prove([1, 2, 3])
        commit(copy)
    assert read_note(tmp_path) == {"state": "the state", "unproven": []}


def test_what_was_not_committed(tmp_path: Path) -> None:
    """It has never been."""
    write(tmp_path)
    with copied(tmp_path) as copy:
        change(copy)
    assert held(tmp_path) == OLD
    with copied(tmp_path) as copy:
        assert copy.state is None
        assert copy.models() == {0, 1, 2}


def test_the_same_rows(tmp_path: Path) -> None:
    """Rows that are there just so are written nowhere: their files stay."""
    write(tmp_path)
    before = {part.file: part for part in report_of(tmp_path).parts}
    with copied(tmp_path) as copy:
        copy.write(Batch(kind="conversations", rows=rows(range(5))))
        copy.write(Batch(kind="models", rows=[row(1, "other")]))
        copy.write(Batch(kind="models", rows=rows([1])))
        commit(copy)
    after = {part.file: part for part in report_of(tmp_path).parts}
    assert {name: after[name] for name in before if "conversations" in name} == {
        name: part for name, part in before.items() if "conversations" in name
    }
    assert held(tmp_path) == OLD


def report_of(root: Path) -> Any:
    found = read_report(root)
    assert found is not None
    return found


# ---- a loss of power

PLACE = Path("export")


def change_messages(copy: FolderCopy) -> None:
    """One row anew: the files of the other kinds are linked."""
    copy.write(Batch(kind="messages", rows=[row(0, "changed")], conversation_id=1))


CHANGES: dict[Callable[[FolderCopy], None], Any] = {
    change: NEW,
    change_messages: {**OLD, "messages": {0: "changed", 1: None}},
}
"""What may be changed, and what is there then."""


def recorded(base: Path, changed: Callable[[FolderCopy], None], *, skip_sync: int | None = None) -> Disk:
    """What a commit did to a disk; links are copies there, which need no fewer syncs."""
    write(base / PLACE)
    disk = Disk(base, skip_sync=skip_sync)

    def refuse(*_: object) -> None:
        raise OSError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "hardlink_to", refuse)
        disk.record(patch)
        with copied(base / PLACE) as copy:
            changed(copy)
            commit(copy)
            disk.promise(1, True)
    disk.close()
    return disk


def flaw(root: Path, promised: tuple[int, bool], new: Any) -> str:
    """What is wrong with what a crash has left, empty: nothing. It is opened once more, as the next run would."""
    try:
        found = read_report(root)
        if found is not None and not all(is_sound(root, part) for part in found.parts):
            return "there is a manifest, and not what it names"
        with copied(root) as copy:
            state = copy.state
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is told
        return f"{type(exc).__name__}: {exc}"
    if promised[1] and state is None:
        return "what was promised is not there"
    if held(root) != (OLD if state is None else new):
        return "the rows are not those that were written"
    if not all(is_sound(root, part) for part in report_of(root).parts):
        return "a file is not what the manifest says"
    names = {path.name for path in root.iterdir()}
    return "" if names == {*KINDS, "manifest.json"} else f"{names} are there"


def first_flaw(disk: Disk, again: Path, new: Any) -> str:
    """What is wrong with the first state that a loss of power must not leave, empty: there is none."""
    seen: set[Any] = set()
    with pytest.MonkeyPatch.context() as patch:  # what mends a state need not be durable itself
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(journal, "_make_durable", quickly)
        for instant in disk.instants:
            for tree in instant.trees():
                state = (frozenset(tree.items()), instant.promised)
                if state in seen:
                    continue
                seen.add(state)
                put(tree, again)
                found = flaw(again / PLACE, instant.promised, new)
                if found:
                    return f"{found} (in {sorted(tree)})"
    assert len(seen) > 40
    return ""


def quickly(database: Any) -> None:
    database.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")


@pytest.mark.heavy
@pytest.mark.parametrize("changed", CHANGES)
def test_a_loss_of_power(tmp_path: Path, changed: Callable[[FolderCopy], None]) -> None:
    """Whenever the power fails, and whatever of the unsynced is lost: the one state or the other is there, whole."""
    assert first_flaw(recorded(tmp_path / "disk", changed), tmp_path / "again", CHANGES[changed]) == ""


NEEDLESS = ["replaced", ".asyncchat-partial"]
"""Syncs whose lack does no harm where one export replaces another of its query: of the folders that are replaced, and
of the journal's removal when all is in place."""


@pytest.mark.heavy
@pytest.mark.parametrize("changed", CHANGES)
def test_a_sync_that_is_left_out(tmp_path: Path, changed: Callable[[FolderCopy], None]) -> None:
    """Without the sync of a new file, of a folder or of the manifest there is a loss of power that does harm."""
    harmless = []
    for number in range(len(recorded(tmp_path / "disk", changed).syncs)):
        disk = recorded(tmp_path / f"disk-{number}", changed, skip_sync=number)
        if not first_flaw(disk, tmp_path / "again", CHANGES[changed]):
            harmless.append(disk.syncs[number])
    assert harmless == NEEDLESS
