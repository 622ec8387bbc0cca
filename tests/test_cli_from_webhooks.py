"""`asyncchat sync --from-webhooks`: events are taken, their conversations refreshed, and then they are done."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cli_run import PROGRAM, access, complaint, ended, invoke, kill_a_command, spawn, until
from test_cli_sync import box, target
from test_syncing import is_true
from test_syncing_refresh import changed_in, there

from asyncchat import APIConnectionError
from asyncchat.cli.from_webhooks import Look, Looks
from asyncchat.cli.render_sync import look_line
from asyncchat.export import RefreshReport
from asyncchat.sandbox import Sandbox
from asyncchat.webhooks import Inbox

__all__ = ["box", "target"]  # fixtures

REPORT = RefreshReport(destination="sqlite:///c.db", as_of=datetime(2026, 1, 2, tzinfo=UTC))


def event(row: dict[str, Any]) -> bytes:
    """A notification of a conversation."""
    payload = {name: value for name, value in row.items() if name != "updated_at"}
    return json.dumps({"event": "keyword-notification", "payload": {**payload, "keyword": "urgent"}}).encode()


def notification(conversation_id: int) -> bytes:
    stamp = "2025-05-05T05:05:05+0700"
    row = {"id": conversation_id, "model_id": 1, "model_name": "m", "created_at": stamp, "platform": "web"}
    return event({**row, "most_recent_message": None, "recent_messages": [], "platform_user_id": "u"})


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An empty one."""
    with Inbox(tmp_path / "in.db"):
        return tmp_path / "in.db"


def put(inbox: Path, *bodies: bytes) -> None:
    with Inbox(inbox) as opened:
        opened.add(bodies, time.time() - 1)


def states(inbox: Path) -> dict[str, int]:
    with Inbox(inbox) as opened:
        return dict(opened.stats().states)


def test_once(capsys: pytest.CaptureFixture[str], box: Sandbox, target: str, inbox: Path) -> None:
    """What was notified of is there, each conversation for one request; the events are done, and a sync goes on."""
    assert invoke(capsys, "sync", target, "--quiet").code == 0
    wanted = [each for each in changed_in(box, 20) if each in there(box)]
    put(inbox, *(event(there(box)[each]) for each in wanted), b'{"event": "other", "payload": {"id": 1}}')
    done = invoke(capsys, "sync", target, "--from-webhooks", inbox, "--json")
    told = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert (told["events"], told["given_back"], told["certified"]) == (len(wanted) + 1, 0, True)
    assert told["new"] + told["changed"] + told["unchanged"] == len(wanted)
    assert told["messages"] > 0
    assert states(inbox) == {"done": len(wanted) + 1}
    none = invoke(capsys, "sync", target, "--from-webhooks", inbox)
    assert (none.code, none.out.split("  ")[1]) == (0, "no event is due\n")
    box.advance(300)
    assert invoke(capsys, "sync", target, "--prune", "--quiet").code == 0
    assert is_true(target, box)


def test_a_server_that_is_away(capsys: pytest.CaptureFixture[str], box: Sandbox, target: str, inbox: Path) -> None:
    """Exit code 75, as that of a round; the events are there for later, with what went wrong."""
    assert invoke(capsys, "sync", target, "--quiet").code == 0
    known = there(box)
    put(inbox, *map(notification, known), b'{"event": "other"}')
    box.stop()
    arguments = ("sync", target, "--from-webhooks", inbox, "--patience", "0", "--quiet")
    assert "that the server runs" in complaint(invoke(capsys, *arguments), 75)
    assert states(inbox) == {"new": len(known), "done": 1}
    with Inbox(inbox) as opened:
        assert "that the server runs" in str(opened.list(state="new")[0].error)


def test_a_database_that_is_none(capsys: pytest.CaptureFixture[str], box: Sandbox, target: str, inbox: Path) -> None:
    """What is wrong with it is told before an event is taken."""
    put(inbox, notification(1))
    says = complaint(invoke(capsys, "sync", target, "--from-webhooks", inbox), 2)
    assert "holds no finished export" in says
    with Inbox(inbox) as opened:
        (kept,) = opened.list()
    assert (kept.state, kept.attempts) == ("new", 0)
    assert box.stats()["requests"] == 0


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--prune"], "--prune is for rounds"),
        (["--since", "2025-05-05"], "--since is for rounds"),
        (["--model", "3"], "--model is for rounds"),
        (["--no-messages"], "--no-messages is for rounds"),
        (["--lookback", "0"], "--lookback is for rounds"),
        (["--audit", "0.5"], "--audit is for rounds"),
    ],
)
def test_flags_of_rounds(
    capsys: pytest.CaptureFixture[str], target: str, inbox: Path, flags: Sequence[str], says: str
) -> None:
    """They are refused by name, and so is an inbox that is not there."""
    assert says in complaint(invoke(capsys, "sync", target, "--from-webhooks", inbox, *flags), 2)
    assert "there is no inbox none.db" in complaint(invoke(capsys, "sync", target, "--from-webhooks", "none.db"), 2)


