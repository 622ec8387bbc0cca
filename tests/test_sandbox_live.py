"""Rows that change while they are served, seen on the wire."""

from __future__ import annotations

import hashlib
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from contract_shapes import ask, check_conversation, check_message, walk
from sandbox_steps import NOON, find, lines, post, summary

from asyncchat.sandbox import Sandbox
from asyncchat.sandbox.data.times import render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio
STAMP = render(int(NOON))
KINDS = ("models", "conversations", "messages")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(seed=9, conversations=60, clock=NOON) as running:
        yield running


async def history(**options: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the same steps lead to."""
    with Sandbox(conversations=60, clock=NOON, **options) as box:
        await post(box, "/traffic", {"changes": 30})
        await post(box, "/clock", {"advance": 20})
        await ask(box, "/conversations")
        await post(box, "/clock", {"advance": 5.5})
        return await summary(box), await lines(box, "/changes")


@pytest.mark.parametrize("options", [{}, {"traffic": 4.0}, {"traffic": 4.0, "late": 3.0, "replica_lag": 2.0}])
async def test_the_same_steps_give_the_same_rows(options: dict[str, Any]) -> None:
    """Two runs of one seed and the same steps have equal rows and equal logs, to the byte."""
    assert await history(**options) == await history(**options)


async def test_another_seed_changes_otherwise() -> None:
    """Another seed gives another log."""
    assert (await history(seed=1))[1] != (await history(seed=2))[1]


async def test_nothing_changes_by_itself(box: Sandbox) -> None:
    """Without traffic no time makes a difference."""
    before = await summary(box)
    await post(box, "/clock", {"advance": 1e6})
    assert await summary(box) == before


async def test_a_new_message_moves_its_conversation(box: Sandbox) -> None:
    """A new message is the last of its conversation's messages and sets updated_at, both stamped by the clock."""
    entry = await find(box, change="created", kind="messages")
    message = next(row for row in await lines(box, "/truth/messages") if row["id"] == entry["id"])
    conversation = (await ask(box, f"/conversations/{message.pop('conversation_id')}")).body
    check_conversation(conversation)
    check_message(message)
    assert message in conversation["recent_messages"]
    assert message["created_at"] == conversation["updated_at"] == STAMP


async def test_recent_messages_follow(box: Sandbox) -> None:
    """After many changes every conversation still carries its last five messages."""
    await post(box, "/traffic", {"changes": 200})
    async for conversation in walk(box, "/conversations", 100):
        said = [row async for row in walk(box, f"/conversations/{conversation['id']}/messages", 100)]
        assert conversation["recent_messages"] == said[-5:]


async def test_a_new_conversation_is_listed(box: Sandbox) -> None:
    """A new conversation has the clock's time as created_at, a first message, and a place in the listings."""
    entry = await find(box, change="created", kind="conversations")
    since = STAMP.replace("+", "%2B")
    rows = (await ask(box, f"/conversations?per_page=1000&since={since}")).body["data"]
    row = next(row for row in rows if row["id"] == entry["id"])
    check_conversation(row)
    assert row["created_at"] == STAMP
    assert row["recent_messages"]


async def test_a_deleted_conversation_is_gone(box: Sandbox) -> None:
    """A deleted conversation is a 404, its messages too, and no listing has it."""
    entry = await find(box, change="deleted", kind="conversations")
    for path in (f"/conversations/{entry['id']}", f"/conversations/{entry['id']}/messages"):
        assert (await ask(box, path)).status == 404
    assert entry["id"] not in (await ask(box, "/conversations?per_page=1000")).ids


async def test_totals_follow(box: Sandbox) -> None:
    """total_rows is right after every change, also where it was asked before."""
    for _ in range(5):
        body = (await ask(box, "/conversations?per_page=1000")).body
        assert body["total_rows"] == len(body["data"]) == (await summary(box))["counts"]["conversations"]
        await post(box, "/traffic", {"changes": 10})


async def test_exactly_so_many_changes(box: Sandbox) -> None:
    """POST /traffic makes as many changes as asked: each is a message that came or a conversation that went."""
    reply = await post(box, "/traffic", {"changes": 40})
    log = await lines(box, "/changes")
    whole = [
        entry
        for entry in log
        if (entry["change"], entry["kind"]) in {("created", "messages"), ("deleted", "conversations")}
    ]
    assert len(whole) == 40
    assert reply.body == {"changes": len(log)}


async def test_traffic_comes_at_its_rate(box: Sandbox) -> None:
    """With a rate, changes come as the clock goes on, each at a time of its own, and stop with the rate."""
    await post(box, "/behaviour", {"traffic": 10}, method="PATCH")
    await post(box, "/clock", {"advance": 100})
    times = [entry["time"] for entry in await lines(box, "/changes") if entry["kind"] == "conversations"]
    assert 800 < len(times) < 1_200
    assert times == sorted(times)
    assert NOON < times[0] < times[-1] <= NOON + 100
    await post(box, "/behaviour", {"traffic": 0}, method="PATCH")
    before = await summary(box)
    await post(box, "/clock", {"advance": 100})
    assert await summary(box) == before


async def test_the_log_knows_every_row(box: Sandbox) -> None:
    """The rows at the start and the log together give every row's hash at the end."""
    hashes: dict[tuple[str, int], str] = {}
    for kind in KINDS:
        hashes |= await hashed(box, kind)
    await post(box, "/traffic", {"changes": 300})
    for entry in await lines(box, "/changes"):
        if entry["change"] == "deleted":
            del hashes[entry["kind"], entry["id"]]
        else:
            hashes[entry["kind"], entry["id"]] = entry["sha256"]
    now: dict[tuple[str, int], str] = {}
    for kind in KINDS:
        now |= await hashed(box, kind)
    assert hashes == now


async def hashed(box: Sandbox, kind: str) -> dict[tuple[str, int], str]:
    text = (await ask(box, f"/_sandbox/truth/{kind}", origin=box.origin, headers={})).text
    rows = zip(await lines(box, f"/truth/{kind}"), text.splitlines(), strict=True)
    return {(kind, row["id"]): hashlib.sha256(line.encode()).hexdigest() for row, line in rows}


async def test_the_log_is_numbered(box: Sandbox) -> None:
    """Serials count from 1 without a gap, and `after` leaves out what is known."""
    await post(box, "/traffic", {"changes": 20})
    log = await lines(box, "/changes")
    assert [entry["serial"] for entry in log] == list(range(1, len(log) + 1))
    assert await lines(box, "/changes?after=15") == log[15:]
    assert await lines(box, f"/changes?after={len(log)}") == []


async def test_the_log_by_method(box: Sandbox) -> None:
    """`make_changes`, `changes` and `advance` do what the routes do."""
    assert box.make_changes(20) == len(await lines(box, "/changes"))
    entry = (await lines(box, "/changes?after=3"))[0]
    logged = box.changes(after=3)[0]
    assert (logged.serial, logged.id, logged.sha256) == (4, entry["id"], entry["sha256"])
    assert box.advance(2.5) == NOON + 2.5


async def test_a_late_row_is_not_seen_at_first() -> None:
    """With `late`, about half of the new rows exist without being visible anywhere, until their time has come."""
    with Sandbox(conversations=60, clock=NOON, late=30.0) as box:
        await post(box, "/traffic", {"changes": 40})
        unseen = await lines(box, "/unseen")
        visible = {row["id"] for row in await lines(box, "/truth/messages")}
        assert 5 < len(unseen) < 35
        assert visible.isdisjoint(row["id"] for row in unseen)
        assert {(row["time"], row["visible_at"]) for row in unseen} == {(NOON, NOON + 30)}
        assert sum((await summary(box))["unseen"].values()) == len(unseen)
        await post(box, "/clock", {"advance": 30})
        assert await lines(box, "/unseen") == []
        assert {row["id"] for row in unseen if row["kind"] == "messages"} <= {
            row["id"] for row in await lines(box, "/truth/messages")
        }


async def test_a_late_row_is_older_than_its_place() -> None:
    """A late row carries the time at which it was made, and the log tells both times."""
    with Sandbox(conversations=60, clock=NOON, late=30.0) as box:
        await post(box, "/traffic", {"changes": 40})
        await post(box, "/clock", {"advance": 60})
        late = [entry for entry in await lines(box, "/changes") if entry["visible_at"] > entry["time"]]
        assert {(entry["time"], entry["visible_at"]) for entry in late} == {(NOON, NOON + 30)}
        rows = {row["id"]: row["created_at"] for row in await lines(box, "/truth/messages")}
        assert all(rows[entry["id"]] == STAMP for entry in late if entry["kind"] == "messages")


async def test_time_does_not_turn_back() -> None:
    """A late message does not set updated_at back behind a later message's."""
    with Sandbox(conversations=3, clock=NOON, late=30.0) as box:
        for _ in range(30):
            await post(box, "/traffic", {"changes": 3})
            await post(box, "/clock", {"advance": 7})
        await post(box, "/clock", {"advance": 30})
        async for row in walk(box, "/conversations", 100):
            said = [line async for line in walk(box, f"/conversations/{row['id']}/messages", 100)]
            assert row["updated_at"] == max(line["created_at"] for line in said)


async def test_every_second_answer_lags() -> None:
    """With a replica lag two equal requests have different answers until the lag has passed."""
    with Sandbox(conversations=60, clock=NOON, replica_lag=5.0) as box:
        old = (await ask(box, "/conversations?sort=updated_at&per_page=1000")).text
        await post(box, "/traffic", {"changes": 10})
        first, second, third = [(await ask(box, "/conversations?sort=updated_at&per_page=1000")).text for _ in range(3)]
        assert first == third == old != second
        await post(box, "/clock", {"advance": 5})
        first, second = [(await ask(box, "/conversations?sort=updated_at&per_page=1000")).text for _ in range(2)]
        assert first == second != old


@pytest.mark.parametrize("database", [":memory:", "box.sqlite"])
async def test_a_replica_begins_with_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    """A lag that begins at run time, after changes, lags behind those changes that follow."""
    monkeypatch.chdir(tmp_path)
    with Sandbox(conversations=60, clock=NOON, database=database) as box:
        await post(box, "/traffic", {"changes": 20})
        before = (await ask(box, "/conversations?per_page=1000")).text
        await post(box, "/behaviour", {"replica_lag": 5}, method="PATCH")
        assert [(await ask(box, "/conversations?per_page=1000")).text for _ in range(2)] == [before, before]
        await post(box, "/traffic", {"changes": 20})
        assert before in [(await ask(box, "/conversations?per_page=1000")).text for _ in range(2)]
        await post(box, "/clock", {"advance": 5})
        first, second = [(await ask(box, "/conversations?per_page=1000")).text for _ in range(2)]
        assert first == second != before


async def test_a_replica_can_be_left_out_again() -> None:
    """Without the lag every answer is the newest."""
    with Sandbox(conversations=60, clock=NOON, replica_lag=5.0) as box:
        await post(box, "/traffic", {"changes": 10})
        await post(box, "/behaviour", {"replica_lag": 0}, method="PATCH")
        truth = (await summary(box))["counts"]["conversations"]
        assert {(await ask(box, "/conversations")).body["total_rows"] for _ in range(3)} == {truth}


async def test_answers_are_dated_by_the_clock(box: Sandbox) -> None:
    """The Date of an answer is the sandbox's time, whatever its status."""
    await post(box, "/clock", {"advance": 90})
    for path in ("/conversations", "/conversations/0", "/conversations?page=x"):
        assert parsedate_to_datetime((await ask(box, path)).headers["Date"]).timestamp() == NOON + 90


async def test_the_clock_tells_its_time(box: Sandbox) -> None:
    """GET /clock gives epoch seconds, a stamp, and whether time stands still."""
    reply = await ask(box, "/_sandbox/clock", origin=box.origin, headers={})
    assert reply.body == {"time": NOON, "stamp": STAMP, "stands": True}


async def test_a_clock_of_ones_own() -> None:
    """A function may be the clock."""
    moment = NOON
    with Sandbox(conversations=60, clock=lambda: moment, traffic=1.0) as box:
        assert await lines(box, "/changes") == []
        moment += 60
        log = await lines(box, "/changes")
        assert log
        assert NOON < log[0]["time"] <= log[-1]["visible_at"] <= moment


async def test_the_wall_clock_can_be_put_forward() -> None:
    """Without a clock of one's own the wall clock's time is taken, and time can still pass at once."""
    with Sandbox(conversations=60) as box:
        before = (await ask(box, "/_sandbox/clock", origin=box.origin, headers={})).body
        after = (await post(box, "/clock", {"advance": 3600})).body
        assert after["time"] >= before["time"] + 3600
        assert not after["stands"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/traffic", {}),
        ("/traffic", {"changes": -1}),
        ("/traffic", {"changes": 10**9}),
        ("/traffic", {"changes": "many"}),
        ("/traffic", 5),
        ("/clock", {}),
        ("/clock", {"advance": -1}),
        ("/clock", {"advance": None}),
    ],
)
async def test_steps_that_make_no_sense(box: Sandbox, path: str, value: object) -> None:
    """A step that cannot be taken is a 422 that says why, and nothing happens."""
    before = await summary(box)
    reply = await post(box, path, value)
    assert reply.status == 422
    assert reply.body["message"]
    assert await summary(box) == before


