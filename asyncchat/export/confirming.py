"""Reads a window that no walk proves, such as a second with more rows than a page, as often as that brings new rows."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from asyncchat import Page, RawRow
from asyncchat.export.questions import (
    Answers,
    CountQuestion,
    Manner,
    PageQuestion,
    Questions,
    RawPage,
    Reading,
    RowQuestion,
    is_full,
    newest,
    refuse_foreign,
)
from asyncchat.export.windows import Certificate, Span, distinct

_SIDE_BY_SIDE: Final = 16
_IDLE: Final = 8
"""Readings in a row that bring no new row, or meet a count that grows, after which it is given up: what lies in the
past only loses rows."""
_IDLE_LACKING: Final = 16
"""The same where rows are known to be lacking."""
_IDLE_STUCK: Final = 3
"""The same where the server counts no further, or gives the same page for every number: nothing can be proved then."""
_MOST_READINGS: Final = 32
"""A server may have new rows for ever."""
_STALE_PAGES: Final = 2
_STALE_ROWS: Final = 60
"""Rows that were known before, so many in a row that a reading ends: of at least two pages."""
_MOST_PAGES: Final = 1_000
"""Pages of a reading that no count ends."""

_Rows: TypeAlias = Mapping[int, RawRow]


def confirm(span: Span, read: Iterable[RawRow], manner: Manner) -> Generator[Questions, Answers, Reading]:
    """Read pages one after the other, and ask for what is not on them but has been seen, until all adds up.

    Every page must tell the same total: where a replica lags behind, a row that is gone may stand for one not yet seen.

    Args:
        span: The window.
        read: What came of it before.
        manner: How this server's windows are read.

    Returns:
        All rows that came; without a certificate where it does not add up.
    """
    rows: _Rows = newest(read)
    before = yield from _count(span)
    idle = 0
    for _ in range(_MOST_READINGS):
        is_counted = before < manner.cap
        pages, is_end = yield from _serially(span, manner, is_counted=is_counted)
        came = [row for page in pages for row in page.data]
        known, rows = len(rows), newest([*rows.values(), *came])
        may_be_all = is_counted and len(rows) >= before
        there = (yield from _there(rows, came)) if may_be_all else ()
        after = yield from _count(span)
        totals = {before, after, len(came), *(page.total_rows for page in pages if page.data)}
        if may_be_all and is_end and totals == {len(there)}:
            return Reading(rows=tuple(rows[row_id] for row_id in there), certificate=Certificate.CONFIRMED)
        idle = 0 if len(rows) > known and after <= before else idle + 1
        before = after
        is_stuck = not is_counted or _repeats(pages)
        is_lacking = len(there if may_be_all else rows) < after
        if idle >= (_IDLE_STUCK if is_stuck else _IDLE_LACKING if is_lacking else _IDLE):
            break
    return Reading(rows=tuple(rows.values()))


def _repeats(pages: Sequence[RawPage]) -> bool:
    """Whether every page brought the rows of the first."""
    return len(pages) > 1 and distinct(row for page in pages for row in page.data) <= len(pages[0].data)


def _count(span: Span) -> Generator[Questions, Answers, int]:
    (total,) = yield (CountQuestion(span),)
    assert isinstance(total, int)
    return total


def _there(rows: _Rows, came: Iterable[RawRow]) -> Generator[Questions, Answers, Collection[int]]:
    """Which rows are there: those that came just now, and of the others those that can be asked for."""
    there = {row.id for row in came}
    doubtful = iter(sorted(rows.keys() - there))
    while block := list(itertools.islice(doubtful, _SIDE_BY_SIDE)):
        answers = yield tuple(map(RowQuestion, block))
        there.update(row_id for row_id, is_there in zip(block, answers, strict=True) if is_there)
    return there


def _serially(
    span: Span, manner: Manner, *, is_counted: bool
) -> Generator[Questions, Answers, tuple[list[RawPage], bool]]:
    """Pages one after the other until one has room for more or there is none, and whether that came.

    Else so many rows in a row have brought nothing new, or rows come past the end that the server counts.
    """
    pages: list[RawPage] = []
    seen: set[int] = set()
    stale = stale_rows = 0
    for number in range(1, _MOST_PAGES + 1) if not is_counted else itertools.count(1):
        (page,) = yield (PageQuestion(span, number),)
        if not isinstance(page, Page):
            return pages, True
        refuse_foreign(span, page, manner.stamp_of)
        pages.append(page)
        if not is_full(page):
            return pages, True
        is_new = not seen.issuperset(row.id for row in page.data)
        stale, stale_rows = (0, 0) if is_new else (stale + 1, stale_rows + len(page.data))
        seen.update(row.id for row in page.data)
        if (stale >= _STALE_PAGES and stale_rows >= _STALE_ROWS) or (is_counted and number > page.total_pages):
            break
    return pages, False
