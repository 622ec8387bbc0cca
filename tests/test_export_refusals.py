"""The destination folder: what it refuses, and what it leaves alone."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from export_api import left, manifest, touched
from export_folders import QUERY, WRITTEN, opened, report, rows, write

from asyncchat import ConfigurationError, ExportError
from asyncchat.export import Batch
from asyncchat.export.destinations.files import read_report
from asyncchat.export.destinations.folder import FolderDestination
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
    """A finished export is told, and left alone."""
    done = write(root)
    before = touched(root)
    again = write(root)
    assert (again.reused, again.manifest()) == (True, done.manifest())
    assert touched(root) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"source": "t"}, "source was 's', and is 't' now"),
        ({"since": "2025-01-01T00:00:00+00:00"}, "since was None, and is '2025-01-01T00:00:00"),
        ({"messages": False}, "messages was True, and is False now"),
        ({"format": "jsonl.gz"}, "format was 'jsonl', and is 'jsonl.gz' now"),
    ],
)
@pytest.mark.parametrize("finished", [False, True])
def test_another_query(root: Path, change: dict[str, Any], told: str, finished: bool) -> None:
    """A folder that holds another export, finished or not, is refused with what differs, and left alone.

    A fresh export replaces it.
    """
    if finished:
        write(root)
    else:
        out, _ = opened(root)
        out.write(Batch(kind="models", rows=rows(range(3))))
        out.commit(["0"])
        out.close()
    before = touched(root)
    with pytest.raises(ConfigurationError, match=re.escape(told)) as refused:
        opened(root, query=attrs.evolve(QUERY, **change))
    assert ("unfinished" in str(refused.value)) is not finished
    assert touched(root) == before
    query = attrs.evolve(QUERY, **change)
    out, _ = opened(root, query=query, fresh=True)
    out.write(Batch(kind="models", rows=rows(range(4))))
    out.commit(["0"])
    out.finish(report({"models": 4}, query))
    out.close()
    assert read_report(root) is not None
    assert (root / "messages").exists() is query.messages
    assert [path.name for path in (root / "models").iterdir()] == [f"part-00000.{query.format}"]


@pytest.mark.parametrize(("name", "format"), [("parts", "nope"), ("csv_raw", "jsonl")])
def test_formats(root: Path, name: str, format: str) -> None:  # noqa: A002
    """A format that there is not, and csv_raw without csv, are refused before anything is touched."""
    with pytest.raises(ConfigurationError, match="jsonl"):
        FolderDestination(root, format=format, csv_raw=name == "csv_raw")
    assert not root.exists()


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
        with pytest.raises(ExportError, match=r"another export .*is writing"):
            write(root)
    finally:
        os.close(descriptor)
    write(root)


def test_two_exports_at_once(root: Path) -> None:
    """An export holds the lock from its start to its end, and the one refused takes nothing away from it."""
    out, _ = opened(root)
    out.write(Batch(kind="models", rows=rows(range(3))))
    with pytest.raises(ExportError, match=r"another export .*is writing"):
        write(root)
    out.commit(["0"])
    out.finish(report({"models": 3}))
    out.close()
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