@pytest.mark.parametrize("after", ["-1", "x", "%D9%A1", ""])
async def test_a_serial_that_is_none(box: Sandbox, after: str) -> None:
    """`after` must be a whole number."""
    reply = await ask(box, f"/_sandbox/changes?after={after}", origin=box.origin, headers={})
    assert reply.status == 422


async def test_a_clock_before_its_time() -> None:
    """A clock that stands before 1970 is refused before anything starts."""
    with pytest.raises(ValueError, match="epoch seconds"):
        Sandbox(clock=-1.0)


async def test_a_file_keeps_what_was_generated(tmp_path: Path) -> None:
    """What changes is never written into the database file: it is taken again as it was made."""
    file = str(tmp_path / "box.sqlite")
    with Sandbox(conversations=60, clock=NOON, database=file) as box:
        before = await summary(box)
        await post(box, "/traffic", {"changes": 100})
        assert await summary(box) != before
    with Sandbox(conversations=60, database=file) as box:
        assert await summary(box) == before


async def test_an_account_without_models_stays_empty() -> None:
    """Where there is no model nothing can happen."""
    with Sandbox(models=0, conversations=0, clock=NOON) as box:
        assert (await post(box, "/traffic", {"changes": 5})).body == {"changes": 0}


async def test_an_account_without_conversations_gets_some() -> None:
    """Where there is no conversation the first change begins one."""
    with Sandbox(conversations=0, clock=NOON) as box:
        await post(box, "/traffic", {"changes": 1})
        assert (await ask(box, "/conversations")).body["total_rows"] == 1
