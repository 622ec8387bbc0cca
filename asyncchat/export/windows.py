"""How a listing is cut into windows of time, and when what was read of a window is believed.

Nothing here sends anything: answers come in, decisions go out. All times are whole seconds since the epoch, and both
ends of a span are inclusive, as the API's filters are.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeAlias

import attrs

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


class Changing(Row, Protocol):
    """What a decision needs of a row that changes."""

    @property
    def updated_at(self) -> datetime | None:
        """When it was changed last; None where that is not told."""
        ...


StampOf: TypeAlias = Callable[[Any], datetime]
"""The time of a row that a window's filters look at."""


def created(row: Row) -> datetime:
    """When a row was made."""
    return row.created_at


def changed(row: Changing) -> datetime:
    """When a row was changed last."""
    return row.updated_at or row.created_at


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
    """Every page told the same total, the last one after all others, and that many distinct rows were read."""
    STEP = "step"
    """From page to page towards the oldest rows, the count became less by just the rows that had been read."""
    CONFIRMED = "confirmed"
    """Between two equal counts as many rows were read, or asked for by their ids."""
    TAIL = "tail"
    """The end of a listing joined on to what was there already, and both together are as many as counted."""


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

    def split(self, parts: int, *, oldest: int, overlap: bool = True) -> tuple[Span, ...]:
        """Cut it into so many spans of one length.

        Args:
            parts: How many, at least 2; fewer when the span has not that many seconds.
            oldest: Where the rows begin, as far as known: an open span is cut there, or else at the epoch, and keeps
                its open end.
            overlap: Whether each shares its first second with the one before, for servers that keep fractions behind
                the whole seconds that they show: a row at 12:00:00.5 is past an `until` of 12:00:00, and before a
                `since` of 12:00:01.
        """
        low = self.since if self.since is not None else (oldest if _EPOCH <= oldest < self.until else _EPOCH)
        if not overlap and self.since is not None:
            return self._split_apart(parts, low)
        count = min(parts, self.until - low)
        cuts = sorted({low + (self.until - low) * i // count for i in range(count + 1)})
        spans = tuple(Span(a, b) for a, b in itertools.pairwise(cuts))
        return spans if self.since is not None else (Span(None, low), *spans)

    def _split_apart(self, parts: int, low: int) -> tuple[Span, ...]:
        length = self.until - low + 1
        count = min(parts, length)
        cuts = [low + length * i // count for i in range(count + 1)]
        return tuple(Span(a, b - 1) for a, b in itertools.pairwise(cuts))

    def divisible(self, *, overlap: bool = True) -> bool:
        """Whether it can be cut. With overlap two neighbouring seconds share one, so none can be cut off them.

        What lies before the epoch is not cut: an open end would never be reached.
        """
        if self.since is None:
            return self.until > _EPOCH
        return self.until - self.since > (1 if overlap else 0)


@attrs.frozen
class Foreign:
    """A row from outside the window: the server does not filter."""

    row_id: int
    moment: datetime


def find_foreign(span: Span, rows: Iterable[Row], stamp_of: StampOf = created) -> Foreign | None:
    """The first row from outside a window, None when all belong there."""
    return next((Foreign(row.id, stamp_of(row)) for row in rows if not span.holds(stamp_of(row))), None)


def is_whole(page: PageOf) -> bool:
    """Whether one page is everything: it holds as many distinct rows as it counts, and had room for more.

    A full page proves nothing: a server may count no further than it gives.
    """
    return page.total_rows == len(page.data) == distinct(page.data) and not len(page.data) >= page.rows_per_page > 0


def distinct(rows: Iterable[Row]) -> int:
    """How many different rows there are."""
    return len({row.id for row in rows})


def is_steady(pages: Sequence[PageOf]) -> bool:
    """Whether a walk of created_at windows is complete: one total throughout, and as many rows, all different ones.

    Args:
        pages: Every page of the walk.
    """
    totals = {page.total_rows for page in pages}
    came = sum(len(page.data) for page in pages)
    return totals == {came} == {distinct(row for page in pages for row in page.data)}
