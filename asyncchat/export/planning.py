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

import math
from collections.abc import Collection, Generator, Sequence
from typing import Final, TypeAlias

import attrs

from asyncchat import RawRow
from asyncchat.export.confirming import confirm
from asyncchat.export.questions import (
    Answers,
    Manner,
    Questions,
    RawPage,
    Reading,
    ask_page,
    is_full,
    newest,
    refuse_foreign,
    union,
)
from asyncchat.export.walking import step, walk
from asyncchat.export.windows import Certificate, Span, distinct, is_steady, is_whole

WALK_PAGES: Final = 40
"""Pages that a window is meant to have. A page costs a server the more the further it is from the first (OFFSET)."""

_TOO_LONG: Final = 1.25
"""Times as many pages are walked still: cutting costs a request."""
_MOST_PARTS: Final = 16
_MOST_SMALL_PARTS: Final = 96
_SPARE: Final = 1.5
"""Times as many parts are made where each is to come on one page: rows are not spread evenly."""
_ATTEMPTS: Final = 3
_MOST_ATTEMPTS: Final = 16
"""Walks of a listing that brings new rows each time, in no steady order."""
_WALKS: Final = 2

Plan: TypeAlias = Generator[Questions, Answers, Reading]
WindowPlan: TypeAlias = Generator[Questions, Answers, Reading | tuple[Span, ...]]


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
        first = yield from ask_page(span, 1)
        refuse_foreign(span, first, manner.stamp_of)
        if (found := one_page(first)) is not None:
            return found
        can_split = span.divisible(overlap=manner.overlap)
        if can_split and first.data and _is_too_long(first, manner):
            return span.split(_parts(first.total_pages, manner), oldest=manner.oldest, overlap=manner.overlap)
        found, pages = yield from _read(span, first, manner)
        if found is not None:
            return found
        if can_split and first.data:  # a server that counts rows and gives none does so in smaller windows too
            return span.split(_small_parts(pages), oldest=manner.oldest, overlap=manner.overlap)
        read += pages
    found = Reading(rows=union(read))
    if manner.confirms:
        found = yield from confirm(span, found.rows, manner)
    if found.certificate is None:
        found = attrs.evolve(found, doubt=f"window {span}: {_mismatch({page.total_rows for page in read}, found.rows)}")
    return found


def _read(
    span: Span, first: RawPage, manner: Manner
) -> Generator[Questions, Answers, tuple[Reading | None, list[RawPage]]]:
    """Walk, and where that is no proof step, or the other way round; and the pages of the walk."""
    can_step = not manner.overlap
    found = (yield from step(span, first, manner)) if can_step and manner.steps else None
    if found is not None:
        return found, []
    can_do_else = can_step or span.divisible(overlap=manner.overlap)
    pages = yield from walk(span, first, whole=not can_do_else)
    for page in pages:
        refuse_foreign(span, page, manner.stamp_of)
    found = _steady(pages, manner.cap)
    if found is None and can_step and not manner.steps:
        found = yield from step(span, first, manner)
    return found, pages


def _steady(pages: Sequence[RawPage], cap: float = math.inf) -> Reading | None:
    """What a walk proves: it must have seen the end, as a page with room for more, or none."""
    if not is_steady(pages) or is_full(pages[-1]) or pages[-1].total_rows >= cap:
        return None
    return Reading(rows=union(pages), certificate=Certificate.STEADY_WALK)


def _is_too_long(first: RawPage, manner: Manner) -> bool:
    return first.total_pages > (manner.pages or WALK_PAGES) * _TOO_LONG or first.total_rows >= manner.cap


def _parts(total_pages: int, manner: Manner) -> int:
    return max(2, min(_MOST_PARTS, math.ceil(total_pages / (manner.pages or WALK_PAGES))))


def _small_parts(pages: Sequence[RawPage]) -> int:
    """Parts that are to come on one page each: pages cannot be walked here just now.

    A server whose further pages bring nothing new is not believed that there are so many.
    """
    first = pages[0]
    if distinct(row for page in pages for row in page.data) <= len(first.data):
        return 2
    return max(2, min(_MOST_SMALL_PARTS, math.ceil(_SPARE * first.total_pages)))


def one_page(first: RawPage) -> Reading | None:
    """What a first page proves by itself."""
    return Reading(rows=tuple(first.data), certificate=Certificate.ONE_PAGE) if is_whole(first) else None


def plan_listing(name: str, first: RawPage) -> Plan:
    """Read a listing that has no window, such as the messages of a conversation.

    Args:
        name: What it is called in a doubt.
        first: Its first page, as it was just now.
    """
    rows: dict[int, RawRow] = {}
    totals: set[int] = set()
    for attempt in range(_MOST_ATTEMPTS):
        first = (yield from ask_page(None, 1)) if attempt else first
        if (found := one_page(first)) is not None:
            return found
        pages = yield from walk(None, first, whole=True)
        found = _steady(pages)
        if found is not None:
            return found
        known, rows = len(rows), newest([*rows.values(), *union(pages)])
        totals.update(page.total_rows for page in pages)
        if attempt + 1 >= _ATTEMPTS and len(rows) == known:  # else more of it may come still
            break
    return Reading(rows=tuple(rows.values()), doubt=f"{name}: {_mismatch(totals, rows)}")


def _mismatch(totals: Collection[int], rows: Collection[object]) -> str:
    counted = " then ".join(map(str, sorted(totals)))
    return f"the server counted {counted} rows and gave {len(rows)} different ones"
