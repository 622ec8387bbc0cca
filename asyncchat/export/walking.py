"""Reads all pages of a listing, or a window from one end to the other, as generators of questions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Sequence
from typing import Any, Final, TypeAlias

from asyncchat import Page, RawRow
from asyncchat.export.questions import (
    Answers,
    CountQuestion,
    Manner,
    PageQuestion,
    Questions,
    RawPage,
    Reading,
    ask_page,
    is_full,
    pages_of,
    refuse_foreign,
    union,
)
from asyncchat.export.windows import Certificate, Span, StampOf, created, is_whole

_SIDE_BY_SIDE: Final = 16
_ATTEMPTS: Final = 3
_TELLING: Final = 8
"""Different times on a page that is sorted by them: by chance that happens once in 20,000 pages."""

_Pages: TypeAlias = Generator[Questions, Answers, list[RawPage]]


def walk(span: Span | None, first: RawPage, *, whole: bool) -> _Pages:
    """Every page of a listing whose first page is there; the last one comes after all others.

    A page that has room for more is the end. After one that is full, the next one is asked for too: a server may count
    only so far. Pages that bring nothing new end the walk, whatever number of pages the server tells.

    Args:
        span: The window, None where the listing has none.
        first: Its first page.
        whole: Whether to go on where a row came twice or the total moved, though it proves nothing any more.
    """
    pages, seen = [first], {row.id for row in first.data}
    last = pages_of(first)
    numbers = iter(range(2, last))
    while block := list(itertools.islice(numbers, _SIDE_BY_SIDE)):
        answers = yield tuple(PageQuestion(span, number) for number in block)
        came = [page for page in answers if isinstance(page, Page)]
        pages += came
        fresh = {row.id for page in came for row in page.data} - seen
        seen |= fresh
        if len(came) < len(block) or not fresh or not (whole or _may_be_steady(pages, seen)):
            return pages
    return (yield from _to_the_end(span, pages, seen, last))


def _may_be_steady(pages: Sequence[RawPage], seen: set[int]) -> bool:
    """Whether a walk that has come so far can still prove anything: one total, and no row twice."""
    return len({page.total_rows for page in pages}) == 1 and sum(len(page.data) for page in pages) == len(seen)


def _to_the_end(span: Span | None, pages: list[RawPage], seen: set[int], last: int) -> _Pages:
    """The last page, and the one after it where that is full."""
    for number in (last, last + 1):
        if number > 1:
            (page,) = yield (PageQuestion(span, number),)
            if not isinstance(page, Page):
                return [*pages, (yield from _closing(span, pages[-1]))]
            pages.append(page)
        end = pages[-1]
        is_new = not seen.issuperset(row.id for row in end.data)
        if not is_full(end) or (number > 1 and not is_new):
            break
        seen.update(row.id for row in end.data)
    return pages


def _closing(span: Span | None, end: RawPage) -> Generator[Questions, Answers, RawPage]:
    """Where there is no page to tell the last count, a page without rows that does."""
    (total,) = yield (CountQuestion(span),)
    assert isinstance(total, int)
    return Page(data=[], page=end.page + 1, rows_per_page=end.rows_per_page, total_pages=end.page, total_rows=total)


def step(span: Span, first: RawPage, manner: Manner) -> Generator[Questions, Answers, Reading | None]:
    """Read from one end of the window to the other, always the first page; None where that does not work out.

    The next window begins with the last second of the page, so that no order within a second matters. A count that is
    not less by what is gone from the page has moved meanwhile: that page is read again.

    The counts prove something only while each comes of a later state than the one before. Where a replica lags behind,
    the order must: so the server must be known to sort by created_at, and by nothing that is much like it.
    """
    if not manner.steps and not is_by_time(first.data, manner.stamp_of):
        return None
    pages, page, rest = [first], first, span
    failures = 0
    while failures < _ATTEMPTS and page.total_rows < manner.cap:
        if is_whole(page):
            return Reading(rows=union(pages), certificate=Certificate.STEP)
        smaller = _rest_of(rest, page.data, manner.stamp_of)
        if smaller is None:
            return None
        following = yield from ask_page(smaller, 1)
        refuse_foreign(smaller, following, manner.stamp_of)
        gone = sum(not smaller.holds(manner.stamp_of(row)) for row in page.data)
        if (
            page.total_rows - following.total_rows
            == gone
            == len({row.id for row in page.data}) - _shared(page, smaller, manner.stamp_of)
        ):
            page, rest, failures = following, smaller, 0
        else:
            failures += 1
            page = yield from ask_page(rest, 1)
            refuse_foreign(rest, page, manner.stamp_of)
        pages.append(page)
    return None


def is_by_time(rows: Sequence[RawRow], stamp_of: StampOf = created) -> bool:
    """Whether rows came by their time: by enough of it that this is no chance, and neither by the other one nor by id.

    Args:
        rows: The rows.
        stamp_of: Which time that is.
    """
    seconds = [stamp_of(row) for row in rows]
    if len(set(seconds)) < _TELLING or not _is_sorted(seconds):
        return False
    others = [row.created_at for row in rows]
    if stamp_of is created:
        others = [row.updated_at for row in rows if row.updated_at is not None]
    return not _is_sorted(others) and not _is_sorted([row.id for row in rows])


def _is_sorted(values: Sequence[Any]) -> bool:
    pairs = list(itertools.pairwise(values))
    return all(one >= two for one, two in pairs) or all(one <= two for one, two in pairs)


def _shared(page: RawPage, smaller: Span, stamp_of: StampOf) -> int:
    return len({row.id for row in page.data if smaller.holds(stamp_of(row))})


def _rest_of(span: Span, rows: Sequence[RawRow], stamp_of: StampOf) -> Span | None:
    """What is left of a window after a page that came in order of time; None: it came in none, or is of one second."""
    seconds = [math.floor(stamp_of(row).timestamp()) for row in rows]
    if not seconds or seconds[0] == seconds[-1]:
        return None
    if not _is_sorted(seconds):
        return None
    return Span(span.since, seconds[-1]) if seconds[0] > seconds[-1] else Span(seconds[-1], span.until)
