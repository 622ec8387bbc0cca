"""The state of an export, and the marks from which the next run goes on: pure."""

from __future__ import annotations

import json

import pytest
from export_api import raw
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import ExportError
from asyncchat.export import Bound, Order, Probe
from asyncchat.export.ledger import Ledger, Plan
from asyncchat.export.sink import is_commit_due
from asyncchat.export.windows import Span
from asyncchat.export.work import WINDOWS_AT_ONCE, ConversationItem, Item, WindowItem, Work

PROBE = Probe(requests=4, asked=100, order=Order.NEWEST_FIRST, since=Bound.SHORT, doubts=("one",))
PLAN = Plan(as_of=100, span=Span(None, 101), oldest=3, conversations=7, probe=PROBE)


def left(work: Work) -> set[str]:
    """Everything that would be read, with what was put aside."""
    found: list[Item] = []
    while True:
        while (item := work.take()) is not None:
            found.append(item)
            if isinstance(item, WindowItem):
                work.put_aside(item)
                found.pop()
        if not work.last_try():
            return {str(item) for item in found}
        while (item := work.take()) is not None:
            found.append(item)
            work.done(item)


@given(data=st.data())
def test_marks_tell_the_state(data: st.DataObject) -> None:
    """Whatever happens, and whenever marks are taken, replaying them gives the state at the last one."""
    ledger, marks, number = Ledger(), list[str](), 0
    ledger.begin(PLAN, ())
    waiting: list[Item] = []
    for _ in range(data.draw(st.integers(0, 25))):
        item = ledger.work.take()
        if item is None:
            break
        act = data.draw(st.sampled_from(["done", "split", "fail", "aside"]))
        if act == "aside":
            ledger.work.put_aside(item)
            waiting.append(item)
        elif act == "fail":
            ledger.give_up(item, "moved")
        elif isinstance(item, ConversationItem):
            ledger.accept_conversation(item, gone=data.draw(st.booleans()))
        elif isinstance(item, WindowItem) and act == "split" and item.span.until - (item.span.since or 0) > 2:
            ledger.split(item, item.span.split(2, oldest=0))
        elif isinstance(item, WindowItem):
            ids = range(number, number := number + data.draw(st.integers(0, 4)))
            rows = [row for row in (raw(i, item.span.until) for i in ids) if ledger.seams.is_new(row)]
            ledger.rows["conversations"] += len(rows)
            ledger.accept_window(item, [row.id for row in rows], messages=True)
        if data.draw(st.booleans()):
            marks.append(ledger.take_mark(1.5))
    marks.append(ledger.take_mark(2.25))
    again = Ledger.replay(marks)
    assert (again.plan, again.rows, again.doubts, again.deleted) == (PLAN, ledger.rows, ledger.doubts, ledger.deleted)
    assert (again.conversations_done, again.windows_done, again.seconds) == (
        ledger.conversations_done,
        ledger.windows_done,
        2.25,
    )
    assert again.seams._seen == ledger.seams._seen
    assert left(again.work) == left(ledger.work)


def test_marks_are_small() -> None:
    """What came and went between two marks is in neither."""
    ledger = Ledger()
    ledger.begin(PLAN, (1, 2))
    first = ledger.work.take()
    assert isinstance(first, WindowItem)
    ledger.accept_window(first, [5, 6], messages=True)
    ledger.accept_conversation(ConversationItem(5), gone=False)
    mark = json.loads(ledger.take_mark(0.0))
    assert mark["add"] == [[2, None, 101], 6]
    assert mark["del"] == []
    assert json.loads(ledger.take_mark(0.0))["add"] == []


def test_without_marks() -> None:
    """No marks tell of an export that has not begun."""
    assert Ledger.replay([]).plan is None


@pytest.mark.parametrize(
    "mark", ["", "{}", "[]", "5", '{"v":2}', '{"v":1,"add":[],"del":[5]}', '{"v":1,"add":["x"],"del":[]}']
)
def test_strange_marks(mark: str) -> None:
    """Marks that were not made by this version are refused with what to do."""
    with pytest.raises(ExportError, match="fresh=True"):
        Ledger.replay([mark])


def test_windows_wait_for_conversations() -> None:
    """Few windows are read at once, and none while many conversations wait."""
    work = Work()
    work.add(WindowItem(None, Span(i, i + 1)) for i in range(9))
    assert [type(work.take()) for _ in range(WINDOWS_AT_ONCE)] == [WindowItem] * WINDOWS_AT_ONCE
    assert work.take() is None
    work.add(map(ConversationItem, range(300)))
    work.done(WindowItem(None, Span(0, 1)))
    kinds = [type(work.take()) for _ in range(301)]
    assert kinds.index(WindowItem) == 101
    assert kinds.count(WindowItem) == 1


@pytest.mark.parametrize(
    ("size", "seconds", "total", "due"),
    [(0, 9.9, 20, False), (0, 10.1, 20, True), (64 * 2**20, 0, 0, True), (9, 50, 3600, False), (9, 73, 3600, True)],
)
def test_when_to_commit(size: int, seconds: float, total: float, due: bool) -> None:
    """Commits come by bytes, by seconds, and more seldom the longer the export takes."""
    assert is_commit_due(size, seconds, total) is due
