"""Reads windows of listings and the messages of conversations, as the decisions of `windows` say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import attrs

from asyncchat import AsyncPager, ExportError, NotFoundError, Page, RawRow
from asyncchat.export.side_by_side import side_by_side
from asyncchat.export.windows import (
    Certificate,
    Done,
    Foreign,
    Span,
    Split,
    after_first,
    distinct,
    find_foreign,
    is_steady,
    is_whole,
)

ATTEMPTS: Final = 3
"""How often a window or conversation that moves while it is read is read anew."""

_SIDE_BY_SIDE: Final = 8

RawPage: TypeAlias = Page[RawRow]
Listing: TypeAlias = Callable[[Span], AsyncPager[RawRow]]


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


def union(pages: Sequence[RawPage]) -> tuple[RawRow, ...]:
    """Each row of some pages once; of two readings of one row the one updated last, else the later one."""
    rows: dict[int, RawRow] = {}
    for row in (row for page in pages for row in page.data):
        known = rows.get(row.id, row)
        if (row.updated_at or row.created_at) >= (known.updated_at or known.created_at):
            rows[row.id] = row
    return tuple(rows.values())


async def walk(pager: AsyncPager[RawRow], first: RawPage) -> list[RawPage]:
    """Every page of a listing whose first page is there, fetched side by side.

    The page past the last one is asked for too, and kept if it holds rows: then the server counts only so far. A page
    that brings nothing new ends the walk, whatever number of pages the server tells.
    """
    pages = {1: first}
    seen = {row.id for row in first.data}
    is_over = False

    def numbers() -> Iterator[int]:
        number = 1
        while not is_over and number <= first.total_pages:
            number += 1
            yield number

    async def fetch(number: int) -> None:
        nonlocal is_over
        try:
            page = await pager.page(number)
        except NotFoundError:  # past the end, or there is an end now where there was none
            is_over = True
            return
        is_over = is_over or seen.issuperset(row.id for row in page.data)
        seen.update(row.id for row in page.data)
        if page.data or number <= first.total_pages:
            pages[number] = page

    await side_by_side(fetch, numbers(), limit=_SIDE_BY_SIDE)
    return [pages[number] for number in sorted(pages)]


async def read_window(listing: Listing, span: Span, *, oldest: int) -> Reading | tuple[Span, ...]:
    """Read a window of created_at, or say which smaller windows to read instead.

    Args:
        listing: Makes the listing of a window.
        span: The window.
        oldest: Where the rows begin, as far as known, in seconds since the epoch.

    Raises:
        ExportError: The server gave a row from outside the window: it ignores the filter, so no window can be trusted.
        AsyncChatError: A page could not be fetched.
    """
    pager = listing(span)
    pages: list[RawPage] = []
    for _ in range(ATTEMPTS):
        first = await pager.page(1)
        decision = after_first(span, first, oldest=oldest)
        if isinstance(decision, Foreign):
            raise _ignored(span, decision)
        if isinstance(decision, Done):
            return Reading(rows=tuple(first.data), certificate=decision.certificate)
        if isinstance(decision, Split):
            return decision.spans
        pages = await walk(pager, first)
        foreign = find_foreign(span, (row for page in pages for row in page.data))
        if foreign is not None:
            raise _ignored(span, foreign)
        if is_steady(pages, await pager.count()):
            return Reading(rows=union(pages), certificate=Certificate.STEADY_WALK)
    if span.divisible and all(page.data for page in pages):
        return span.split(2, oldest=oldest)
    return Reading(rows=union(pages), doubt=f"window {span}: {_mismatch(pages)}")


async def read_messages(pager: AsyncPager[RawRow], name: str) -> Reading:
    """Read every message of a conversation.

    Args:
        pager: The listing of its messages.
        name: What the conversation is called in a doubt.

    Raises:
        AsyncChatError: A page could not be fetched.
    """
    pages: list[RawPage] = []
    for _ in range(ATTEMPTS):
        first = await pager.page(1)
        if is_whole(first):
            return Reading(rows=tuple(first.data), certificate=Certificate.ONE_PAGE)
        pages = await walk(pager, first)
        if is_steady(pages, pages[-1].total_rows):
            return Reading(rows=union(pages), certificate=Certificate.STEADY_WALK)
    return Reading(rows=union(pages), doubt=f"{name}: {_mismatch(pages)}")


def _ignored(span: Span, foreign: Foreign) -> ExportError:
    return ExportError(
        f"the server gave row {foreign.row_id} of {foreign.created_at.isoformat()} for the window {span}: "
        "it ignores since and until, so nothing can be proved complete. Check that base_url is the API's"
    )


def _mismatch(pages: Sequence[RawPage]) -> str:
    totals = sorted({page.total_rows for page in pages})
    found = distinct(row for page in pages for row in page.data)
    return f"the server counted {' then '.join(map(str, totals))} rows and gave {found} different ones"