def test_until_it_is_stopped(capsys: pytest.CaptureFixture[str], box: Sandbox, target: str, inbox: Path) -> None:
    """With --every it looks again and again: a line for each look that finds something; a signal ends it."""
    assert invoke(capsys, "sync", target, "--quiet").code == 0
    arguments = ("sync", target, "--from-webhooks", inbox, "--every", "1s")
    process = spawn(*arguments, settings=access(box))
    for number in (1, 2):
        wanted = [each for each in changed_in(box, 5) if each in there(box)]
        put(inbox, *(event(there(box)[each]) for each in wanted))
        until(lambda: set(states(inbox)) <= {"done"}, process)
        assert number
    process.send_signal(signal.SIGTERM)
    done = ended(process)
    assert done.code == 143
    assert 1 <= len(done.out.splitlines()) <= 4
    assert all(" event" in line and " request" in line for line in done.out.splitlines())


@pytest.mark.heavy
@pytest.mark.skipif(os.name != "posix", reason="a process is not killed without a word elsewhere")
def test_killed_at_random_moments(box: Sandbox, database: str, inbox: Path) -> None:
    """Whatever was killed, no event is lost: those of the kill are still taken; and a round makes the copy right."""
    rnd, settings = Random(database.partition(":")[0]), access(box)  # noqa: S311 - a game
    arguments = ("sync", database, "--from-webhooks", str(inbox), "--lag", "1", "--quiet")
    assert ended(spawn("sync", database, "--quiet", settings=settings)).code == 0
    for _ in range(3):
        wanted = [each for each in changed_in(box, 60) if each in there(box)]
        put(inbox, *(event(there(box)[each]) for each in wanted))
        kill_a_command(box, rnd, arguments, program=PROGRAM, requests=(1, len(wanted)))
        box.advance(rnd.randint(1, 5))
    with Inbox(inbox) as opened:
        assert set(opened.stats().states) <= {"taken", "done", "new"}
        assert opened.take("later", time.time() + 10_000, most=1_000) or set(opened.stats().states) == {"done"}
    box.advance(300)
    assert ended(spawn("sync", database, "--prune", "--lag", "1", "--quiet", settings=settings)).code == 0
    assert is_true(database, box)


# ---- batches


class Refreshes:
    """What is called instead of `refresh`."""

    def __init__(self, *outcomes: RefreshReport | BaseException) -> None:
        self.outcomes = [*outcomes]
        self.asked: list[list[int]] = []

    async def __call__(self, ids: Sequence[int]) -> RefreshReport:
        if not ids:
            return REPORT
        self.asked.append([*ids])
        outcome = self.outcomes.pop(0) if self.outcomes else REPORT
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def test_batches(inbox: Path) -> None:
    """Some hundreds of events take one refresh, each conversation once; what cannot be read is given back."""
    bodies = [notification(number) for number in range(150)]
    put(inbox, *bodies, *(body + b" " for body in bodies), b"no JSON", notification(-5))
    refreshes = Refreshes()
    with Inbox(inbox) as opened:
        look = asyncio.run(Looks(opened, refreshes, patience=0).look())
        assert min(each.error or "" for each in opened.list(state="new")).startswith("the body (7 bytes)")
    assert refreshes.asked == [[*range(150)], [*range(50, 150)]]
    assert (look.events, len(look.uncertified), len(look.reports)) == (302, 2, 2)
    assert states(inbox) == {"done": 300, "new": 2}


def test_conversations_that_are_unproven(inbox: Path) -> None:
    """Their events come again, with the reason; those of the others are done."""
    put(inbox, notification(1), notification(2))
    with Inbox(inbox) as opened:
        refreshes = Refreshes(RefreshReport(destination="d", as_of=REPORT.as_of, unproven={2: "it was cut off"}))
        look = asyncio.run(Looks(opened, refreshes, patience=0).look())
        (left,) = opened.list(state="new")
    assert look.uncertified == ("it was cut off",)
    assert (left.body, left.error) == (notification(2), "it was cut off")


@pytest.mark.parametrize("outcome", [APIConnectionError("away", sent=False), asyncio.CancelledError()])
def test_refreshes_that_fail(inbox: Path, outcome: BaseException) -> None:
    """The events of the batch are given back, and no further one is taken."""
    put(inbox, *map(notification, range(250)))
    with Inbox(inbox) as opened, pytest.raises(type(outcome)):
        asyncio.run(Looks(opened, Refreshes(outcome), patience=0).look())
    with Inbox(inbox) as opened:
        assert [each.attempts for each in opened.list(most=250)] == [1] * 200 + [0] * 50
    assert states(inbox) == {"new": 250}


def test_what_is_shown() -> None:
    """A look in a line; what was not done stands out, and nothing that a terminal would obey is in it."""
    report = RefreshReport(destination="d", as_of=REPORT.as_of, new=1, changed=2, messages=3, gone=(5,), requests=4)
    look = Look(events=5, reports=(report, report))
    assert look_line(look).endswith("5 events, 2 new conversations, 4 changed, 6 new messages, 1 gone, 8 requests")
    assert look_line(Look(events=1, uncertified=("\x1b[2J",))).endswith("; 1 NOT done (\\x1b[2J)")
    assert (look + look).events == 10
