"""How a window or a listing is read: what to ask, what to conclude, what to ask next. Nothing here sends anything.

A plan is a generator. It yields questions that may be asked side by side, is sent their answers in the same order, and
returns what came of it. `fetch` puts the questions to a server; the tests put them to one that is made up.

A window of created_at that lies in the past can only lose rows, by deletion. So two answers that count the same rows
count the very same ones, and:

* *one page*: one answer holds every row that it counts, and had room for more;
* *steady walk*: all pages, the last one asked for after all others, count as many rows as different ones came;
* *step*: the newest rows, then those up to the oldest second that came, and so on; each count is less than the one
  before by just the rows that are gone from the page;
* *confirmed*: rows of several readings, each seen or asked for by its id between two equal counts, are as many.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterable, Sequence
from typing import Final, TypeAlias

import attrs

from asyncchat import ExportError, Page, RawRow
from asyncchat.export.windows import (
    Certificate,
    Foreign,
    Span,
    distinct,
    find_foreign,
    is_steady,
    is_whole,
)

WALK_PAGES: Final = 48
"""Pages that a window is meant to have. A page costs a server the more the further it is from the first (OFFSET)."""

_TOO_LONG: Final = 1.25
"""Times as many pages are walked still: cutting costs a request."""
_MOST_PARTS: Final = 16
_MOST_SMALL_PARTS: Final = 96
_SPARE: Final = 1.5
"""Times as many parts are made where each is to come on one page: rows are not spread evenly."""
_SIDE_BY_SIDE: Final = 16
_ATTEMPTS: Final = 3
_WALKS: Final = 2
_STALE: Final = 2
_CONFIRMATIONS: Final = 8

RawPage: TypeAlias = Page[RawRow]


@attrs.frozen
class PageQuestion:
    """A page of a window; `span` is None for a listing that has none."""

    span: Span | None
    number: int


@attrs.frozen
class CountQuestion:
    """How many rows a window has: a page of one row tells it."""

    span: Span | None


@attrs.frozen
class RowQuestion:
    """Whether a row is there."""

    id: int


Question: TypeAlias = PageQuestion | CountQuestion | RowQuestion
Answer: TypeAlias = RawPage | int | bool | None
"""A page, None where there is none (404); a number of rows; whether a row is there."""
Questions: TypeAlias = tuple[Question, ...]
Answers: TypeAlias = Sequence[Answer]


@attrs.frozen(kw_only=True)
class Reading:
    """What was read of a window or a conversation.

    Attributes:
        rows: Each row once, the newest reading of it.
        certificate: Why they are known to be all, None when they are not.
        doubt: Why they are not, empty when they are.
    """

    rows: tuple[RawRow, ...]
    certificate: Certificate | None = None
    doubt: str = ""


Plan: TypeAlias = Generator[Questions, Answers, Reading]
WindowPlan: TypeAlias = Generator[Questions, Answers, Reading | tuple[Span, ...]]
_Pages: TypeAlias = Generator[Questions, Answers, list[RawPage]]


def union(pages: Iterable[RawPage]) -> tuple[RawRow, ...]:
    """Each row of some pages once; of two readings of one row the one updated last, else the later one."""
    rows: dict[int, RawRow] = {}
    for row in itertools.chain.from_iterable(page.data for page in pages):
        known = rows.get(row.id)
        if known is None or (row.updated_at or row.created_at) >= (known.updated_at or known.created_at):
            rows[row.id] = row
    return tuple(rows.values())


# ---- windows


@attrs.frozen(kw_only=True)
class Manner:
    """How a server's windows are read, by what is known of it.

    Attributes:
        oldest: Where the rows begin, as far as known, in seconds since the epoch.
        overlap: Whether neighbouring windows must share a second: not where the server keeps whole seconds and both
            filters are inclusive.
        confirms: Whether rows can be asked for by their ids.
        steps: Whether to step before walking: other windows of this server could not be walked, and were stepped.
        cap: The number from which on the server's counts prove nothing, since it counts only so far.
    """

    oldest: int = 0
    overlap: bool = True
    confirms: bool = False
    steps: bool = False
    cap: float = math.inf


def plan_window(span: Span, manner: Manner) -> WindowPlan:
    """Read a window of created_at, or tell which smaller windows to read instead.

    Args:
        span: The window. Its end must have passed.
        manner: How this server's windows are read.

    Raises:
        ExportError: The server gave a row from outside the window: it ignores the filter, so no window can be trusted.
    """
    read: list[RawPage] = []
    for _ in range(_WALKS):
        first = yield from _page(span, 1)
        _refuse_foreign(span, first)
        if is_whole(first):
            return Reading(rows=tuple(first.data), certificate=Certificate.ONE_PAGE)
        can_split = span.divisible(overlap=manner.overlap)
        if can_split and first.data and _is_too_long(first, manner):
            return span.split(_parts(first.total_pages), oldest=manner.oldest, overlap=manner.overlap)
        found, pages = yield from _read(span, first, manner)
        if found is not None:
            return found
        if can_split and first.data:  # a server that counts rows and gives none does so in smaller windows too
            return span.split(_small_parts(pages), oldest=manner.oldest, overlap=manner.overlap)
        read += pages
    confirmed = (yield from _confirm(span, read, manner)) if manner.confirms else None
    return confirmed or Reading(rows=union(read), doubt=f"window {span}: {_mismatch(read)}")


def _read(
    span: Span, first: RawPage, manner: Manner
) -> Generator[Questions, Answers, tuple[Reading | None, list[RawPage]]]:
    """Walk, and where that is no proof step, or the other way round; and the pages of the walk."""
    can_step = not manner.overlap
    found = (yield from _step(span, first, manner)) if can_step and manner.steps else None
    if found is not None:
        return found, []
    can_do_else = can_step or span.divisible(overlap=manner.overlap)
    pages = yield from _walk(span, first, whole=not can_do_else)
    for page in pages:
        _refuse_foreign(span, page)
    found = _steady(pages, manner.cap)
    if found is None and can_step and not manner.steps:
        found = yield from _step(span, first, manner)
    return found, pages


def _steady(pages: Sequence[RawPage], cap: float = math.inf) -> Reading | None:
    """What a walk proves: it must have seen the end, as a page with room for more, or none."""
    if not is_steady(pages) or _is_full(pages[-1]) or pages[-1].total_rows >= cap:
        return None
    return Reading(rows=union(pages), certificate=Certificate.STEADY_WALK)


def _is_full(page: RawPage) -> bool:
    return len(page.data) >= page.rows_per_page


def _is_too_long(first: RawPage, manner: Manner) -> bool:
    return first.total_pages > WALK_PAGES * _TOO_LONG or first.total_rows >= manner.cap


def _parts(total_pages: int) -> int:
    return max(2, min(_MOST_PARTS, math.ceil(total_pages / WALK_PAGES)))


def _small_parts(pages: Sequence[RawPage]) -> int:
    """Parts that are to come on one page each: pages cannot be walked here just now.

    A server whose further pages bring nothing new is not believed that there are so many.
    """
    first = pages[0]
    if distinct(row for page in pages for row in page.data) <= len(first.data):
        return 2
    return max(2, min(_MOST_SMALL_PARTS, math.ceil(_SPARE * first.total_pages)))


# ---- listings without windows


def plan_listing(name: str) -> Plan:
    """Read a listing that has no window, such as the messages of a conversation.

    Args:
        name: What it is called in a doubt.
    """
    read: list[RawPage] = []
    for _ in range(_ATTEMPTS):
        first = yield from _page(None, 1)
        if is_whole(first):
            return Reading(rows=tuple(first.data), certificate=Certificate.ONE_PAGE)
        pages = yield from _walk(None, first, whole=True)
        found = _steady(pages)
        if found is not None:
            return found
        read += pages
    return Reading(rows=union(read), doubt=f"{name}: {_mismatch(read)}")


# ---- pieces


def _page(span: Span | None, number: int) -> Generator[Questions, Answers, RawPage]:
    (page,) = yield (PageQuestion(span, number),)
    assert isinstance(page, Page)  # a first page that there is not is an error of the call
    return page


def _walk(span: Span | None, first: RawPage, *, whole: bool) -> _Pages:
    """Every page of a listing whose first page is there; the last one comes after all others.

    A page that has room for more is the end. After one that is full, the next one is asked for too: a server may count
    only so far. Pages that bring nothing new end the walk, whatever number of pages the server tells.

    Args:
        span: The window, None where the listing has none.
        first: Its first page.
        whole: Whether to go on where a row came twice or the total moved, though it proves nothing any more.
    """
    pages, seen = [first], {row.id for row in first.data}
    numbers = iter(range(2, first.total_pages))
    while block := list(itertools.islice(numbers, _SIDE_BY_SIDE)):
        answers = yield tuple(PageQuestion(span, number) for number in block)
        came = [page for page in answers if isinstance(page, Page)]
        pages += came
        fresh = {row.id for page in came for row in page.data} - seen
        seen |= fresh
        if len(came) < len(block) or not fresh or not (whole or _may_be_steady(pages, seen)):
            return pages
    return (yield from _to_the_end(span, pages, seen, first.total_pages))


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
        if not _is_full(end) or (number > 1 and not is_new):
            break
        seen.update(row.id for row in end.data)
    return pages


def _closing(span: Span | None, end: RawPage) -> Generator[Questions, Answers, RawPage]:
    """Where there is no page to tell the last count, a page without rows that does."""
    (total,) = yield (CountQuestion(span),)
    assert isinstance(total, int)
    return Page(data=[], page=end.page + 1, rows_per_page=end.rows_per_page, total_pages=end.page, total_rows=total)


def _step(span: Span, first: RawPage, manner: Manner) -> Generator[Questions, Answers, Reading | None]:
    """Read from one end of the window to the other, always the first page; None where that does not work out.

    The next window begins with the last second of the page, so that no order within a second matters. A count that is
    not less by what is gone from the page has moved meanwhile: that page is read again.
    """
    pages, page, rest = [first], first, span
    failures = 0
    while failures < _ATTEMPTS and page.total_rows < manner.cap:
        if is_whole(page):
            return Reading(rows=union(pages), certificate=Certificate.STEP)
        smaller = _rest_of(rest, page.data)
        if smaller is None:
            return None
        following = yield from _page(smaller, 1)
        _refuse_foreign(smaller, following)
        gone = sum(not smaller.holds(row.created_at) for row in page.data)
        if (
            page.total_rows - following.total_rows
            == gone
            == len({row.id for row in page.data}) - _shared(page, smaller)
        ):
            page, rest, failures = following, smaller, 0
        else:
            failures += 1
            page = yield from _page(rest, 1)
            _refuse_foreign(rest, page)
        pages.append(page)
    return None


def _shared(page: RawPage, smaller: Span) -> int:
    return len({row.id for row in page.data if smaller.holds(row.created_at)})


def _rest_of(span: Span, rows: Sequence[RawRow]) -> Span | None:
    """What is left of a window after a page that came in order of time; None: it came in none, or is of one second."""
    seconds = [math.floor(row.created_at.timestamp()) for row in rows]
    if not seconds or seconds[0] == seconds[-1]:
        return None
    if all(one >= two for one, two in itertools.pairwise(seconds)):
        return Span(span.since, seconds[-1])
    if all(one <= two for one, two in itertools.pairwise(seconds)):
        return Span(seconds[-1], span.until)
    return None


def _confirm(span: Span, read: Sequence[RawPage], manner: Manner) -> Generator[Questions, Answers, Reading | None]:
    """Read pages one after the other, and ask for what is not on them but has been seen; None: it does not add up."""
    rows = {row.id: row for row in union(read)}
    for _ in range(_CONFIRMATIONS):
        (before,) = yield (CountQuestion(span),)
        if not isinstance(before, int) or before >= manner.cap:
            break
        pages, is_end = yield from _serially(span)
        rows |= {row.id: row for row in union(pages)}
        there = {row.id for page in pages for row in page.data}
        doubtful = iter(sorted(rows.keys() - there))
        while block := list(itertools.islice(doubtful, _SIDE_BY_SIDE)):
            answers = yield tuple(map(RowQuestion, block))
            there.update(row_id for row_id, is_there in zip(block, answers, strict=True) if is_there)
        (after,) = yield (CountQuestion(span),)
        came = sum(len(page.data) for page in pages)
        if is_end and before == after == came == len(there):
            return Reading(rows=tuple(rows[row_id] for row_id in there), certificate=Certificate.CONFIRMED)
    return None


def _serially(span: Span) -> Generator[Questions, Answers, tuple[list[RawPage], bool]]:
    """Pages one after the other until one has room for more or there is none, and whether that came.

    Else two in a row have brought nothing new, or rows come past the end that the server counts.
    """
    pages: list[RawPage] = []
    seen: set[int] = set()
    stale = 0
    for number in itertools.count(1):
        (page,) = yield (PageQuestion(span, number),)
        if not isinstance(page, Page):
            return pages, True
        _refuse_foreign(span, page)
        pages.append(page)
        if not _is_full(page):
            return pages, True
        stale = stale + 1 if seen.issuperset(row.id for row in page.data) else 0
        seen.update(row.id for row in page.data)
        if stale == _STALE or number > page.total_pages:
            break
    return pages, False


def _refuse_foreign(span: Span, page: RawPage) -> None:
    foreign = find_foreign(span, page.data)
    if foreign is not None:
        raise ignored(span, foreign)


def ignored(span: Span, foreign: Foreign) -> ExportError:
    """The error when a server does not look at the filters."""
    return ExportError(
        f"the server gave row {foreign.row_id} of {foreign.created_at.isoformat()} for the window {span}: "
        "it ignores since and until, so nothing can be proved complete. Check that base_url is the API's"
    )


def _mismatch(pages: Sequence[RawPage]) -> str:
    totals = sorted({page.total_rows for page in pages})
    found = distinct(row for page in pages for row in page.data)
    return f"the server counted {' then '.join(map(str, totals))} rows and gave {found} different ones"
