"""The probe's decisions: at most six questions, and no verdict that the answers do not prove."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
from export_api import START, raw
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import Page, RawRow
from asyncchat.export import Bound, Order, PastEnd, Probe
from asyncchat.export.probing.plan import MOST, Answer, Known, Question, Step, next_step, pick_second
from asyncchat.export.probing.verdicts import conclude, judge_order

OK, SHORT, IGNORED, UNKNOWN = Bound.INCLUSIVE, Bound.SHORT, Bound.IGNORED, Bound.UNKNOWN


@attrs.frozen(kw_only=True)
class Server:
    """A server as it may be: how its filters treat rows, how it counts, how listings end."""

    rows: tuple[tuple[int, float], ...] = tuple((i, START + i // 2) for i in range(40))
    since: Bound = OK
    until: Bound = OK
    cap: int | None = None
    past_end: PastEnd = PastEnd.EMPTY
    largest: int = 1_000

    def keeps(self, at: float, step: Step) -> bool:
        low = (
            step.since is None
            or self.since is IGNORED
            or (at > step.since if self.since is SHORT else at >= step.since)
        )
        return low and (
            step.until is None
            or self.until is IGNORED
            or (at < step.until if self.until is SHORT else at <= step.until)
        )

    def answer(self, step: Step) -> Answer:
        rows = [raw(number, second // 1) for number, second in self.rows if self.keeps(second, step)]
        size = min(step.per_page, self.largest)
        total = len(rows) if self.cap is None else min(len(rows), self.cap)
        data = rows[(step.page - 1) * size : step.page * size]
        if not data and step.page > 1 and self.past_end is PastEnd.NOT_FOUND:
            return Answer(step, is_missing=True)
        if step.page > 1 and self.past_end is PastEnd.REPEATED:
            data = rows[:size]
        return Answer(
            step, Page(data=data, page=step.page, rows_per_page=size, total_pages=-(-total // size), total_rows=total)
        )


def probed(answer: Callable[[Step], Answer], per_page: int = 10) -> Probe:
    known = Known(())
    while (step := next_step(known, per_page)) is not None:
        assert len(known.answers) < MOST
        known = Known((*known.answers, answer(step)))
    return conclude(known, per_page)


ROWS = st.lists(st.integers(0, 12), max_size=40).map(lambda steps: tuple((i, START + s) for i, s in enumerate(steps)))


@given(
    server=st.builds(
        Server,
        rows=ROWS,
        since=st.sampled_from([OK, SHORT, IGNORED]),
        until=st.sampled_from([OK, SHORT, IGNORED]),
        cap=st.none() | st.integers(0, 45),
        past_end=st.sampled_from([PastEnd.EMPTY, PastEnd.NOT_FOUND]),
        largest=st.sampled_from([3, 7, 1_000]),
    ),
    per_page=st.sampled_from([5, 10, 100]),
)
def test_no_verdict_is_wrong(server: Server, per_page: int) -> None:
    """Whatever the server, each verdict is the truth or "cannot tell"."""
    probe = probed(server.answer, per_page)
    count = len(server.rows)
    is_capped = server.cap is not None and server.cap < count
    assert probe.since in {server.since, UNKNOWN}
    assert probe.until in {server.until, UNKNOWN}
    assert probe.capped in {is_capped, None}
    assert probe.past_end in {server.past_end, PastEnd.MORE if is_capped else server.past_end}
    assert probe.additive in {not is_capped and {server.since, server.until} != {SHORT}, None}
    assert probe.subsecond in {False, None}
    assert probe.requests <= MOST


@given(
    rows=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 999)), max_size=40),
    per_page=st.sampled_from([5, 10, 100]),
)
def test_hidden_fractions_are_never_denied(rows: list[tuple[int, int]], per_page: int) -> None:
    """Where every row has a fraction, neither that nor the inclusion of `since` is denied."""
    server = Server(rows=tuple((i, START + at + part / 1_000) for i, (at, part) in enumerate(rows)))
    probe = probed(server.answer, per_page)
    assert probe.subsecond is not False
    assert (probe.since, probe.until) in {(low, high) for low in (OK, UNKNOWN) for high in (SHORT, UNKNOWN)}


@given(rows=ROWS.filter(bool), moves=st.lists(st.integers(0, 39), min_size=5, max_size=5))
def test_rows_that_go_meanwhile(rows: tuple[tuple[int, float], ...], moves: list[int]) -> None:
    """Rows that are deleted between two answers make no filter look exclusive or ignored, and no count wrong."""
    server = Server(rows=rows)
    order = iter(moves)

    def answer(step: Step) -> Answer:
        nonlocal server
        given = server.answer(step)
        gone = next(order, -1)
        server = attrs.evolve(server, rows=tuple(row for row in server.rows if row[0] != gone))
        return given

    probe = probed(answer, 100)
    assert {probe.since, probe.until} <= {OK, UNKNOWN}
    assert probe.additive in {True, None}


@pytest.mark.parametrize(
    ("since", "until", "additive", "requests"),
    [
        (OK, OK, True, 5), (SHORT, OK, True, 6), (OK, SHORT, True, 6), (SHORT, SHORT, False, 6),
        (IGNORED, IGNORED, None, 5), (IGNORED, OK, None, 5), (OK, IGNORED, None, 5),
    ],
)  # fmt: skip
def test_what_is_told_of_filters(since: Bound, until: Bound, additive: bool | None, requests: int) -> None:
    """With rows on both sides, each way of treating rows is told."""
    probe = probed(Server(since=since, until=until).answer, 100)
    seen = {since, until} - {OK} if IGNORED in {since, until} else {since, until}
    assert seen <= {probe.since, probe.until}
    assert OK not in {probe.since, probe.until} - {since, until}
    assert (probe.additive, probe.requests) == (additive, requests)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_rows(count: int) -> None:
    """With 0, 1 or 2 rows it is never told how both filters work, nor whether counts add up."""
    rows = tuple((i, START + 60.0 * i) for i in range(count))
    probe = probed(Server(rows=rows).answer)
    assert UNKNOWN in {probe.since, probe.until}
    assert (probe.additive, probe.subsecond, probe.order) == (None, None, Order.UNKNOWN)
    assert (probe.rows, probe.past_end) == (count, PastEnd.EMPTY)


def test_all_rows_in_one_second() -> None:
    """Rows of one second alone prove nothing of the filters."""
    probe = probed(Server(rows=tuple((i, START) for i in range(30))).answer)
    assert (probe.since, probe.until, probe.additive) == (UNKNOWN, UNKNOWN, None)


def test_shown_fractions() -> None:
    """Stamps that show a fraction prove that seconds have them."""
    page = Page(data=[raw(1, START + 0.5)], page=1, rows_per_page=10, total_pages=1, total_rows=1)
    assert probed(lambda step: Answer(step, page)).subsecond is True


def test_some_rows_of_a_second_are_cut_off() -> None:
    """Some rows of a second inside its window and others not: there are fractions."""
    rows = tuple((i, START + i // 4 + (i % 2) / 2) for i in range(40))
    probe = probed(Server(rows=rows).answer, 100)
    assert (probe.since, probe.until, probe.subsecond, probe.requests) == (OK, SHORT, True, 5)


@pytest.mark.parametrize("past_end", [PastEnd.EMPTY, PastEnd.NOT_FOUND, PastEnd.REPEATED])
def test_past_the_end(past_end: PastEnd) -> None:
    """What comes past the last page is told."""
    assert probed(Server(past_end=past_end).answer).past_end is past_end


def test_a_listing_that_grows_is_not_capped() -> None:
    """Rows past the end that the server counts by then are growth."""

    def answer(step: Step) -> Answer:
        more = 5 if step.question is Question.END else 0
        return Server(rows=tuple((i, START + i) for i in range(40 + more))).answer(step)

    probe = probed(answer)
    assert (probe.past_end, probe.capped) == (PastEnd.UNKNOWN, None)


def test_another_page_than_asked() -> None:
    """A page with another number than asked is one that came before."""

    def answer(step: Step) -> Answer:
        return attrs.evolve(Server().answer(attrs.evolve(step, page=min(step.page, 4))), step=step)

    assert probed(answer).past_end is PastEnd.REPEATED


@pytest.mark.parametrize("question", list(Question))
def test_a_request_that_fails(question: Question) -> None:
    """A request that fails is a doubt; what it would have told is unknown, never wrong."""
    server = Server(until=SHORT, past_end=PastEnd.NOT_FOUND)

    def answer(step: Step) -> Answer:
        return Answer(step, failure="500") if step.question is question else server.answer(step)

    probe = probed(answer, 100)
    assert probe.doubts == (() if question is Question.AGAIN else (f"{question.value}: 500",))
    assert probe.since in {OK, UNKNOWN}
    assert probe.until in {SHORT, UNKNOWN}
    assert probe.additive in {True, None}


def test_the_first_page_is_asked_for_twice() -> None:
    """One failure of the first page costs the sixth request, two end the probe."""
    probe = probed(lambda step: Answer(step, failure="500"))
    assert (probe.requests, probe.given, probe.doubts) == (2, None, ("the first page: 500",))


@pytest.mark.parametrize("past_end", [PastEnd.EMPTY, PastEnd.NOT_FOUND])
def test_counts_that_do_not_add_up_are_looked_at_again(past_end: PastEnd) -> None:
    """Counts are called wrong only after a further look, which tells that they did not just move."""
    lying = Server(past_end=past_end)

    def answer(step: Step) -> Answer:
        given = lying.answer(step)
        if step.question is not Question.FROM or given.page is None:
            return given
        return Answer(step, Page(data=given.page.data, page=1, rows_per_page=100, total_pages=1, total_rows=33))

    probe = probed(answer, 100)
    assert (probe.requests, probe.additive) == (6 if past_end is PastEnd.NOT_FOUND else 5, False)


@pytest.mark.parametrize(
    ("seconds", "picked"),
    [([], None), ([5], 5), ([5, 7], 7), ([5, 6, 7], 6), ([1, 2, 3, 4, 5], 3), ([1, 2, 2, 4, 5], 2), ([9, 9, 1, 5], 5)],
)
def test_the_second_that_is_asked_about(seconds: list[int], picked: int | None) -> None:
    """It has rows on both sides if it can, as many rows as possible, and is near the middle."""
    rows = [raw(i, second) for i, second in enumerate(seconds)]
    page = Page(data=rows, page=1, rows_per_page=10, total_pages=1, total_rows=len(rows))
    assert pick_second(page) == picked


@pytest.mark.parametrize(
    ("seconds", "order"),
    [
        ([1, 2], Order.UNKNOWN), ([1, 1, 1], Order.UNKNOWN), ([1, 1, 2], Order.OLDEST_FIRST),
        ([3, 2, 2], Order.NEWEST_FIRST), ([1, 3, 2], Order.NONE),
    ],
)  # fmt: skip
def test_orders(seconds: Sequence[int], order: Order) -> None:
    """The order of the first page is observed where three rows of different times show one."""
    rows: list[RawRow] = [raw(i, second) for i, second in enumerate(seconds)]
    assert judge_order(Page(data=rows, page=1, rows_per_page=9, total_pages=1, total_rows=len(rows))) is order


def levels(**traits: Any) -> dict[str, tuple[str, str]]:
    """What is found, by subject."""
    calm = Probe(
        requests=5, asked=100, given=100, came=100, rows=500, order=Order.OLDEST_FIRST, since=OK, until=OK,
        subsecond=False, additive=True, past_end=PastEnd.EMPTY, capped=False,
    )  # fmt: skip
    findings = attrs.evolve(calm, **traits).findings()
    assert len({finding.subject for finding in findings}) == len(findings)
    return {finding.subject: (finding.level, finding.found) for finding in findings}


def test_a_calm_server() -> None:
    """A server that does all as agreed has nothing but good findings."""
    assert {level for level, _ in levels().values()} == {"ok"}


@pytest.mark.parametrize(
    ("traits", "subject", "level", "words"),
    [
        ({"given": 50, "came": 50}, "page size", "ok", "clamped to 50 of 100 asked: fine, followed"),
        ({"came": 60}, "page size", "warning", "a page of 100 rows brought 60 of 500"),
        ({"given": None}, "page size", "unknown", "cannot tell"),
        ({"past_end": PastEnd.NOT_FOUND}, "past the end", "ok", "404"),
        ({"past_end": PastEnd.REPEATED}, "past the end", "failed", "the page number is not looked at"),
        ({"past_end": PastEnd.UNKNOWN}, "past the end", "unknown", "cannot tell"),
        ({"past_end": PastEnd.MORE, "capped": True}, "past the end", "warning", "further rows: see counts"),
        ({"past_end": PastEnd.MORE, "capped": True}, "counts", "warning", "end at 500"),
        ({"since": IGNORED}, "since", "failed", "exports refuse this server"),
        ({"until": IGNORED}, "until", "failed", "exports refuse this server"),
        ({"until": SHORT}, "until", "warning", "windows overlap, nothing is lost"),
        ({"since": SHORT, "until": SHORT}, "since", "failed", "rows at the edges of windows are lost"),
        ({"since": UNKNOWN}, "since", "unknown", "too few rows"),
        ({"additive": False}, "counts", "warning", "do not add up"),
        ({"additive": None}, "counts", "unknown", "cannot tell"),
        ({"subsecond": True}, "fractions", "ok", "of seconds are kept"),
        ({"subsecond": None}, "fractions", "unknown", "cannot tell"),
        ({"order": Order.UNKNOWN}, "order", "unknown", "cannot tell"),
        ({"doubts": ("the page past the end: 500",)}, "probe", "warning", "the page past the end: 500"),
        ({"doubts": ("the first page: 500",), "given": None}, "probe", "failed", "the first page: 500"),
    ],
)
def test_what_it_means(traits: dict[str, Any], subject: str, level: str, words: str) -> None:
    """Each trait is a finding with its weight and what it means for exports."""
    assert levels(**traits)[subject][0] == level
    assert words in levels(**traits)[subject][1]


def test_as_json() -> None:
    """A probe is JSON values with every trait."""
    value = probed(Server(until=SHORT).answer, 100).to_dict()
    assert json.loads(json.dumps(value)) == value
    assert value.keys() == {field.name for field in attrs.fields(Probe)}
    assert (value["until"], value["additive"], value["doubts"]) == ("short of its own second", True, [])
