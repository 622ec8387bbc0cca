"""The destination folder: what it refuses, and what it leaves alone."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from export_api import left, manifest
from export_folders import WRITTEN, lines, report, write

from asyncchat import ConfigurationError, ExportError
from asyncchat.export.destinations.files import Folder, read_report
from asyncchat.export.report import KINDS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.mark.parametrize("kind", KINDS)
def test_a_foreign_folder(root: Path, kind: str) -> None:
    """A folder of that name which no export has made is refused and left alone."""
    (root / kind).mkdir(parents=True)
    (root / kind / "mine.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match=f"a {kind} folder that is no export's"):
        write(root)
    assert left(root) == [kind, f"{kind}/mine.txt"]


def test_other_files_stay(root: Path) -> None:
    """Files that are in nobody's way stay beside an export."""
    root.mkdir()
    (root / "notes.txt").write_text("mine")
    write(root)
    assert left(root) == sorted([*WRITTEN, "notes.txt"])


def test_an_export_is_not_written_over(root: Path) -> None:
    """A finished export is refused and left alone."""
    write(root)
    with pytest.raises(ConfigurationError, match="holds an export already"):
        write(root)
    assert manifest(root)["rows"]["models"] == 3


def test_a_file(root: Path) -> None:
    """A destination that is a file is refused and left alone."""
    root.write_text("mine")
    with pytest.raises(ConfigurationError, match="is a file: give a folder"):
        write(root)
    assert root.read_text() == "mine"


def test_under_a_file(root: Path) -> None:
    """A destination that cannot be made is refused."""
    root.write_text("mine")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        write(root / "below")


def test_not_writable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may not be written to is refused before anything else is done."""
    root.mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # for root, everything is writable
    with pytest.raises(ConfigurationError, match="is not writable"):
        write(root)


def test_a_locked_folder(root: Path) -> None:
    """While another export writes to a folder it is refused, and works once that is over."""
    root.mkdir()
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(ExportError, match="another export is writing"):
            write(root)
    finally:
        os.close(descriptor)
    write(root)


def test_two_exports_at_once(root: Path) -> None:
    """An export holds the lock from its start to its end, and the one refused takes nothing away from it."""
    with Folder.opened(root, KINDS) as folder:
        folder.write("models", lines(3))
        with pytest.raises(ExportError, match="another export is writing"):
            write(root)
        folder.commit(report(folder, {"models": 3}))
    assert manifest(root)["rows"] == {"models": 3}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "other/1"}', '{"format": "asyncchat-export/1"}', "\x80"])
def test_a_foreign_manifest(root: Path, text: str) -> None:
    """A manifest.json that is none of ours is refused and left alone."""
    root.mkdir()
    (root / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match="not an export's manifest"):
        read_report(root)


def test_a_manifest_that_is_a_folder(root: Path) -> None:
    """A manifest.json that cannot be read is refused with the system's reason."""
    (root / "manifest.json").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_report(root)
