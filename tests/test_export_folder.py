"""The destination folder: what it holds, in which order it gets there, and what is left when that fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from export_api import exported, left, manifest
from export_folders import WRITTEN, lines, report, write

from asyncchat import ConfigurationError
from asyncchat.export.destinations import files
from asyncchat.export.destinations.files import Folder, read_report
from asyncchat.export.report import KINDS


class Recorder:
    """The order of durable steps, by the names of what they touch.

    A part, a folder or a manifest is known by its inode, which a rename keeps.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[tuple[str, int]] = []
        fsync, rename = os.fsync, Path.rename

        def recorded_fsync(descriptor: int) -> None:
            self.steps.append(("fsync", os.fstat(descriptor).st_ino))
            fsync(descriptor)

        def recorded_rename(path: Path, target: Path) -> Path:
            self.steps.append(("rename", path.stat().st_ino))
            return rename(path, target)

        monkeypatch.setattr(os, "fsync", recorded_fsync)
        monkeypatch.setattr(Path, "rename", recorded_rename)

    def of(self, path: Path) -> list[str]:
        return [name for name, inode in self.steps if inode == path.stat().st_ino]

    def at(self, name: str, path: Path) -> int:
        return self.steps.index((name, path.stat().st_ino))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "export"


# ---- what is written


def test_the_manifest_agrees_with_the_files(root: Path) -> None:
    """The manifest tells rows, bytes and sha256 of every file, and there are no other files."""
    write(root)
    assert manifest(root)["rows"] == {"models": 3, "conversations": 5, "messages": 0}
    assert left(root) == WRITTEN


def test_the_report_is_read_back(root: Path) -> None:
    """What was committed is read back, marked as reused, lone surrogates of a server's words included."""
    done = write(root)
    again = read_report(root)
    assert again is not None
    assert again.reused
    assert (again.manifest(), again.destination) == (done.manifest(), done.destination)


def test_a_part_has_a_size(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part file that has grown large is followed by another; together they hold every row in order."""
    monkeypatch.setattr(files, "_PART_BYTES", 25)
    with Folder.opened(root, KINDS) as folder:
        for line in lines(8):
            folder.write("models", [line])
        folder.commit(report(folder, {"models": 8}))
    assert [part["file"] for part in manifest(root)["parts"]] == [f"models/part-0000{i}.jsonl" for i in range(3)]
    assert [row["id"] for row in exported(root, "models")] == list(range(8))


# ---- in which order


def test_nothing_is_in_place_before_the_commit(root: Path) -> None:
    """Until the commit everything is in the hidden folder, and no part file has its final name while it is written."""
    with Folder.opened(root, KINDS) as folder:
        folder.write("models", lines(3))
        assert [path.name for path in root.iterdir()] == [".asyncchat-partial"]
        assert left(root)[-1] == ".asyncchat-partial/models/part-00000.jsonl.tmp"
        folder.finish_parts()
        assert [path.name for path in root.iterdir()] == [".asyncchat-partial"]


def test_a_file_is_durable_before_it_is_renamed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part and the manifest are synced before they get their name."""
    steps = Recorder(monkeypatch)
    write(root)
    for name in ("models/part-00000.jsonl", "conversations/part-00000.jsonl", "manifest.json"):
        assert steps.of(root / name) == ["fsync", "rename"]


def test_a_folder_is_durable_before_it_is_moved(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder's new names are synced before it is moved into place."""
    steps = Recorder(monkeypatch)
    write(root)
    for name in ("models", "conversations"):
        assert steps.of(root / name) == ["fsync", "rename"]
        assert steps.at("rename", root / name / "part-00000.jsonl") < steps.at("fsync", root / name)


def test_the_manifest_comes_last(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All folders are in place and that is durable before the manifest is; then that is made durable too."""
    steps = Recorder(monkeypatch)
    write(root)
    moved = [steps.at("rename", root / kind) for kind in KINDS]
    last = steps.at("rename", root / "manifest.json")
    synced = [i for i, step in enumerate(steps.steps) if step == ("fsync", root.stat().st_ino)]
    assert max(moved) < synced[0] < last < synced[1]
    assert last == max(i for i, (name, _) in enumerate(steps.steps) if name == "rename")


# ---- what fails


def failing(function: Callable[..., Any], at: int) -> Callable[..., Any]:
    calls = iter(range(1_000))

    def called(*arguments: Any, **settings: Any) -> Any:
        if next(calls) == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        return function(*arguments, **settings)

    return called


@pytest.mark.parametrize(("owner", "name", "count"), [(os, "fsync", 7), (Path, "rename", 6), (os, "mkdir", 8)])
def test_a_disk_that_fails_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, count: int
) -> None:
    """Whichever step fails, nothing is left, not even folders that had to be made; and the next export works."""
    working = getattr(owner, name)
    for at in range(count):
        monkeypatch.setattr(owner, name, failing(working, at))
        with pytest.raises((OSError, ConfigurationError), match="No space left"):
            write(tmp_path / "a" / "b")
        assert left(tmp_path) == []
    monkeypatch.setattr(owner, name, failing(working, count))
    write(tmp_path / "a" / "b")
    assert left(tmp_path / "a" / "b") == WRITTEN


class FullDisk:
    """A file on a disk that is full: nothing is written, and closing it fails once more."""

    def write(self, data: bytes) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> NoReturn:
        self.write(b"")


def test_a_full_disk(root: Path) -> None:
    """A write that fails leaves nothing, though closing the file fails as well."""

    def fill() -> None:
        with Folder.opened(root, KINDS) as folder:
            folder.write("models", lines(1))
            folder._open["models"].file.close()
            folder._open["models"].file = FullDisk()  # type: ignore[assignment]
            folder.write("models", lines(1))

    with pytest.raises(OSError, match="No space left"):
        fill()
    assert not root.exists()


def killed(root: Path, *, moved: Sequence[str]) -> None:
    """What a killed export leaves: a hidden folder, and perhaps folders that were moved already."""
    (root / ".asyncchat-partial" / "messages").mkdir(parents=True)
    (root / ".asyncchat-partial" / "manifest.json").write_text("{}")
    for kind in moved:
        (root / kind).mkdir()
        (root / kind / "part-00007.jsonl").write_text("{}\n")


@pytest.mark.parametrize("moved", [(), ("models",), ("models", "conversations", "messages")])
def test_leftovers_of_a_killed_export(root: Path, moved: tuple[str, ...]) -> None:
    """What a killed export has left is removed, and no row of it is taken over."""
    killed(root, moved=moved)
    write(root)
    assert left(root) == WRITTEN
    assert manifest(root)["rows"]["models"] == 3
