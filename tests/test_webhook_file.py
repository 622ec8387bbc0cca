"""The inbox's file when things go wrong around it: forks, full and read-only disks, a file that is moved away."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_webhook_events import body
from test_webhook_handing import handled
from test_webhook_receiver import SECRET, post
from unprivileged import forbidden

from asyncchat import WebhookError
from asyncchat.webhooks import Inbox, KeywordNotificationEvent, Receiver

NOW = 1_750_000_000.0
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
can_forbid = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="has no users of this kind")


def states(path: Path) -> dict[str, int]:
    with Inbox(path) as inbox:
        return dict(inbox.stats().states)


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork(tmp_path: Path) -> None:
    """Parent and child go on, each with a connection of its own, also where other threads write at that moment."""
    stop = threading.Event()
    with Inbox(tmp_path / "in.db") as inbox:
        writer = threading.Thread(
            target=lambda: [inbox.add([body(id=n)], NOW) for n in range(400) if not stop.is_set()]
        )
        writer.start()
        pids = []
        for number in range(1_000, 1_005):
            if (pid := os.fork()) == 0:
                code = 1
                with contextlib.suppress(BaseException):
                    inbox.add([body(id=number)], NOW)
                    code = 0
                os._exit(code)
            pids.append(pid)
        codes = {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids}
        stop.set()
        writer.join()
        inbox.add([body(id=2_000)], NOW)
        told = {each.body for each in inbox.list(most=10_000)}
    assert codes == {0}
    assert {body(id=number) for number in (*range(1_000, 1_005), 2_000)} <= told


@can_forbid
def test_read_only(tmp_path: Path) -> None:
    """What cannot be written is refused, and taken again as soon as it can be."""
    (folder := tmp_path / "inbox").mkdir()
    with Inbox(folder / "in.db") as inbox:
        inbox.add([body(id=1)], NOW)
        inbox.close()
        inbox.open()
        with forbidden(folder):
            for _ in range(2):
                with pytest.raises(WebhookError, match="cannot be used just now"):
                    inbox.add([body(id=2)], NOW)
        inbox.add([body(id=3)], NOW)
    assert states(folder / "in.db") == {"new": 2}


def test_moved_away(tmp_path: Path) -> None:
    """What comes after the file was moved away, or removed, is in a new file, and not in one that nobody finds."""
    with Inbox(tmp_path / "in.db") as inbox:
        inbox.add([body(id=1)], NOW)
        (tmp_path / "in.db").rename(tmp_path / "old.db")
        for part in ("-wal", "-shm"):
            (tmp_path / f"in.db{part}").rename(tmp_path / f"old.db{part}")
        inbox.add([body(id=2)], NOW)
    assert states(tmp_path / "in.db") == states(tmp_path / "old.db") == {"new": 1}


def test_closed(tmp_path: Path) -> None:
    """A closed inbox says so; it can be opened again."""
    inbox = Inbox(tmp_path / "in.db")
    inbox.close()
    with pytest.raises(WebhookError, match="it is closed"):
        inbox.stats()
    inbox.open()
    inbox.add([body(id=1)], NOW)
    inbox.close()
    assert states(tmp_path / "in.db") == {"new": 1}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    path = tmp_path / "disk"
    path.mkdir()
    done = subprocess.run(  # noqa: S603 - nothing of a user's
        ["mount", "-t", "tmpfs", "-o", "size=2m", "asyncchat-test", path],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("may not mount a disk here")
    yield path
    subprocess.run(["umount", path], check=True)  # noqa: S603, S607


def test_full_disk(small_disk: Path) -> None:
    """Nothing is taken while it is full; what had been taken is all there; it goes on when there is room."""
    taken = []
    with Inbox(small_disk / "in.db") as inbox:
        with pytest.raises(WebhookError, match="full"):  # noqa: PT012 - as many as there is room for
            for number in range(10_000):
                inbox.add([sent := body(id=number, keyword="x" * 2_000)], NOW)
                taken.append(sent)
        with pytest.raises(WebhookError, match="full"):
            inbox.add([body(id=10**6, keyword="y" * 9_000)], NOW)
        assert [each.body for each in inbox.list(most=10_000)] == taken
        subprocess.run(["mount", "-o", "remount,size=9m", small_disk], check=True)  # noqa: S603, S607
        inbox.add([body(id=10**6)], NOW)
        assert len(inbox.list(most=10_000)) == len(taken) + 1


@pytest.mark.asyncio
async def test_a_receiver_on_a_full_disk(small_disk: Path) -> None:
    """503 while there is no room, for what is no event too; what had a 200 is there, and handed over when there is."""
    acknowledged: list[int] = []
    told: set[int] = set()
    async with Receiver(Inbox(small_disk / "in.db"), secrets=SECRET) as receiver:
        number = 0
        while (status := await post(receiver, body(id=number, keyword="x" * 50_000))) == 200:
            acknowledged.append(number)
            number += 1
        assert status == 503
        assert await post(receiver, b"[" * 50_000) == 503
        subprocess.run(["mount", "-o", "remount,size=9m", small_disk], check=True)  # noqa: ASYNC221, S603, S607
        assert await post(receiver, body(id=number)) == 200
        receiver.on(KeywordNotificationEvent)(lambda event: told.add(event.payload.id))
        await handled(receiver.inbox, "done")
    assert told == {*acknowledged, number}
