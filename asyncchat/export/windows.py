"""How a listing is cut into windows of time, and when what was read of a window is believed.

Nothing here sends anything: answers come in, decisions go out. All times are whole seconds since the epoch, and both
ends of a span are inclusive, as the API's filters are.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import attrs

WALK_PAGES: Final = 50
"""Pages of a window that are walked; a longer one is split. A page's cost grows with its number (OFFSET paging)."""

_MAX_PARTS: Final = 16
_EPOCH: Final = 0


class Row(Protocol):
    """What a decision needs of a row."""

    @property
    def id(self) -> int:
        """Its identifier."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        ...


class PageOf(Protocol):
    """What a decision needs of a page."""

    @property
    def data(self) -> Sequence[Row]:
        """The rows."""
        ...

    @property
    def rows_per_page(self) -> int:
        """How many rows a page takes."""
        ...

    @property
    def total_rows(self) -> int:
        """How many rows the server counted."""
        ...

    @property
    def total_pages(self) -> int:
        """How many pages the server counted."""
        ...


class Certificate(enum.Enum):
    """Why a window is known to be complete."""

    ONE_PAGE = "one page"
    """One answer held every row that it counted: one consistent state."""
    STEADY_WALK = "steady walk"
    """Every page and a closing count told the same total, and that many distinct rows were read."""


@attrs.frozen
class Span:
    """A span of time. `since` is None where it reaches back to the beginning."""

    since: int | None
    until: int

    def holds(self, moment: datetime) -> bool:
        """Whether a row of that time belongs here; fractions of a second belong to their second."""
        second = math.floor(moment.timestamp())
        return (self.since is None or second >= self.since) and second <= self.until

    @property
    def since_time(self) -> datetime | None:
        """The beginning, for the filter."""
        return None if self.since is None else datetime.fromtimestamp(self.since, UTC)

    @property
    def until_time(self) -> datetime:
        """The end, for the filter."""
        return datetime.fromtimestamp(self.until, UTC)

    def __str__(self) -> str:
        since = "the beginning" if self.since_time is None else f"{self.since_time:%Y-%m-%dT%H:%M:%SZ}"
        return f"{since} to {self.until_time:%Y-%m-%dT%H:%M:%SZ}"

    def split(self, parts: int, *, oldest: int) -> tuple[Span, ...]:
        """Cut it into so many spans of one length, each sharing its first second with the one before.

        The shared second is there for servers that keep fractions behind the whole seconds that they show: a row at
        12:00:00.5 is past an `until` of 12:00:00, and before a `since` of 12:00:01.

        Args:
            parts: How many, at least 2; fewer when the span has not that many seconds.
            oldest: Where the rows begin, as far as known: an open span is cut there, or else at the epoch, and keeps
                its open end.
        """
        low = self.since if self.since is not None else (oldest if _EPOCH <= oldest < self.until else _EPOCH)
        count = min(parts, self.until - low)
        cuts = sorted({low + (self.until - low) * i // count for i in range(count + 1)})
        spans = tuple(Span(a, b) for a, b in itertools.pairwise(cuts))
        return spans if self.since is not None else (Span(None, low), *spans)

    @property
    def divisible(self) -> bool:
        """Whether it can be cut: two neighbouring seconds share one, so a second cannot be cut off them.

        What lies before the epoch is not cut: an open end would never be reached.
        """
        return self.until > _EPOCH if self.since is None else self.until - self.since > 1


@attrs.frozen
class Done:
    """The first page was everything."""

    certificate: Certificate = Certificate.ONE_PAGE


@attrs.frozen
class Walk:
    """Read all pages, then the count."""


@attrs.frozen
class Split:
    """Read these windows instead."""

    spans: tuple[Span, ...]


@attrs.frozen
class Foreign:
    """A row from outside the window: the server does not filter."""

    row_id: int
    created_at: datetime


def after_first(span: Span, page: PageOf, *, oldest: int) -> Done | Walk | Split | Foreign:
    """What to do once a window's first page is there.

    Args:
        span: The window.
        page: Its first page.
        oldest: Where the rows begin, as far as known.
    """
    foreign = find_foreign(span, page.data)
    if foreign is not None:
        return foreign
    if is_whole(page):
        return Done()
    if page.total_pages <= WALK_PAGES or not page.data or not span.divisible:
        return Walk()
    parts = min(_MAX_PARTS, max(2, math.ceil(2 * page.total_pages / WALK_PAGES)))
    return Split(span.split(parts, oldest=oldest))


def find_foreign(span: Span, rows: Iterable[Row]) -> Foreign | None:
    """The first row from outside a window, None when all belong there."""
    return next((Foreign(row.id, row.created_at) for row in rows if not span.holds(row.created_at)), None)


def is_whole(page: PageOf) -> bool:
    """Whether one page is everything: it holds as many distinct rows as it counts, and had room for more.

    A full page proves nothing: a server may count no further than it gives.
    """
    return page.total_rows == len(page.data) == distinct(page.data) and not len(page.data) >= page.rows_per_page > 0


def distinct(rows: Iterable[Row]) -> int:
    """How many different rows there are."""
    return len({row.id for row in rows})


def is_steady(pages: Sequence[PageOf], closing_total: int) -> bool:
    """Whether a walk of created_at windows is complete: one total throughout, and as many distinct rows.

    Args:
        pages: Every page of the walk, and what came past the last one.
        closing_total: What the server counted after the last of them.
    """
    totals = {page.total_rows for page in pages} | {closing_total}
    return totals == {distinct(row for page in pages for row in page.data)}


class Seams:
    """Sees that a row in a second that two windows share is kept once."""

    def __init__(self) -> None:
        self._seen: dict[int, set[int]] = {}

    def add(self, spans: Iterable[Span]) -> None:
        """Note where windows meet."""
        for span in spans:
            if span.since is not None:
                self._seen.setdefault(span.since, set())

    def is_new(self, row: Row) -> bool:
        """Whether a row has not been kept yet. A row in no shared second always is new."""
        seen = self._seen.get(math.floor(row.created_at.timestamp()))
        if seen is None:
            return True
        new = row.id not in seen
        seen.add(row.id)
        return new
