"""Exports into folders, and a loss of power at any instant: nothing lost that was promised, nothing twice."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import attrs
import pytest
from export_api import exported
from export_folders import QUERY, ROWS, STEPS, opened, report, rows
from power_loss import Disk, Killed, Tree, put

from asyncchat import AsyncChatError, ConfigurationError
from asyncchat.export import Batch, Opened, Query
from asyncchat.export.destinations import journal
from asyncchat.export.destinations.files import read_report
from asyncchat.export.destinations.folder import FolderDestination
from asyncchat.export.destinations.parts import is_sound
from asyncchat.export.destinations.staging import STAGING

pytestmark = pytest.mark.heavy

PLACE = Path("new", "export")

BEFORE = ["nothing", "finished", "unfinished", "another"]
"""What a folder holds at first, durably; where it is not nothing, a fresh export is begun. Another has messages too."""


def prepare(base: Path, before: str) -> None:
    base.mkdir()
    if before in {"finished", "another"}:
        with contextlib.closing(FolderDestination(base / PLACE)) as out:
            run(out, QUERY, lambda *_: None, deleted=(7,))
    if before == "unfinished":
        out, _ = opened(base / PLACE)
        out.write(Batch(kind="models", rows=rows(STEPS[0][2])))
        out.commit(["0"])
        out.close()


def query_for(before: str) -> Query:
    return attrs.evolve(QUERY, messages=before != "another")


def counts(query: Query) -> dict[str, int]:
    return {kind: count for kind, count in ROWS.items() if query.messages or kind != "messages"}


def run(
    out: FolderDestination,
    query: Query,
    promise: Callable[[int, bool], object],
    *,
    fresh: bool = False,
    deleted: tuple[int, ...] = (),
) -> Opened:
    """A small export, which goes on after what was committed before, and tells what it has been promised."""
    found = out.open(query, fresh=fresh)
    if found.report is not None:
        return found
    steps = [step for step in STEPS if step[0] in counts(query)]
    for number, (kind, owner, ids) in enumerate(steps):
        if number >= len(found.marks):
            out.write(Batch(kind=kind, rows=rows(ids), conversation_id=owner))
            out.commit([str(number)])
            promise(number + 1, False)
    out.finish(attrs.evolve(report(counts(query), query), destination=out.name, deleted=deleted))
    promise(len(steps), True)
    return found


def killable(root: Path, query: Query, disk: Disk, *, fresh: bool) -> None:
    """Run until the disk kills it, say; then nothing is cleared up but what the system itself does."""
    out = FolderDestination(root)
    try:
        run(out, query, disk.promise, fresh=fresh)
        out.close()
    except (Killed, ConfigurationError):
        if out._parts is not None:
            out._parts.abandon()
        if out._journal is not None:
            out._journal.close()
        if out._lock is not None:
            out._lock.release()
        raise


def go_on(root: Path, query: Query, disk: Disk) -> None:
    try:
        killable(root, query, disk, fresh=False)
    except ConfigurationError:  # the fresh one had not begun: what is there is still the other
        killable(root, query, disk, fresh=True)


def recorded(base: Path, before: str, *, skip_sync: int | None = None, dies_at: int | None = None) -> Disk:
    """What an export did to a disk; one that was killed is begun once more."""
    prepare(base, before)
    disk = Disk(base, skip_sync=skip_sync, dies_at=dies_at)
    with pytest.MonkeyPatch.context() as patch:
        disk.record(patch)
        with contextlib.suppress(Killed):
            killable(base / PLACE, query_for(before), disk, fresh=before != "nothing")
        if dies_at is not None:
            go_on(base / PLACE, query_for(before), disk)
    disk.close()
    return disk


def states(disk: Disk) -> Iterator[tuple[Tree, tuple[int, bool]]]:
    """Every state that a loss of power may leave, each once, with what was promised when it came."""
    seen = set()
    for instant in disk.instants:
        for tree in instant.trees():
            state = (frozenset(tree.items()), instant.promised)
            if state not in seen:
                seen.add(state)
                yield tree, instant.promised


def flaw(root: Path, query: Query, promised: tuple[int, bool]) -> str:
    """What is wrong with what a crash has left, empty: nothing. The next run is tried."""
    marks, is_finished = promised
    try:
        done = read_report(root)
        if done is not None and not all(is_sound(root, part) for part in done.parts):
            return "there is a manifest, and not what it names"
        is_other = done is not None and done.query != query and not marks
        with contextlib.closing(FolderDestination(root)) as out:
            found = run(out, query, lambda *_: None, fresh=is_other)
        if found.report is None and (is_finished or len(found.marks) < marks):
            return f"{len(found.marks)} marks are there, of {marks}; finished: {is_finished}"
    except (AsyncChatError, OSError) as exc:
        return f"{type(exc).__name__}: {exc}"
    return "" if is_whole(root, query) else "the rows are not those that were written"


def is_whole(root: Path, query: Query) -> bool:
    done = read_report(root)
    assert done is not None
    found = {kind: [row["id"] for row in exported(root, kind)] for kind in counts(query)}
    files = {str(path.relative_to(root)) for path in root.rglob("part-*")}
    return (
        found == {kind: list(range(count)) for kind, count in counts(query).items()}
        and files == {part.file for part in done.parts}
        and all(is_sound(root, part) for part in done.parts)
        and {path.name for path in root.iterdir()} == {*found, "manifest.json"}
    )


def quickly(database: sqlite3.Connection) -> None:
    database.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")


def first_flaw(disk: Disk, before: str, again: Path) -> str:
    """What is wrong with the first state that a loss of power must not leave, empty: there is none."""
    with pytest.MonkeyPatch.context() as patch:  # what mends a state need not be durable itself
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(journal, "_make_durable", quickly)
        for tree, promised in states(disk):
            put(tree, again)
            found = flaw(again / PLACE, query_for(before), promised)
            if found:
                return f"{found} (in {sorted(tree)})"
    return ""


@pytest.mark.parametrize("before", BEFORE)
def test_a_loss_of_power(tmp_path: Path, before: str) -> None:
    """Whenever the power fails, and whatever of the unsynced is lost, the next run makes the export whole."""
    disk = recorded(tmp_path / "disk", before)
    assert len(list(states(disk))) > 40
    assert first_flaw(disk, before, tmp_path / "again") == ""


NEEDLESS = {
    "nothing": ["", "export", "replaced", ".asyncchat-partial"],
    "finished": ["new", "replaced", ".asyncchat-partial"],
    "unfinished": ["new", "export", "replaced", ".asyncchat-partial"],
    "another": ["new", ".asyncchat-partial"],
}
"""Syncs whose lack does no harm in these runs: of what was durable before, of the removal of a manifest or of folders
where there are none to be removed, of the journal's removal when all is in place."""


