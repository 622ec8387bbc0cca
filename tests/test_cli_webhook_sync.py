"""`asyncchat webhook serve --sync`: a notification refreshes just its conversation in a database."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from cli_run import access, complaint, ended, invoke, until
from database_rows import select
from test_cli_from_webhooks import event
from test_cli_sync import box, target
from test_cli_webhook_targets import post, serving, states
from test_syncing import is_true
from test_syncing_refresh import changed_in, there
from test_webhook_events import body

from asyncchat import ExportBusyError, ServerError
from asyncchat.cli.webhook.refreshing import Refresher
from asyncchat.cli.webhook.targets import FailedError
from asyncchat.export import RefreshReport
from asyncchat.sandbox import Sandbox
from asyncchat.webhooks import KeywordNotificationEvent, parse_event

__all__ = ["box", "target"]  # fixtures

REPORT = RefreshReport(destination="sqlite:///c.db", as_of=datetime(2026, 1, 2, tzinfo=UTC))


def about(number: int) -> KeywordNotificationEvent:
    found = parse_event(body(id=number))
    assert isinstance(found, KeywordNotificationEvent)
    return found


def test_a_receiver(capsys: pytest.CaptureFixture[str], tmp_path: Path, box: Sandbox, target: str) -> None:
    """What is posted is in the database when its event is done, and then in the file; a sync goes on from there."""
    assert invoke(capsys, "sync", target, "--quiet").code == 0
    wanted = [each for each in changed_in(box, 20) if each in there(box)]
    before = int(str(box.stats()["requests"]))
    with serving(tmp_path, "--sync", target, "--jsonl", tmp_path / "out", **access(box)) as (url, process):
        assert {post(url, event(there(box)[each])) for each in wanted} == {200}
        until(lambda: states(tmp_path) == {"done": len(wanted)}, process)
        process.send_signal(signal.SIGTERM)
        assert (done := ended(process)).code == 0, done
    assert len((tmp_path / "out").read_text().splitlines()) == len(wanted)
    told = dict(select(target, "SELECT id, updated_at FROM conversations"))
    assert {each for each in wanted if each not in told} == set()
    assert int(str(box.stats()["requests"])) - before <= 3 * len(wanted) + 5
    box.advance(300)
    assert invoke(capsys, "sync", target, "--prune", "--quiet").code == 0
    assert is_true(target, box)


@pytest.mark.parametrize(
    ("destination", "says"),
    [
        ("sqlite:///{path}/none.db", "holds no finished export"),
        ("folder", "holds no finished export"),
        ("mysql://h/d", "mysql"),
    ],
)
def test_an_export_that_is_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, target: str, destination: str, says: str
) -> None:
    """It is told before anything is received."""
    (tmp_path / "secret").write_text("s" * 30)
    where = ["--inbox", tmp_path / "in.db", "--secret-file", tmp_path / "secret"]
    done = invoke(capsys, "webhook", "serve", *where, "--sync", destination.format(path=tmp_path))
    assert says in complaint(done, 2)
    assert not (tmp_path / "in.db").exists()


# ---- together


@pytest.mark.asyncio
async def test_those_that_come_meanwhile_go_together() -> None:
    """While a refresh runs the next ones wait; then they are one, and each conversation is in it once."""
    calls: list[list[int]] = []
    go_on = asyncio.Event()

    async def refresh(ids: Sequence[int]) -> RefreshReport:
        calls.append(sorted(ids))
        await go_on.wait()
        return attrs.evolve(REPORT, unproven={3: "conversation 3: it moved"})

    refresher = Refresher(refresh)
    first = asyncio.ensure_future(refresher(about(1)))
    await asyncio.sleep(0)
    others = [asyncio.ensure_future(refresher(about(number))) for number in (1, 2, 2, 3)]
    late = asyncio.ensure_future(refresher(about(4)))
    await asyncio.sleep(0)
    late.cancel()
    go_on.set()
    told: list[Any] = await asyncio.gather(first, *others, late, return_exceptions=True)
    assert calls == [[1], [1, 2, 3, 4]]
    assert told[:4] == [None, None, None, None]
    assert isinstance(told[4], FailedError)
    assert isinstance(told[5], asyncio.CancelledError)
    await refresher.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("error", [ServerError("away", status=503), ExportBusyError("another export")])
async def test_what_fails(error: Exception) -> None:
    """Everybody who waited is told, and the next one tries again."""
    errors = [error]

    async def refresh(ids: Sequence[int]) -> RefreshReport:
        if errors:
            raise errors.pop()
        return REPORT

    refresher = Refresher(refresh)
    told: Any = await asyncio.gather(refresher(about(1)), refresher(about(2)), return_exceptions=True)
    assert list(told) == [error, error]
    await refresher(about(1))
