"""How new messages are come by, decided from values: what is believed, what is asked for, what is drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from export_api import START, message, raw
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import ExportError, Page, RawRow
from asyncchat.export.destinations.copy import Known
from asyncchat.export.questions import PageQuestion, Reading
from asyncchat.export.syncing.news import Way, choose, complete_until, is_drawn, is_outdated
from asyncchat.export.syncing.recent import Recent
from asyncchat.export.syncing.state import SKEW, Clock, Round, SyncState
from asyncchat.export.tail import plan_tail
from asyncchat.export.windows import Certificate, Span

OLD = START + 100


def conversation(*recent: tuple[int, int], updated: int, **fields: Any) -> RawRow:
    """A conversation with recent messages, each an id and a second."""
    told = [message(row_id, second) for row_id, second in recent]
    body = json.dumps({"recent_messages": told, "most_recent_message": told[-1] if told else None, **fields}).encode()
    return raw(1, START, body, updated)


def known(*latest: tuple[int, int], changed: int | None = OLD, **fields: Any) -> Known:
    given = {"recent": None, "is_deleted": False, "messages": len(latest), **fields}
    return Known(changed=changed, latest=[*reversed(latest)], **given)


def way(
    row: RawRow,
    here: Known | None,
    *,
    held: Sequence[int] | None = None,
    unsettled: Sequence[tuple[int, int]] = (),
    trusts: bool = True,
    agrees: bool = True,
) -> Way:
    ids = [row_id for row_id, _ in here.latest] if here is not None else []
    told = ids if held is None else held
    return choose(row, Recent.of(row), here, held=told, agrees=agrees, unsettled=unsettled, trusts=trusts)


THREE = [(1, START), (2, START + 50), (3, OLD)]


@pytest.mark.parametrize(
    ("recent", "expected"),
    [
        ([*THREE, (4, OLD + 9)], Way.RECENT),
        ([(2, START + 50), (3, OLD), (4, OLD + 9)], Way.RECENT),
        ([(4, OLD + 7), (5, OLD + 8), (6, OLD + 9)], Way.TAIL),  # there may be others before them
        ([(3, OLD), (4, OLD + 9)], Way.RECENT),
        ([(1, START), (3, OLD), (4, OLD + 9)], Way.TAIL),  # a gap that is known
        ([(1, START), (9, START + 20), (3, OLD), (4, OLD + 9)], Way.TAIL),  # an old one that is not there
        ([], Way.TAIL),
    ],
)
def test_recent_messages_that_are_believed(recent: list[tuple[int, int]], expected: Way) -> None:
    """They must reach back to what is there, and agree with it."""
    assert way(conversation(*recent, updated=OLD + 9), known(*THREE)) is expected


@pytest.mark.parametrize(
    ("here", "options", "expected"),
    [
        (None, {}, Way.WHOLE),
        (known(*THREE, is_deleted=True), {}, Way.WHOLE),
        (known(), {}, Way.WHOLE),
        (known(*THREE), {"trusts": False}, Way.TAIL),
        (known(*THREE), {"agrees": False}, Way.WHOLE),  # one was edited, or they are cut off
        (known(*THREE, changed=None), {}, Way.TAIL),
        (known(*THREE, changed=OLD + 10), {}, Way.TAIL),  # the clock was set back
        (known(*THREE), {"unsettled": [(START - 10, OLD)]}, Way.TAIL),
        (known(*THREE), {"unsettled": [(OLD, OLD + 5)]}, Way.RECENT),
    ],
)
def test_what_is_there_decides(here: Known | None, options: dict[str, Any], expected: Way) -> None:
    """A new conversation is read whole; what is not settled, or was caught, is not believed."""
    assert way(conversation(*THREE, (4, OLD + 9), updated=OLD + 9), here, **options) is expected


def test_an_unchanged_conversation() -> None:
    """It asks for nothing, unless it is of a time that is not settled."""
    row = conversation(*THREE, updated=OLD)
    here = known(*THREE, recent=Recent.of(row).text)
    assert way(row, here) is Way.NONE
    assert way(row, here, unsettled=[(OLD - 1, OLD)]) is Way.RECENT
    assert way(conversation(*THREE, (4, OLD), updated=OLD), here) is Way.TAIL  # it came into a second that was over


def test_complete_until() -> None:
    """A change says that all messages until then are there, but in a time that is not settled."""
    assert complete_until(known(), [(1, 2)]) == OLD
    assert complete_until(known(), [(OLD - 5, OLD), (OLD - 9, OLD + 1)]) == OLD - 9
    assert complete_until(known(changed=None), []) is None


def test_an_outdated_row() -> None:
    """An older row of a replica is not taken; one of the closed time is: there a clock was set back."""
    row = conversation(updated=OLD - 5)
    assert is_outdated(row, known(), until=OLD - 1)
    assert not is_outdated(row, known(), until=OLD)
    assert not is_outdated(row, known(changed=OLD - 5), until=START)
    assert not is_outdated(row, None, until=START)


@pytest.mark.parametrize("body", [b"{}", b'{"recent_messages": null, "most_recent_message": null}'])
def test_no_recent_messages(body: bytes) -> None:
    """Null and nothing are the same."""
    assert Recent.of(raw(1, text=body)) == Recent((), None)


@pytest.mark.parametrize("recent", ["5", '[{"id": 1}]', '["x"]', '[{"id": 1, "created_at": "yesterday"}]', "[[[["])
def test_recent_messages_in_another_shape(recent: str) -> None:
    """They are not believed, and harm nothing."""
    assert Recent.of(raw(1, text=b'{"recent_messages": ' + recent.encode() + b"}")).rows is None


def test_the_most_recent_message_is_one_of_them() -> None:
    """Also where it is not in the list; each is there once, byte for byte."""
    one, two = json.dumps(message(1)), json.dumps(message(2), indent=1)
    told = Recent.of(raw(1, text=f'{{"recent_messages": [{one}], "most_recent_message": {two}}}'.encode()))
    assert told.rows is not None
    assert {row.id: row.json.decode() for row in told.rows} == {1: one, 2: two}
    again = Recent.of(raw(1, text=f'{{"recent_messages": [{one}], "most_recent_message": {one}}}'.encode()))
    assert again.rows is not None
    assert len(again.rows) == 1


def test_the_sample() -> None:
    """It has the share that was asked for, is the same each time, and another one in each round."""
    drawn = [{i for i in range(20_000) if is_drawn(i, seed=1, round_number=n, rate=0.02)} for n in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert 300 < len(drawn[0]) < 500
    assert all(is_drawn(i, seed=1, round_number=1, rate=1) for i in range(100))
    assert not any(is_drawn(i, seed=1, round_number=1, rate=0) for i in range(100))


# ---- the end of a listing


def read_tail(rows: Sequence[int], stored: set[int], *, size: int = 10, given: int | None = None) -> tuple[Any, int]:
    """What is read of the end of a listing, and with how many requests."""
    plan, requests = plan_tail(stored, size), 0
    told = given or size
    questions = next(plan)
    while True:
        requests += len(questions)
        answers = []
        for question in questions:
            assert isinstance(question, PageQuestion)
            data = [raw(each) for each in rows[(question.number - 1) * told : question.number * told]]
            page = Page(
                data=data,
                page=question.number,
                rows_per_page=told,
                total_pages=-(-len(rows) // told),
                total_rows=len(rows),
            )
            answers.append(page)
        try:
            questions = plan.send(answers)
        except StopIteration as end:
            return end.value, requests


@given(
    there=st.integers(1, 60),
    new=st.integers(0, 60),
    size=st.sampled_from([1, 3, 10, 100]),
    given=st.sampled_from([None, 2, 7]),
    order=st.sampled_from([1, -1]),
)
def test_a_tail(there: int, new: int, size: int, given: int | None, order: int) -> None:
    """Whichever the order, what is new is read, and hardly more pages than it has."""
    rows = [*range(1, there + new + 1)][::order]
    stored = set(range(1, there + 1))
    found, requests = read_tail(rows, stored, size=size, given=given)
    told = given or size
    if found is None:  # the order was the other one, and nothing there overlapped
        assert order < 0
        return
    assert isinstance(found, Reading)
    assert found.certificate is Certificate.TAIL
    assert stored | {row.id for row in found.rows} == set(rows)
    assert requests <= new // told + 4


@given(st.lists(st.integers(1, 40), unique=True), st.sets(st.integers(1, 40), min_size=1), st.sampled_from([1, 3, 10]))
def test_a_tail_that_proves_nothing(rows: list[int], stored: set[int], size: int) -> None:
    """Whatever is listed, a tail is believed only where it makes what is there whole."""
    found, _ = read_tail(rows, stored, size=size)
    if found is not None:
        assert len(stored | {row.id for row in found.rows}) == len(rows)
        assert stored & {row.id for row in found.rows}


# ---- rounds


def clock(now: float, ahead: float = 0.0) -> Clock:
    return Clock(now=now, ahead=ahead, doubt=SKEW)


STATE = SyncState(rounds=4, until=1_000, clock=1_121, ahead=0.0)


def test_what_a_round_reads() -> None:
    """From before the end of the last one to some way behind the clock; a second more where fractions are cut off."""
    plan = Round.of(STATE, clock(2_000), lag=120, lookback=300, overlap=False)
    assert (plan.span, plan.until, plan.number) == (Span(700, 1_879), 1_879, 5)
    assert Round.of(STATE, clock(2_000), lag=120, lookback=300, overlap=True).span == Span(700, 1_880)


def test_a_clock_that_was_set() -> None:
    """What gets stamps a second time is read again; by as much, whichever way that shows."""
    back = Round.of(STATE, clock(1_400, ahead=-600), lag=120, lookback=300, overlap=False)
    assert (back.span, back.went_back) == (Span(100, 1_279), 600)
    behind = Round.of(STATE, clock(500, ahead=-600), lag=120, lookback=300, overlap=False)
    assert (behind.span.since, behind.went_back) == (1_000 - 621 - 300, 621)
    assert Round.of(STATE, clock(3_000, ahead=600), lag=120, lookback=300, overlap=False).went_back == 0
    assert (
        Round.of(STATE, clock(1_121, ahead=-600), lag=120, lookback=300, overlap=False).went_back == 0
    )  # it stands still
    chance = Round.of(STATE, clock(2_000, ahead=-2), lag=120, lookback=300, overlap=False)
    assert chance.went_back == 0


def seen(state: SyncState, now: Clock, latest: int | None = None) -> tuple[tuple[int, int], ...]:
    return state.seen_at(now, lag=120, lookback=300, latest=latest).unsettled


def test_times_that_are_not_settled() -> None:
    """The export's own time, and what a clock has told twice; those that overlap are one."""
    first = SyncState(rounds=0, until=1_000, clock=1_000)
    assert seen(first, clock(1_200), 1_300) == ((1_000, 1_300),)
    assert seen(first, clock(1_200)) == ((1_000, 1_200),)
    assert seen(STATE, clock(1_100, ahead=-100)) == ((1_121 - 100 - SKEW, 1_200 + SKEW),)
    assert seen(STATE, clock(2_000, ahead=100)) == ((2_000 - 100 - 120 - SKEW, 2_000 - 100 + SKEW),)
    assert seen(STATE, clock(2_000, ahead=400)) == ()
    apart = attrs.evolve(STATE, unsettled=tuple((100 * step, 100 * step + 5) for step in range(50)))
    assert seen(apart, clock(1_200))[:2] == ((0, 2_905), (3_000, 3_005))
    assert len(seen(apart, clock(1_200))) == 21


