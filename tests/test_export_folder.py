"""The destination folder: what it holds, in which order it gets there, and what is left when that fails."""

from __future__ import annotations

import errno
import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import attrs
import pytest
from export_api import exported, left, manifest
from export_folders import QUERY, ROWS, WRITTEN, opened, report, rows, write

from asyncchat import ConfigurationError, ExportError
from asyncchat.export import FORMATS, Batch
from asyncchat.export.destinations import parts, staging
from asyncchat.export.destinations.files import read_report
from asyncchat.export.destinations.journal import Journal
from asyncchat.export.report import KINDS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "export"


# ---- what is written


def test_the_manifest_agrees_with_the_files(root: Path) -> None:
    """The manifest tells rows, bytes and sha256 of every file, and there are no other files."""
    write(root)
    assert manifest(root)["rows"] == ROWS
    assert left(root) == WRITTEN


def test_the_report_is_read_back(root: Path) -> None:
    """What was finished is read back, marked as reused, lone surrogates of a server's words included."""
    done = write(root)
    again = read_report(root)
    assert again is not None
    assert again.reused
    assert (again.manifest(), again.destination) == (done.manifest(), done.destination)


def test_a_part_has_a_size(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part file that has grown large is followed by another; together they hold every row in order."""
    monkeypatch.setattr(parts, "PART_BYTES", 25)
    monkeypatch.setattr(parts, "_BUFFER", 1)
    out, _ = opened(root)
    for i in range(8):
        out.write(Batch(kind="models", rows=rows([i])))
    out.commit(["all"])
    out.finish(report({"models": 8, "conversations": 0, "messages": 0}))
    out.close()
    assert [part["file"] for part in manifest(root)["parts"]] == [f"models/part-0000{i}.jsonl" for i in range(3)]
    assert [row["id"] for row in exported(root, "models")] == list(range(8))


@pytest.mark.parametrize("name", [name for name in FORMATS if name.startswith("jsonl")])
def test_lines(root: Path, name: str) -> None:
    """Lines are the same in every format of them, when they are unpacked."""
    write(root, query=attrs.evolve(QUERY, format=name))
    unpack: dict[str, Callable[[bytes], bytes]]
    unpack = {"jsonl": bytes, "jsonl.gz": gzip.decompress, "jsonl.zst": unzstd}
    text = unpack[name]((root / "messages" / f"part-00000.{name}").read_bytes())
    assert text == b'{"conversation_id":1,"id":0}\n{"conversation_id":1,"id":1}\n'


def unzstd(data: bytes) -> bytes:
    zstd = pytest.importorskip("backports.zstd")
    return bytes(zstd.decompress(data))


# ---- in which order


class Recorder:
    """The order of durable steps, by the names of what they touch: a part or a folder is known by its inode."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[tuple[str, int]] = []
        fsync, rename, commit = os.fsync, Path.rename, Journal.commit

        def recorded_fsync(descriptor: int) -> None:
            self.steps.append(("fsync", os.fstat(descriptor).st_ino))
            fsync(descriptor)

        def recorded_rename(path: Path, target: Path) -> Path:
            self.steps.append(("rename", path.stat().st_ino))
            return rename(path, target)

        def recorded_commit(journal: Journal, *arguments: Any) -> None:
            self.steps.append(("commit", 0))
            commit(journal, *arguments)

        monkeypatch.setattr(os, "fsync", recorded_fsync)
        monkeypatch.setattr(Path, "rename", recorded_rename)
        monkeypatch.setattr(Journal, "commit", recorded_commit)

    def at(self, name: str, inode: int, after: int = -1) -> int:
        """Where a step of that name is, after another one."""
        return self.steps.index((name, inode), after + 1)


def check_order(root: Path, steps: Recorder) -> None:
    """A crash between any two steps loses nothing that counts."""
    for name in WRITTEN:
        if name.count("/") == 1:
            inode, kind = (root / name).stat().st_ino, (root / name).parent.stat().st_ino
            synced = steps.at("fsync", inode)
            renamed = steps.at("rename", inode, synced)
            steps.at("commit", 0, steps.at("fsync", kind, renamed))  # the name is durable before it counts
    moved = max(steps.at("rename", (root / kind).stat().st_ino) for kind in KINDS)
    manifest_inode = (root / "manifest.json").stat().st_ino
    assert steps.at("fsync", manifest_inode) < steps.at("rename", manifest_inode)
    in_place = steps.at("fsync", root.stat().st_ino, moved)
    named = steps.at("rename", manifest_inode, in_place)
    steps.at("fsync", root.stat().st_ino, named)


def test_the_order(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are synced, named, their folder synced, and only then committed; the manifest comes last of all."""
    steps = Recorder(monkeypatch)
    write(root)
    check_order(root, steps)


def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def no_folder_of_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "sync_folder", lambda _: None)


def no_folder_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "sync_folder", lambda _: None)


def no_manifest_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "write_durably", lambda path, text: path.write_text(text))


def no_temporary_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_TEMPORARY", "")


@pytest.mark.parametrize(
    "omit", [no_fsync, no_folder_of_parts, no_folder_at_the_end, no_manifest_sync], ids=lambda omit: omit.__name__
)
def test_the_order_is_looked_at(
    root: Path, monkeypatch: pytest.MonkeyPatch, omit: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """Without any one of the syncs, the test of the order fails."""
    steps = Recorder(monkeypatch)
    omit(monkeypatch)
    write(root)
    with pytest.raises((AssertionError, ValueError)):
        check_order(root, steps)


def test_nothing_is_in_place_before_the_end(root: Path) -> None:
    """Until the end everything is in the hidden folder, and no part file has its final name while it is written."""
    out, _ = opened(root)
    out.write(Batch(kind="models", rows=rows(range(3))))
    assert [path.name for path in root.iterdir()] == [".asyncchat-partial"]
    assert [path.name for path in (root / ".asyncchat-partial" / "models").iterdir()] == ["part-00000.jsonl.tmp"]
    out.commit(["0"])
    assert [path.name for path in root.iterdir()] == [".asyncchat-partial"]
    assert [path.name for path in (root / ".asyncchat-partial" / "models").iterdir()] == ["part-00000.jsonl"]
    out.close()


# ---- what fails


def failing(function: Callable[..., Any], at: int, failure: Callable[[], NoReturn]) -> Callable[..., Any]:
    calls = iter(range(1_000_000))

    def called(*arguments: Any, **settings: Any) -> Any:
        if next(calls) == at:
            failure()
        return function(*arguments, **settings)

    return called


def full() -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


OPERATIONS: list[tuple[Any, str]] = [
    (os, "fsync"),
    (Path, "rename"),
    (os, "mkdir"),
    (Path, "unlink"),
    (Journal, "commit"),
    (Journal, "finish"),
    (os, "open"),
]
"""Every kind of step that changes what is on the disk."""


def counting(do: Callable[..., Any], counts: dict[int, int], i: int) -> Callable[..., Any]:
    def counted(*arguments: Any, **settings: Any) -> Any:
        counts[i] += 1
        return do(*arguments, **settings)

    return counted


def points(run: Callable[[], object]) -> Iterator[tuple[Any, str, int]]:
    """Every step of a run, as who does it, what it is called, and which of its calls it is."""
    counts = dict.fromkeys(range(len(OPERATIONS)), 0)
    with pytest.MonkeyPatch.context() as patch:
        for i, (owner, name) in enumerate(OPERATIONS):
            patch.setattr(owner, name, counting(getattr(owner, name), counts, i))
        run()
    for i, (owner, name) in enumerate(OPERATIONS):
        for at in range(counts[i]):
            yield owner, name, at


def is_whole(root: Path) -> bool:
    return left(root) == WRITTEN and all(
        [row["id"] for row in exported(root, kind)] == list(range(count)) for kind, count in ROWS.items()
    )


def test_a_disk_that_fails_anywhere(tmp_path: Path) -> None:
    """Whichever step fails, the next run goes on, and each row is there once."""
    tried = 0
    for owner, name, at in points(lambda: write(tmp_path / "first")):
        root = tmp_path / f"{name}-{at}" / "deep"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, failing(getattr(owner, name), at, full))
            with pytest.raises((OSError, ConfigurationError, ExportError), match=r"No space left|another export"):
                write(root)
        write(root)
        assert is_whole(root), (name, at)
        tried += 1
    assert tried > 40


def die() -> NoReturn:
    os._exit(9)


def killed_at(owner: Any, name: str, at: int, run: Callable[[], object]) -> None:
    """Run in a child process that ends at a step, without a word."""
    child = os.fork()
    if child == 0:
        try:
            setattr(owner, name, failing(getattr(owner, name), at, die))
            run()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, (name, at)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills are tried in child processes")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_kill_at_every_step(tmp_path: Path) -> None:
    """Killed at any step, an export is gone on with: each row once, none torn."""
    for owner, name, at in points(lambda: write(tmp_path / "first")):
        root = tmp_path / f"{name}-{at}"
        killed_at(owner, name, at, lambda root=root: write(root))  # type: ignore[misc]
        write(root)
        assert is_whole(root), (name, at)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills are tried in child processes")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_kill_at_every_step_of_a_fresh_one(tmp_path: Path) -> None:
    """Killed at any step, a fresh export leaves the finished one or is gone on with; never both, never neither."""

    def prepared(name: str) -> Path:
        write(tmp_path / name)
        return tmp_path / name

    first = prepared("first")
    for owner, name, at in points(lambda: write(first, fresh=True)):
        root = prepared(f"{name}-{at}")
        killed_at(owner, name, at, lambda root=root: write(root, fresh=True))  # type: ignore[misc]
        write(root)
        assert is_whole(root), (name, at)


def test_torn_parts(root: Path) -> None:
    """Bytes that were not committed are dropped; committed ones that are not as they were are told, with what to do."""
    out, _ = opened(root)
    out.write(Batch(kind="models", rows=rows(range(3))))
    out.commit(["0"])
    out.write(Batch(kind="conversations", rows=rows(range(2))))
    out.close()
    staging = root / ".asyncchat-partial"
    (staging / "models" / "part-00001.jsonl").write_text('{"id":')
    out, found = opened(root)
    out.close()
    assert list(found.marks) == ["0"]
    assert [path for path in left(staging) if path.endswith((".jsonl", ".tmp"))] == ["models/part-00000.jsonl"]
    (staging / "models" / "part-00000.jsonl").write_text('{"id":7}\n{"id":1}\n{"id":2}\n')
    with pytest.raises(
        ExportError, match=r"part-00000.jsonl is not as the export left it: export anew with fresh=True"
    ):
        opened(root)
    write(root, fresh=True)
    assert is_whole(root)


def test_a_damaged_journal(root: Path) -> None:
    """A journal that is none is told, with what to do, which helps."""
    out, _ = opened(root)
    out.write(Batch(kind="models", rows=rows(range(3))))
    out.commit(["0"])
    out.close()
    (root / ".asyncchat-partial" / "journal.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(ExportError, match="export anew with fresh=True"):
        opened(root)
    write(root, fresh=True)
    assert is_whole(root)


def test_a_failed_destination_is_not_trusted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed fsync nothing more is committed: what the system says of the pages then is not true."""
    out, _ = opened(root)
    out.write(Batch(kind="models", rows=rows(range(3))))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: full())
        with pytest.raises(OSError, match="No space left"):
            out.commit(["0"])
    with pytest.raises(ExportError, match="open it again"):
        out.commit(["0"])
    out.close()
    assert not root.exists()


def test_rows_that_are_missing(root: Path) -> None:
    """An export whose files hold fewer rows than were read is not finished."""
    out, _ = opened(root)
    out.write(Batch(kind="models", rows=rows(range(3))))
    out.commit(["0"])
    with pytest.raises(ExportError, match="holds 3 models, of 4 that were read"):
        out.finish(report({"models": 4}))
    out.close()
    assert not (root / "manifest.json").exists()


def test_nothing_written(tmp_path: Path) -> None:
    """An export that ends before it has committed anything leaves nothing, not even folders that had to be made."""
    out, _ = opened(tmp_path / "a" / "b")
    out.write(Batch(kind="models", rows=rows(range(3))))
    out.close()
    out.close()
    assert left(tmp_path) == []


# ---- anew


def test_a_fresh_export(root: Path) -> None:
    """The finished export stays until the fresh one is finished, and is then replaced."""
    write(root)
    before = manifest(root)
    out, found = opened(root, fresh=True)
    assert found.report is None
    out.write(Batch(kind="models", rows=rows(range(7, 9))))
    out.commit(["0"])
    assert manifest_at(root) == before
    assert len(exported(root, "models")) == 3
    out.finish(report({"models": 2, "conversations": 0, "messages": 0}))
    out.close()
    assert [row["id"] for row in exported(root, "models")] == [7, 8]
    assert exported(root, "conversations") == []
    assert manifest(root)["rows"]["models"] == 2


def manifest_at(root: Path) -> Any:
    return json.loads((root / "manifest.json").read_text())


def test_a_fresh_export_that_was_stopped(root: Path) -> None:
    """A fresh export that was stopped is gone on with without `fresh`, and begun once more with it."""
    write(root)
    for _ in range(2):
        out, found = opened(root, fresh=True)
        assert (found.report, list(found.marks)) == (None, [])
        out.write(Batch(kind="models", rows=rows(range(3))))
        out.commit(["0"])
        out.close()
    out, found = opened(root)
    assert (found.report, list(found.marks)) == (None, ["0"])
    out.close()
