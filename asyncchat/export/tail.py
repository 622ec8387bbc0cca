"""Reads the end of a conversation's messages, as a generator of questions. Nothing here sends anything.

In which order messages are listed is not documented. From the page on which the ones that are there end, the rest is
read; where that page shows that the order is the other one, from the first page on. It is believed where what was there
and what was read together are as many as every page counted, and the two overlap.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Generator, Sequence
from typing import Final, TypeAlias

from asyncchat import Page
from asyncchat.export.questions import Answers, PageQuestion, Questions, RawPage, Reading, union
from asyncchat.export.windows import Certificate

_SIDE_BY_SIDE: Final = 16

_Plan: TypeAlias = Generator[Questions, Answers, Reading | None]


def plan_tail(stored: Collection[int], per_page: int) -> _Plan:
    """Read what is new of a listing; None where that cannot be told without reading all of it.

    Args:
        stored: The ids of the rows that are there.
        per_page: Rows that will be asked for in a page.
    """
    number = _page_of(len(stored), per_page)
    (page,) = yield (PageQuestion(None, number),)
    if not isinstance(page, Page):
        return None
    size = page.rows_per_page
    if size != per_page and size > 0 and _page_of(len(stored), size) != number:
        number = _page_of(len(stored), size)
        (page,) = yield (PageQuestion(None, number),)
        if not isinstance(page, Page) or page.rows_per_page != size:
            return None
    if _begins_with_stored(page, stored, len(stored) - (number - 1) * size):
        last = _page_of(page.total_rows, size)
        return _joined(stored, (yield from _pages(page, range(number + 1, last + 1))))
    last = _page_of(page.total_rows - len(stored) + 1, size)
    others = [each for each in range(1, last + 1) if each != number]
    return _joined(stored, (yield from _pages(page, others)))


def _page_of(row_number: int, size: int) -> int:
    """The page of a row, counted from 1."""
    return max(1, -(-row_number // max(1, size)))


def _begins_with_stored(page: RawPage, stored: Collection[int], count: int) -> bool:
    """Whether the first rows of a page are ones that are there, so many, and no others are."""
    return [row.id in stored for row in page.data] == [number < count for number in range(len(page.data))]


def _pages(first: RawPage, numbers: Sequence[int]) -> Generator[Questions, Answers, list[RawPage]]:
    """The page that is there and others, the last of which is asked for after the rest."""
    pages = [first]
    rest, last = iter(numbers[:-1]), numbers[-1:]
    while block := list(itertools.islice(rest, _SIDE_BY_SIDE)):
        answers = yield tuple(PageQuestion(None, number) for number in block)
        pages += [page for page in answers if isinstance(page, Page)]
    for number in last:
        (page,) = yield (PageQuestion(None, number),)
        pages += [page] if isinstance(page, Page) else []
    return pages


def _joined(stored: Collection[int], pages: Sequence[RawPage]) -> Reading | None:
    rows = union(pages)
    total = {page.total_rows for page in pages}
    there = {*stored, *(row.id for row in rows)}
    overlaps = not stored or any(row.id in stored for row in rows)
    if total != {len(there)} or not overlaps:
        return None
    return Reading(rows=rows, certificate=Certificate.TAIL)
