"""The inbox: nothing that it took is lost, nothing is handed over fewer than once, duplicates are folded."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from killing import CAN_KILL, kill_until_done, seconds_of

from asyncchat import ConfigurationError, WebhookError
from asyncchat.webhooks import Added, Inbox

NOW = 1_750_000_000.0


@pytest.fixture
def inbox(tmp_path: Path) -> Any:
    with Inbox(tmp_path / "in.db", attempts=3, backoff=10) as opened:
        yield opened


def test_what_comes_is_handed_over(inbox: Inbox) -> None:
    """In the order in which it came; what is done is not handed over again."""
    assert inbox.add([b"a", b"b"], NOW) == [Added(1, 1), Added(2, 1)]
    first, second = inbox.take("w", NOW, most=5)
    assert (first.body, second.body, first.attempts) == (b"a", b"b", 1)
    assert inbox.take("w", NOW, most=5) == []
    assert inbox.done(first.id, "w", NOW)
    assert not inbox.done(first.id, "w", NOW)
    assert inbox.stats().states == {"done": 1, "taken": 1}


def test_duplicates(inbox: Inbox) -> None:
    """The same bytes within a day are one event, however often they come, also when it is done; later another."""
    (added,) = inbox.add([b"a"], NOW)
    assert added.is_new
    assert [each.count for each in inbox.add([b"a"] * 999, NOW + 5)] == [*range(2, 1_001)]
    (taken,) = inbox.take("w", NOW + 6, most=9)
    assert (taken.count, taken.last_received_at) == (1_000, NOW + 5)
    inbox.done(taken.id, "w", NOW + 7)
    assert inbox.add([b"a"], NOW + 86_399) == [Added(1, 1_001)]
    assert inbox.take("w", NOW + 86_399) == []
    assert inbox.add([b"a"], NOW + 86_401) == [Added(2, 1)]
    assert inbox.stats().duplicates == 1_000


def test_failures(inbox: Inbox) -> None:
    """An event that fails comes again, later and later, and is dead in the end; a replay begins anew."""
    inbox.add([b"a"], NOW)
    waits, now = [], NOW
    for state in ("new", "new", "dead"):
        (taken,) = inbox.take("w", now)
        assert inbox.failed(taken.id, "w", now, "no") == state
        due = inbox.next_due(now)
        waits.append(None if due is None else due - now)
        assert inbox.take("w", now + 9) == []
        now += 1_000
    assert waits == [10, 20, None]
    dead = inbox.get(1)
    assert dead is not None
    assert (dead.state, dead.error, dead.attempts) == ("dead", "no", 3)
    assert inbox.replay(now, ids=[1, 77]) == 1
    assert inbox.take("w", now)[0].attempts == 1


def test_leases(inbox: Inbox) -> None:
    """Who takes an event and is gone loses it when the lease has run out, and cannot end it any more."""
    inbox.add([b"a"], NOW)
    (taken,) = inbox.take("one", NOW, lease=60)
    assert inbox.take("two", NOW + 59) == []
    assert inbox.next_due(NOW) == NOW + 60
    assert inbox.take("two", NOW + 60)[0].attempts == 2
    assert not inbox.done(taken.id, "one", NOW + 61)
    assert inbox.failed(taken.id, "one", NOW + 61, "no") is None
    assert inbox.take("three", NOW + 1_000)[0].attempts == 3
    assert inbox.take("four", NOW + 2_000) == []
    dead = inbox.get(1)
    assert dead is not None
    assert (dead.state, dead.error) == ("dead", "its handler never came to an end")


def test_what_is_no_event(inbox: Inbox) -> None:
    """It is kept aside, handed to nobody, replayed by nobody, and does not fold an event of the same bytes."""
    number = inbox.reject(b"a", "no JSON", NOW)
    assert inbox.take("w", NOW) == []
    assert inbox.replay(NOW, ids=[number]) == 0
    assert inbox.add([b"a"], NOW)[0].is_new
    (kept,) = inbox.list(state="rejected")
    assert (kept.id, kept.error) == (number, "no JSON")


def test_lists_and_retention(inbox: Inbox) -> None:
    """Events are listed in pages; what has ended long ago is dropped, what waits is not."""
    inbox.add([b"%d" % i for i in range(5)], NOW)
    for taken in inbox.take("w", NOW, most=2):
        inbox.done(taken.id, "w", NOW)
    assert [each.id for each in inbox.list(after=1, most=2)] == [2, 3]
    assert inbox.prune(NOW + 30 * 86_400 - 1) == 0
    assert inbox.prune(NOW + 30 * 86_400) == 2
    assert [each.id for each in inbox.list()] == [3, 4, 5]


def test_a_full_inbox(tmp_path: Path) -> None:
    """It takes nothing more, says so, and takes again when there is room."""
    with Inbox(tmp_path / "in.db", max_bytes=200_000, retention=0) as inbox:
        inbox.add([b"%d" % number + b"x" * 10_000 for number in range(20)], NOW)
        with pytest.raises(WebhookError, match="is full"):
            inbox.add([b"a"], NOW)
        for taken in inbox.take("w", NOW, most=100):
            inbox.done(taken.id, "w", NOW)
        inbox.prune(NOW + 1)
        assert inbox.add([b"a"], NOW + 2)[0].is_new


def test_a_locked_inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is added while another program holds the file, and all is well afterwards."""
    monkeypatch.setattr("asyncchat.webhooks.schema._BUSY_SECONDS", 0.01)
    with Inbox(tmp_path / "in.db") as inbox, closing(sqlite3.connect(tmp_path / "in.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(WebhookError, match="locked") as caught:
            inbox.add([b"a"], NOW)
        assert caught.value.__context__ is None
        other.rollback()
        assert inbox.add([b"a"], NOW) == [Added(1, 1)]


@pytest.mark.parametrize("what", ["text", "another", "folder", "nowhere"])
def test_what_cannot_be_one(tmp_path: Path, what: str) -> None:
    """A file that is something else is left as it is."""
    path = tmp_path / ("none" if what == "nowhere" else "") / "in.db"
    if what == "text":
        path.write_text("hello, this is no database at all")
    if what == "another":
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE t (x)")
    if what == "folder":
        path.mkdir()
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(ConfigurationError):
        Inbox(path)
    assert what == "another" or (path.read_bytes() if path.is_file() else None) == before


def test_several_at_once(tmp_path: Path) -> None:
    """Threads with inboxes of their own on one file: each event is taken by one, and each body is one event."""
    path, taken = tmp_path / "in.db", Counter[bytes]()
    Inbox(path).close()

    def work(number: int) -> None:
        with Inbox(path) as inbox:
            for i in range(20):
                inbox.add([b"shared %d" % i, b"own %d %d" % (number, i)], NOW)
            while found := inbox.take(f"w{number}", NOW, most=3):
                for each in found:
                    taken[each.body] += 1
                    assert inbox.done(each.id, f"w{number}", NOW)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 20 + 4 * 20
    assert set(taken.values()) == {1}


@pytest.mark.skipif(not CAN_KILL, reason="processes are killed otherwise there")
@pytest.mark.heavy
@pytest.mark.parametrize("times", [3, pytest.param(60, marks=pytest.mark.large)])
def test_killed_at_random_moments(tmp_path: Path, times: int) -> None:
    """What was acknowledged before a kill is there, and is handed over, in the end each once."""
    path, told, chance = tmp_path / "in.db", tmp_path / "told", Random(5)  # noqa: S311 - a game
    Inbox(path).close()
    told.touch()
    numbers = count()

    def run() -> None:
        number = next(numbers)
        with Inbox(path) as inbox, told.open("ab", buffering=0) as notes:
            for i in range(60):
                inbox.add([b"%d %d %d" % (os.getpid(), number, i)], NOW)
                notes.write(b"%d %d %d\n" % (os.getpid(), number, i))
                for each in inbox.take("w", NOW, lease=0):
                    inbox.done(each.id, "w", NOW)

    seconds, kills = seconds_of(run), 0
    while kills < times:
        kills += kill_until_done(run, chance, seconds)
    with Inbox(path) as inbox:
        bodies = {each.body for each in inbox.list(most=10**6)}
        while found := inbox.take("last", NOW + 1, most=100):
            for each in found:
                inbox.done(each.id, "last", NOW + 1)
        assert inbox.stats().states.keys() == {"done"}
    assert set(told.read_bytes().split(b"\n")[:-1]) <= bodies
    assert told.stat().st_size > 0
    print(f"{kills} kills")  # noqa: T201 - shown by -rP


class AnyUse(RuleBasedStateMachine):
    """Whatever is done with an inbox, each event is somewhere, and only ever handed to one worker at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox = Inbox(":memory:", attempts=2, backoff=5, dedupe=100)
        self.now = NOW
        self.held: dict[int, tuple[str, float]] = {}
        self.alive: set[int] = set()

    @rule(bodies=st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=3))
    def add(self, bodies: list[bytes]) -> None:
        self.alive.update(each.id for each in self.inbox.add(bodies, self.now) if each.is_new)

    @rule(worker=st.sampled_from(["one", "two"]), most=st.integers(1, 3))
    def take(self, worker: str, most: int) -> None:
        for each in self.inbox.take(worker, self.now, most=most, lease=20):
            holder = self.held.get(each.id)
            assert holder is None or holder[1] <= self.now
            self.held[each.id] = (worker, self.now + 20)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), is_done=st.booleans())
    def end(self, data: st.DataObject, is_done: bool) -> None:
        event_id = data.draw(st.sampled_from(sorted(self.held)))
        worker, _ = self.held.pop(event_id)
        if is_done:
            self.inbox.done(event_id, worker, self.now)
        else:
            self.inbox.failed(event_id, worker, self.now, "no")

    @rule(seconds=st.sampled_from([1, 6, 21, 101]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def nothing_is_lost(self) -> None:
        assert {each.id for each in self.inbox.list(most=10**6)} == self.alive

    def teardown(self) -> None:
        self.inbox.close()


TestAnyUse = AnyUse.TestCase
TestAnyUse.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
