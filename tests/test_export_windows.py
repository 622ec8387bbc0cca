"""Windows of time: how they are cut, and what is believed of them. Nothing is sent."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from export_api import START, page, raw
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import Page, RawRow
from asyncchat.export.seams import Seams
from asyncchat.export.windows import Foreign, Span, find_foreign, is_steady, is_whole

SECONDS = st.integers(0, 300)
PARTS = st.integers(2, 16)


@st.composite
def spans(draw: st.DrawFn, *, is_open: bool = False) -> Span:
    low, high = sorted((draw(SECONDS), draw(SECONDS)))
    return Span(None if is_open or draw(st.booleans()) else low, high)


def cut_down(span: Span, oldest: int, parts: int) -> list[Span]:
    """Every span that comes of cutting all that can be cut."""
    whole, done = [span], list[Span]()
    for _ in range(100_000):
        if not whole:
            return done
        last = whole.pop()
        if last.divisible():
            whole += last.split(parts, oldest=oldest)
        else:
            done.append(last)
    raise AssertionError("cutting does not end")


# ---- spans


@pytest.mark.parametrize(
    ("moment", "belongs"), [(9.999, False), (10.0, True), (10.5, True), (20.0, True), (20.999, True), (21.0, False)]
)
def test_holds(moment: float, belongs: bool) -> None:
    """Both end seconds belong to a span, with all their fractions."""
    assert Span(10, 20).holds(datetime.fromtimestamp(moment, UTC)) is belongs


def test_an_open_span_holds_what_is_old() -> None:
    """A span without a beginning holds every row up to its end."""
    assert Span(None, 20).holds(datetime(1, 1, 2, tzinfo=UTC))


@given(spans(), st.integers(-10, 400), PARTS)
def test_split_covers(span: Span, oldest: int, parts: int) -> None:
    """The parts begin and end where the span does, and each shares exactly one second with the one before."""
    if not span.divisible():
        return
    cut = span.split(parts, oldest=oldest)
    assert (cut[0].since, cut[-1].until) == (span.since, span.until)
    assert all(one.until == two.since for one, two in itertools.pairwise(cut))
    assert all(part.since < part.until for part in cut if part.since is not None)


@given(spans(), st.integers(-10, 400), PARTS)
def test_split_makes_smaller_ones(span: Span, oldest: int, parts: int) -> None:
    """Every part is shorter than the whole, and there are at least two of them and not many more than asked."""
    if not span.divisible():
        return
    cut = span.split(parts, oldest=oldest)
    assert 2 <= len(cut) <= parts + 1
    assert span not in cut


@given(spans(), st.integers(-10, 400), PARTS)
def test_cutting_ends(span: Span, oldest: int, parts: int) -> None:
    """Cutting again and again ends, at spans of two neighbouring seconds and the open end."""
    for small in cut_down(span, oldest, parts):
        assert small.until <= 0 if small.since is None else small.until - small.since <= 1


@given(spans(is_open=True), st.integers(-10, 400), PARTS)
def test_the_open_end_is_kept(span: Span, oldest: int, parts: int) -> None:
    """However often an open span is cut, one part has no beginning."""
    assert sum(small.since is None for small in cut_down(span, oldest, parts)) == 1


def test_an_open_span_is_cut_where_rows_begin() -> None:
    """What is cut of an open span begins at the oldest known row."""
    assert Span(None, 100).split(2, oldest=40) == (Span(None, 40), Span(40, 70), Span(70, 100))


def test_before_the_oldest_row_an_open_span_is_cut_at_the_epoch() -> None:
    """Rows older than the oldest known one are found in two cuts, not second by second."""
    assert Span(None, 40).split(2, oldest=40) == (Span(None, 0), Span(0, 20), Span(20, 40))


@given(spans(), st.integers(-10, 400), PARTS)
def test_apart_covers(span: Span, oldest: int, parts: int) -> None:
    """Without overlap every second of a span with a beginning is in just one of its parts."""
    if span.since is None or not span.divisible(overlap=False):
        return
    cut = span.split(parts, oldest=oldest, overlap=False)
    assert (cut[0].since, cut[-1].until) == (span.since, span.until)
    assert all(one.until + 1 == two.since for one, two in itertools.pairwise(cut))
    assert len(cut) >= 2


def test_a_second_is_not_cut() -> None:
    """One second cannot be cut; with overlap, two neighbouring ones cannot."""
    assert not Span(5, 5).divisible(overlap=False)
    assert Span(5, 6).divisible(overlap=False)
    assert not Span(5, 6).divisible()


@pytest.mark.parametrize("second", [START - 1, START + 11])
def test_a_row_from_outside(second: int) -> None:
    """One row from outside the window is found."""
    rows = [raw(1), raw(7, second)]
    assert find_foreign(Span(START, START + 10), rows) == Foreign(7, datetime.fromtimestamp(second, UTC))


# ---- certificates


@pytest.mark.parametrize(
    "first",
    [
        page(raw(1), raw(2), total=3),
        page(raw(1), raw(2), total=1),
        page(raw(1), raw(1), total=2),
        page(raw(1), raw(1), total=1),
        page(total=1),
        page(raw(1), raw(2), total=2, size=2),
    ],
    ids=["too few", "too many", "twice, counted", "twice, not counted", "none", "full"],
)
def test_not_whole(first: Page[RawRow]) -> None:
    """A page is no proof when it is not what it counts, names a row twice, or is full."""
    assert not is_whole(first)


@given(st.integers(0, 30), st.integers(1, 10), st.integers(0, 40))
def test_a_capped_count_is_no_proof(rows: int, size: int, cap: int) -> None:
    """Whatever a server's count is capped at, one page is believed only if it holds every row."""
    first = page(*map(raw, range(min(rows, size))), total=min(rows, cap), size=size)
    assert not is_whole(first) or len(first.data) == rows


