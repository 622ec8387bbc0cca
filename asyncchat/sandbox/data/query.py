"""Queries: what a listing was asked, read from its query string or refused with reasons."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen

from asyncchat.sandbox.data import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from asyncchat._types import SortField

MAX_INT32: Final = 2**31 - 1
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)

PAGED: Final = frozenset({"page", "per_page"})
"""Parameters of a listing without a time filter."""
TIMED: Final = PAGED | {"since", "until"}
"""Parameters of a listing that filters on created_at."""
SORTED: Final = TIMED | {"sort"}
"""Parameters of a listing that filters on a time field of the caller's choice."""


@frozen(kw_only=True)
class Query:
    """One page of a listing.

    Attributes:
        page: Number of the page, from 1.
        per_page: Rows on a page.
        since: First moment that belongs to the listing; None: no bound.
        until: Last moment that belongs to the listing; None: no bound.
        sort: The time field that `since` and `until` are about.
    """

    page: int = 1
    per_page: int = 10
    since: datetime | None = None
    until: datetime | None = None
    sort: SortField = "created_at"

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * self.per_page

    def clamped(self, max_per_page: int) -> Query:
        """The same query with at most that many rows on a page."""
        return self if self.per_page <= max_per_page else evolve(self, per_page=max_per_page)


@frozen
class Problem:
    """A parameter that cannot be used, and why."""

    parameter: str
    message: str


def parse_query(pairs: Iterable[tuple[str, str]], accepted: frozenset[str]) -> Query | list[Problem]:
    """Read the query of a listing.

    Args:
        pairs: Names and values, decoded, in the order sent.
        accepted: Names that this listing knows; any other parameter is ignored, as most servers do.

    Returns:
        The query, or every problem found.
    """
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in accepted:
            given.setdefault(name, []).append(value)
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, texts in given.items():
        try:
            values[name] = _read(name, texts)
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    return problems or Query(**values)


def _read(name: str, texts: list[str]) -> object:
    if len(texts) > 1:
        raise ValueError(f"was given {len(texts)} times: give it once")
    return _READERS[name](texts[0])


def _positive(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError("must be a whole number")
    number = int(text)
    if not 1 <= number <= MAX_INT32:
        raise ValueError(f"must be from 1 to {MAX_INT32}")
    return number


def _sort(text: str) -> str:
    if text not in {"created_at", "updated_at"}:
        raise ValueError("must be created_at or updated_at")
    return text


_READERS: Final[Mapping[str, Callable[[str], object]]] = MappingProxyType(
    {
        "page": _positive,
        "per_page": _positive,
        "since": times.parse,
        "until": times.parse,
        "sort": _sort,
    }
)
