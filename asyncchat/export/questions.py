"""What is asked of a server while a window or a listing is read, what it answers, and what comes of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterable, Sequence
from typing import Self, TypeAlias

import attrs

from asyncchat import ExportError, Page, RawRow
from asyncchat.export.probing.traits import Probe
from asyncchat.export.windows import Certificate, Foreign, Span, StampOf, changed, created, find_foreign

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


@attrs.frozen(kw_only=True)
class Manner:
    """How a server's windows are read, by what is known of it.

    Attributes:
        oldest: Where the rows begin, as far as known, in seconds since the epoch.
        overlap: Whether neighbouring windows must share a second: not where the server keeps whole seconds and both
            filters are inclusive.
        confirms: Whether rows can be asked for by their ids.
        steps: Whether to step before walking: other windows of this server could not be walked, and were stepped.
        stamp_of: Which time of a row the windows are of.
        pages: Pages that a window is meant to have; None: as many as in an export.
        cap: The number from which on the server's counts prove nothing, since it counts only so far.
    """

    oldest: int = 0
    overlap: bool = True
    confirms: bool = False
    steps: bool = False
    stamp_of: StampOf = created
    pages: int | None = None
    cap: float = math.inf

    @classmethod
    def of(cls, probe: Probe | None, *, oldest: int = 0) -> Self:
        """How the conversations of a server are read that was probed, or was not."""
        whole = probe is not None and probe.has_whole_seconds
        cap = math.inf if probe is None or not probe.capped or probe.rows is None else probe.rows
        return cls(oldest=oldest, overlap=not whole, confirms=True, cap=cap)


def newest(rows: Iterable[RawRow]) -> dict[int, RawRow]:
    """Each row once, by its id; of two readings of one row the one updated last, else the later one."""
    found: dict[int, RawRow] = {}
    for row in rows:
        known = found.get(row.id)
        if known is None or (row.updated_at or row.created_at) >= (known.updated_at or known.created_at):
            found[row.id] = row
    return found


def union(pages: Iterable[RawPage]) -> tuple[RawRow, ...]:
    """Each row of some pages once, as `newest` tells."""
    return tuple(newest(itertools.chain.from_iterable(page.data for page in pages)).values())


def refuse_foreign(span: Span, page: RawPage, stamp_of: StampOf) -> None:
    """Refuse a server that does not look at the filters.

    Raises:
        ExportError: It gave a row from outside the window.
    """
    foreign = find_foreign(span, page.data, stamp_of)
    if foreign is not None:
        raise _ignored(span, foreign, "sort, since and until" if stamp_of is changed else "since and until")


def _ignored(span: Span, foreign: Foreign, filters: str) -> ExportError:
    return ExportError(
        f"the server gave row {foreign.row_id} of {foreign.moment.isoformat()} for the window {span}: "
        f"it ignores {filters}, so nothing can be proved complete. Check that base_url is the API's"
    )


def ask_page(span: Span | None, number: int) -> Generator[Questions, Answers, RawPage]:
    """A page that there is, such as a first one."""
    (page,) = yield (PageQuestion(span, number),)
    assert isinstance(page, Page)  # a first page that there is not is an error of the call
    return page


def is_full(page: RawPage) -> bool:
    """Whether a page had no room for more rows, so that it proves no end."""
    return len(page.data) >= page.rows_per_page


def pages_of(first: RawPage) -> int:
    """How many pages a listing has, by the count of its rows: a server may tell any number of pages."""
    size = max(1, first.rows_per_page)
    return max(1, min(first.total_pages, -(-first.total_rows // size)))
