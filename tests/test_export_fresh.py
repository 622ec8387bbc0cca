"""Fresh exports of one query into a folder that holds a finished export of another."""

from __future__ import annotations

import contextlib
from pathlib import Path

import attrs
import pytest
from export_api import left, manifest
from export_folders import QUERY, opened, report, rows, write

from asyncchat import ConfigurationError
from asyncchat.export import Batch

OTHER = attrs.evolve(QUERY, messages=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Holds a finished export, and an unfinished fresh one of another query."""
    write(tmp_path / "export")
    out, _ = opened(tmp_path / "export", query=OTHER, fresh=True)
    with contextlib.closing(out):
        out.write(Batch(kind="models", rows=rows(range(4))))
        out.commit(["0"])
    return tmp_path / "export"


def test_it_is_gone_on_with(root: Path) -> None:
    """The unfinished one is gone on with without `fresh`, and then replaces the other: nothing of that is left."""
    out, found = opened(root, query=OTHER)
    with contextlib.closing(out):
        assert (found.report, list(found.marks)) == (None, ["0"])
        out.finish(report({"models": 4, "conversations": 0}, OTHER))
    assert manifest(root)["query"] == OTHER.to_dict()
    assert left(root) == ["conversations", "manifest.json", "models", "models/part-00000.jsonl"]


def test_the_finished_one_is_told(root: Path) -> None:
    """Until then the finished one is what the folder holds, and to ask for it takes nothing from the other."""
    out, found = opened(root)
    out.close()
    assert found.report is not None
    assert found.report.query == QUERY
    out, found = opened(root, query=OTHER)
    out.close()
    assert list(found.marks) == ["0"]


def test_a_third_one(root: Path) -> None:
    """A third query is refused, with what the folder holds."""
    with pytest.raises(ConfigurationError, match="holds an export of something else: source was 's', and is 'z' now"):
        opened(root, query=attrs.evolve(QUERY, source="z"))
    out, found = opened(root, query=OTHER)
    out.close()
    assert list(found.marks) == ["0"]


def test_begun_once_more(root: Path) -> None:
    """With `fresh` an unfinished one is dropped, whatever its query."""
    out, found = opened(root, fresh=True)
    out.close()
    assert list(found.marks) == []
    out, found = opened(root)
    out.close()
    assert found.report is not None