@pytest.mark.parametrize(
    ("pages", "closing"),
    [
        ([page(raw(1), total=2), page(raw(2), total=2)], 3),
        ([page(raw(1), total=2), page(raw(2), total=2)], 1),
        ([page(raw(1), total=3), page(raw(2), total=2)], 2),
        ([page(raw(1), total=2), page(raw(1), total=2)], 2),
        ([page(raw(1), total=2)], 2),
        ([page(raw(1), total=2), page(raw(2), raw(3), total=2)], 2),
    ],
    ids=["grew", "shrank", "moved between", "one twice", "short walk", "more than counted"],
)
def test_not_steady(pages: list[Page[RawRow]], closing: int) -> None:
    """A walk is no proof when a total moved, a row came twice, or there are fewer or more rows than counted."""
    assert not is_steady([*pages, page(total=closing)])


def test_steady() -> None:
    """A walk with one total throughout and that many rows is a proof."""
    assert is_steady([page(raw(1), raw(2), total=3), page(raw(3), total=3)])


@given(st.integers(1, 20), st.integers(1, 5), st.data())
def test_steady_means_that_nothing_is_missing(count: int, size: int, data: st.DataObject) -> None:
    """A walk over rows of which some are deleted meanwhile is believed only if it saw all that are left."""
    alive = list(range(count))

    def fetch(number: int) -> Page[RawRow]:
        for gone in data.draw(st.lists(st.sampled_from(alive), max_size=2, unique=True)) if alive else []:
            alive.remove(gone)
        rows = alive[(number - 1) * size : number * size]
        return page(*map(raw, rows), total=len(alive), pages=-(-len(alive) // size), size=size)

    first = fetch(1)
    pages = [first, *map(fetch, range(2, first.total_pages + 1))]
    if is_steady(pages):
        assert {row.id for each in pages for row in each.data} >= set(alive)


# ---- seams


def read(rows: Sequence[RawRow], cut: Sequence[Span]) -> list[int]:
    """The ids kept of rows that are read window after window."""
    seams = Seams()
    seams.add(cut)
    return [row.id for span in cut for row in rows if span.holds(row.created_at) and seams.is_new(row)]


@given(spans(), st.lists(SECONDS, max_size=40), PARTS)
def test_every_row_is_kept_once(span: Span, seconds: list[int], parts: int) -> None:
    """Rows in the seconds that windows share are kept once, all others are kept too."""
    rows = [raw(i, second) for i, second in enumerate(seconds) if span.holds(datetime.fromtimestamp(second, UTC))]
    assert sorted(read(rows, cut_down(span, 150, parts))) == [row.id for row in rows]


def test_two_rows_of_a_shared_second() -> None:
    """Different rows of a second that two windows share are both kept."""
    assert read([raw(1, 5), raw(2, 5)], [Span(0, 5), Span(5, 9)]) == [1, 2]