def needless(base: Path, before: str, syncs: Iterable[int]) -> list[str]:
    """The syncs that can be left out, one at a time, without harm."""
    found = []
    for number in syncs:
        disk = recorded(base / f"disk-{number}", before, skip_sync=number)
        if not first_flaw(disk, before, base / "again"):
            found.append(disk.syncs[number])
    return found


def test_a_sync_that_is_left_out(tmp_path: Path) -> None:
    """Without the sync of a folder, of a part or of the manifest there is a loss of power that does harm."""
    names = recorded(tmp_path / "disk", "another").syncs
    wanted = [STAGING, "export", "part-00000.jsonl.tmp", "models"], ["manifest.json", "export", "replaced", "export"]
    assert (names[1:5], names[9:13]) == wanted
    assert needless(tmp_path, "another", [*range(1, 5), *range(9, 14)]) == []


@pytest.mark.large
@pytest.mark.parametrize("before", BEFORE)
def test_every_sync_that_is_left_out(tmp_path: Path, before: str) -> None:
    """Every sync is needed, but for those that come where there is nothing to sync."""
    count = len(recorded(tmp_path / "disk", before).syncs)
    assert needless(tmp_path, before, range(count)) == NEEDLESS[before]


def check_kill(base: Path, before: str, step: int) -> None:
    disk = recorded(base / f"disk-{step}", before, dies_at=step)
    assert first_flaw(disk, before, base / "again") == "", step


def test_a_kill_and_then_a_loss_of_power(tmp_path: Path) -> None:
    """What a run that was killed has not synced is synced by the next one, before that promises anything."""
    for step in (3, 8):
        check_kill(tmp_path, "nothing", step)
    check_kill(tmp_path, "finished", 40)


@pytest.mark.large
@pytest.mark.parametrize("before", BEFORE)
def test_every_kill_and_then_a_loss_of_power(tmp_path: Path, before: str) -> None:
    """The same for a kill before every step."""
    for step in range(recorded(tmp_path / "disk", before).steps):
        check_kill(tmp_path, before, step)


def test_sqlite_syncs_its_commits(tmp_path: Path) -> None:
    """SQLite is told to sync both the journal and its folder: here its commits are believed."""
    out, _ = opened(tmp_path / "export")
    assert out._journal is not None
    mode = out._journal._database.execute("PRAGMA synchronous").fetchone()
    assert mode == (3,)
    out.close()