def test_what_is_settled() -> None:
    """What is older than the lag, by the clock that was slower since the last round."""
    assert STATE.settled_at(clock(2_000), lag=120) == 2_000 - 120 - SKEW
    assert STATE.settled_at(clock(2_000, ahead=100), lag=120) == 2_000 - 100 - 120 - SKEW
    assert STATE.settled_at(clock(2_000, ahead=-100), lag=120) == 2_000 - 120 - SKEW


def test_changes_that_are_not_closed() -> None:
    """Each is noted, until they are many: then the oldest are a time in which no change says much."""
    few = STATE.with_unclosed({7: (90, 110), 8: (80, 120)})
    assert few.spans() == {7: (90, 110), 8: (80, 120)}
    assert few.with_unclosed({7: (90, 110)}).spans() == {7: (90, 110)}
    many = STATE.with_unclosed({each: (each, each + 50) for each in range(10_007)})
    assert len(many.unclosed) == 10_000
    assert min(many.spans()) == 7
    assert many.unsettled == ((0, 56),)


def test_what_is_owed() -> None:
    """Each conversation with what is said of it."""
    doubts = ("window 1 to 2: no", "messages of conversation 5: 502")
    state = attrs.evolve(STATE, conversations=(5, 6), doubts=doubts)
    assert state.owed() == {5: doubts[1], 6: ""}


