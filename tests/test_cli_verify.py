"""`asyncchat verify`: exit codes, what is printed, and how it ends."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli_run import complaint, go_to, invoke
from export_api import drop_lines

from asyncchat.cli.render import verdict, verify_line
from asyncchat.export import Difference, Query, VerifyProgress, VerifyReport
from asyncchat.sandbox import Sandbox


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=30, token="box-token") as running:
        yield running


@pytest.fixture
def folder(box: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export of the sandbox."""
    go_to(monkeypatch, box.base_url, box.token)
    assert invoke(capsys, "export", tmp_path / "out", "--quiet").code == 0
    return tmp_path / "out"


def test_an_intact_export(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Exit code 0; the end of the summary says so."""
    done = invoke(capsys, "verify", folder)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Verified {folder}\nagainst http://")
    assert done.out.endswith("\n  intact        yes, nothing is missing and nothing extra\n")
    assert (invoke(capsys, "verify", folder, "--quiet").out, invoke(capsys, "verify", folder, "--quiet").err) == (
        "",
        "",
    )


def test_a_damaged_export(capsys: pytest.CaptureFixture[str], box: Sandbox, folder: Path) -> None:
    """Exit code 3; what is missing is named, in words and as JSON."""
    lost: Any = list(box.truth("messages"))[5]
    drop_lines(folder, "messages", {lost["id"]})
    done = invoke(capsys, "verify", folder)
    assert (done.code, done.err) == (3, "")
    assert "  intact        NO: 1 rows missing, 0 extra\n" in done.out
    assert f"    - messages of conversation {lost['conversation_id']}: {lost['id']} missing\n" in done.out
    assert "    - messages/part-00000.jsonl: damaged" in done.out
    told = invoke(capsys, "verify", folder, "--json")
    assert told.code == 3
    assert json.loads(told.out)["differences"][0]["missing"] == [lost["id"]]
    assert complaint(invoke(capsys, "verify", folder, "--quiet"), 3) == "1 rows missing, 0 extra: see --json"
    assert (
        invoke(capsys, "verify", folder, "--no-messages").out.count("NO: 0 rows missing") == 1
    )  # but a file is damaged


def test_a_repair(capsys: pytest.CaptureFixture[str], box: Sandbox, folder: Path, tmp_path: Path) -> None:
    """A database is whole again, and so is a folder, which the exit code and the summary say."""
    target = f"sqlite:///{tmp_path}/chats.db"
    assert invoke(capsys, "export", target, "--quiet").code == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "chats.db")) as held, held:
        held.execute("DELETE FROM conversations WHERE id = (SELECT max(id) FROM conversations)")
    done = invoke(capsys, "verify", target, "--repair")
    assert (done.code, done.err) == (0, "")
    assert "    - 1 rows have been put in\n" in done.out
    assert invoke(capsys, "verify", target, "--quiet").code == 0
    path = folder / "messages" / "part-00000.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    done = invoke(capsys, "verify", folder, "--repair")
    assert (done.code, done.err) == (0, "")
    assert "    - messages/part-00000.jsonl: damaged\n" in done.out
    assert "    - messages/part-00000.jsonl: replaced\n" in done.out
    assert invoke(capsys, "verify", folder, "--deep", "--quiet").code == 0


def test_a_place_without_an_export(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path) -> None:
    """One line says what is wrong."""
    assert "holds no finished export" in complaint(invoke(capsys, "verify", tmp_path / "none"), 2)
    assert "say that it is the same (--source='http://" in complaint(invoke(capsys, "verify", folder, "--sandbox"), 2)


def test_a_server_that_moved(
    capsys: pytest.CaptureFixture[str], box: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under another address it is the same one, if that is said."""
    go_to(monkeypatch, box.base_url.replace("127.0.0.1", "localhost"), box.token)
    assert invoke(capsys, "verify", folder, "--quiet").code == 2
    assert invoke(capsys, "verify", folder, "--quiet", "--source", box.base_url).code == 0


def test_a_server_that_is_down(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says so."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["query"]["source"] = "http://127.0.0.1:9/v1"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    go_to(monkeypatch, "http://127.0.0.1:9/v1", "box-token")
    assert "cannot connect to" in complaint(invoke(capsys, "verify", folder, "--patience", 0), 1)


REPORT = VerifyReport(
    destination="out",
    query=Query(source="s\x1b[2J", format="jsonl", since=None, until=None, model_ids=(), messages=True),
    as_of=datetime(2025, 5, 5, tzinfo=UTC),
    rows={"models": 1},
    windows=1,
    conversations=12,
    differences=tuple(
        Difference(kind="messages", where=f"conversation {i}", missing=tuple(range(8)), extra=(9,)) for i in range(12)
    ),
    uncertain=("page 2\x1b[2J",),
    newer=3,
)


def test_long_findings_are_cut() -> None:
    """A few differences and ids are shown, the rest counted; nothing of a server's moves the cursor."""
    text = verdict(REPORT)
    assert "conversation 0: 0, 1, 2, 3, 4 and 3 more missing, 9 extra" in text
    assert text.endswith("    - and 3 more: see --json")
    assert "3 messages came after the export" in text
    assert "\x1b" not in text


def test_progress_in_words() -> None:
    """How far it has come, and why it waits."""
    progress = VerifyProgress(
        windows=2, conversations=3, conversations_total=1_000, differences=1, requests=7, paused="503: again in 1.0 s"
    )
    assert verify_line(progress) == (
        "2 windows of conversations counted, messages of 3 of 1,000 conversations, 7 requests, 1 difference; "
        "503: again in 1.0 s"
    )
