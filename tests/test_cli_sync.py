"""`asyncchat sync`: what it prints, exit codes, rounds until it is stopped."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from cli_run import access, complaint, ended, go_to, invoke, spawn, until

from asyncchat import APIConnectionError, AuthenticationError, RateLimitError
from asyncchat.cli.render_sync import round_line, sync_stand, sync_summary
from asyncchat.cli.repeating import keep_on
from asyncchat.export import Progress, Query, SyncProgress, SyncReport
from asyncchat.sandbox import Sandbox


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=40, messages_mean=4, token="box-token") as running:
        yield running


@pytest.fixture
def target(box: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A database that is not there yet, for commands that ask the sandbox."""
    go_to(monkeypatch, box.base_url, box.token)
    return f"sqlite:///{tmp_path}/chats.db"


def test_rounds(capsys: pytest.CaptureFixture[str], box: Sandbox, target: str) -> None:
    """The first one exports and says so; the next brings what has changed."""
    first = invoke(capsys, "sync", target, "--lag", "0")
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("Exported and synced http://")
    assert first.out.endswith("\n  certified     yes, nothing is missing\n")
    box.make_changes(20)
    box.advance(5)
    second = invoke(capsys, "sync", target, "--lag", "0", "--prune", "--json")
    told = json.loads(second.out)
    assert second.code == 0
    assert told["certified"]
    assert told["exported"] is None
    assert told["new"] + told["changed"] > 5
    assert set(told["ways"]) <= {"recent", "tail", "whole", "unchanged"}
    quiet = invoke(capsys, "sync", target, "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["sqlite:///c.db", "--every", "5x"], 2, "'5x' is no time: give a number and s, m, h or d"),
        (["sqlite:///c.db", "--every", "0s"], 2, "is no time"),
        (["sqlite:///c.db", "--audit", "3"], 2, "audit takes a share from 0 to 1"),
        (["sqlite:///c.db", "--lag", "-1"], 2, "lag takes seconds from 0"),
        (["sqlite:///c.db", "--since", "tomorrow"], 2, "since"),
    ],
)
def test_wrong_usage(
    capsys: pytest.CaptureFixture[str], target: str, arguments: list[str], code: int, says: str
) -> None:
    """One line, exit code 2."""
    assert target
    assert says in complaint(invoke(capsys, "sync", *arguments), code)


def test_a_server_that_is_away(capsys: pytest.CaptureFixture[str], box: Sandbox, target: str) -> None:
    """Exit code 75: later it may go well."""
    assert invoke(capsys, "sync", target, "--quiet").code == 0
    box.stop()
    assert "that the server runs" in complaint(invoke(capsys, "sync", target, "--patience", "0", "--quiet"), 75)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_until_it_is_stopped(box: Sandbox, tmp_path: Path, number: signal.Signals, code: int) -> None:
    """With --every a line a round, as it comes; a signal ends it with one line."""
    path = tmp_path / "chats.db"
    process = spawn("sync", f"sqlite:///{path}", "--every", "1s", "--lag", "0", settings=access(box))

    def rounds() -> int:
        with closing(sqlite3.connect(path)) as database:
            try:
                rows = database.execute("SELECT state FROM asyncchat_syncs").fetchall()
            except sqlite3.OperationalError:
                return 0
        return json.loads(json.loads(rows[0][0])["state"])["rounds"] if rows else 0

    until(lambda: path.exists() and rounds() >= 3, process)
    process.send_signal(number)
    done = ended(process)
    assert done.code == code
    assert len(done.out.splitlines()) >= 2
    assert all("complete as of" in line for line in done.out.splitlines())
    assert done.err.splitlines()[-1].endswith("what was committed is kept, the same command goes on")


REPORT = SyncReport(
    destination="sqlite:///c.db",
    query=Query(source="s", format="sqlite", since=None, until=None, model_ids=(), messages=True),
    as_of=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    since=datetime(2026, 1, 2, 3, tzinfo=UTC),
    rows={"models": 1, "conversations": 2, "messages": 3},
    new=1,
    changed=2,
    messages=3,
    ways={"recent": 2, "tail": 1},
    requests=7,
)


def test_rounds_that_fail() -> None:
    """A server that is away is tried later and later, no earlier than it asked; one that is back as before."""
    outcomes: list[SyncReport | Exception] = [
        REPORT,
        APIConnectionError("away", sent=False),
        APIConnectionError("away", sent=False),
        RateLimitError("slow down", status=429, retry_after=900.0),
        REPORT,
        AuthenticationError("no", status=401),
    ]
    waits: list[float] = []
    shown: list[SyncReport] = []

    async def run() -> SyncReport:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    with pytest.raises(AuthenticationError):
        asyncio.run(keep_on(run, every=60, show=shown.append, sleep=sleep))
    assert len(shown) == 2
    expected = [60, 60, 120, 1_000, 60]
    assert all(0.9 * told <= wait <= 1.1 * told for wait, told in zip(waits, expected, strict=True))
    assert waits[3] >= 900


def test_what_is_shown() -> None:
    """A round in a line and in a summary; what is not complete, deleted or not believed stands out."""
    assert round_line(REPORT).endswith(
        "1 new conversation, 2 changed, 3 new messages, 7 requests; complete as of 03:04:05"
    )
    worse = attrs.evolve(
        REPORT, uncertified=("window \x1b[2J: no",) * 12, deleted=(5,), lied=(8, 9), trusts=False, clock_went_back=90
    )
    line, text = round_line(worse), sync_summary(worse)
    assert "NOT all of it complete (window \\x1b[2J: no)" in line
    assert "recent messages of 8, 9 had a gap" in line
    assert "1 deleted" in line
    assert "\x1b" not in line + text
    assert "  deleted       1 conversation: marked in deleted_at" in text
    assert "  clock         the server's was set back by 90 s" in text
    assert "    - and 2 more: see --json" in text
    assert "  certified     NO" in text
    assert all(len(row) <= 90 for row in text.splitlines() if not row.startswith("  recent"))


def test_how_far_it_is() -> None:
    """The export that comes first is drawn as such, and a round by its changes."""
    told = SyncProgress(conversations=3, conversations_total=9, messages=1, requests=2, paused="x\x1b")
    stand = sync_stand(told)
    assert (stand.done, stand.total) == (3, 9)
    assert stand.line == "3 of 9 changes looked into, 1 new message, 2 requests; x\\x1b"
    assert sync_stand(attrs.evolve(told, conversations_total=0)).line.startswith("asking what has changed, ")
    exporting = Progress(
        rows={},
        conversations_total=9,
        conversations_done=4,
        windows=1,
        windows_left=0,
        uncertified=0,
        requests=1,
        retries=0,
        in_flight=0,
        rows_per_second=1.0,
        seconds_left=None,
        paused=None,
    )
    assert sync_stand(exporting).done == 4