@given(
    st.lists(st.tuples(st.none() | st.integers(1, 9), st.tuples(st.integers(0, 9), st.integers(10, 19))), max_size=3),
    st.lists(st.integers(), max_size=3),
    st.booleans(),
)
def test_a_state_as_text(windows: list[Any], ids: list[int], trusts: bool) -> None:
    """What is noted is read back as it was."""
    state = SyncState(
        rounds=3,
        until=5,
        clock=6,
        ahead=1.5,
        trusts=trusts,
        unsettled=((1, 2),),
        unclosed=tuple((each, 1, 2) for each in ids),
        windows=tuple((model_id, Span(*span)) for model_id, span in windows),
        conversations=tuple(ids),
        untold=tuple(ids),
        doubts=("\ud800",),
    )
    assert SyncState.from_text(state.to_text()) == state
    before = {name: value for name, value in json.loads(state.to_text()).items() if name != "unclosed"}
    assert SyncState.from_text(json.dumps(before)) == attrs.evolve(state, unclosed=())


@pytest.mark.parametrize("text", ["{}", "[]", "x", '{"v": 99}', '{"v": 1}'])
def test_a_state_of_another_version(text: str) -> None:
    """It is refused, with what to do."""
    with pytest.raises(ExportError, match="fresh=True"):
        SyncState.from_text(text)
