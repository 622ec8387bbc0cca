"""What is known of a server, as values, and what follows from it for exports."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final, Literal, Self, TypeAlias

import attrs

Level: TypeAlias = Literal["ok", "warning", "failed", "unknown"]


class Bound(enum.Enum):
    """How `since` or `until` treats rows."""

    INCLUSIVE = "inclusive"
    """Rows of its own second belong to it, all others stay outside."""
    SHORT = "short of its own second"
    """Rows of its own second, or some of them, do not belong to it."""
    IGNORED = "ignored"
    """Rows from outside came."""
    UNKNOWN = "cannot tell"


class PastEnd(enum.Enum):
    """What comes past the last page."""

    EMPTY = "an empty page"
    NOT_FOUND = "404"
    REPEATED = "a page that came before"
    MORE = "further rows"
    UNKNOWN = "cannot tell"


class Order(enum.Enum):
    """In which order the rows of the first page came. It proves nothing of other pages."""

    OLDEST_FIRST = "oldest first"
    NEWEST_FIRST = "newest first"
    NONE = "not by created_at"
    UNKNOWN = "cannot tell"


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that was found, in words.

    Attributes:
        subject: What it is about.
        level: "ok", "warning", "failed" (no export can be trusted), or "unknown".
        found: What was found, and what it means for exports.
        change: What to change; empty: nothing.
    """

    subject: str
    level: Level
    found: str
    change: str = ""


@attrs.frozen(kw_only=True)
class Probe:
    """What was found out about a server. None, and members called UNKNOWN, say that it could not be told.

    Attributes:
        requests: Requests that it took.
        asked: Rows that were asked for in a page.
        given: Rows that the server says a page takes.
        came: Rows on the first page.
        rows: All rows, as the server counted them.
        order: In which order the rows of the first page came.
        since: How the filter `since` treats rows.
        until: How the filter `until` treats rows.
        subsecond: Whether the server keeps fractions of a second; behind whole ones, it is told apart only where a
            window of one second holds some of its rows and not the others.
        additive: Whether the counts of two windows and their overlap make the count of all.
        past_end: What comes past the last page.
        capped: Whether the server counts only so far, `rows` being where it ends.
        doubts: Requests that failed, each with its error.
    """

    requests: int
    asked: int
    given: int | None = None
    came: int | None = None
    rows: int | None = None
    order: Order = Order.UNKNOWN
    since: Bound = Bound.UNKNOWN
    until: Bound = Bound.UNKNOWN
    subsecond: bool | None = None
    additive: bool | None = None
    past_end: PastEnd = PastEnd.UNKNOWN
    capped: bool | None = None
    doubts: tuple[str, ...] = ()

    @property
    def has_whole_seconds(self) -> bool:
        """Whether windows that only touch miss nothing: both filters are inclusive, and no fractions are behind."""
        return self.subsecond is False and self.since is self.until is Bound.INCLUSIVE

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = attrs.asdict(self)
        plain = {name: value.value if isinstance(value, enum.Enum) else value for name, value in values.items()}
        return {**plain, "doubts": list(self.doubts)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` has told.

        Raises:
            KeyError, TypeError, ValueError: It is none of this version.
        """
        told = {
            **values,
            "order": Order(values["order"]),
            "since": Bound(values["since"]),
            "until": Bound(values["until"]),
            "past_end": PastEnd(values["past_end"]),
            "doubts": tuple(values["doubts"]),
        }
        return cls(**told)

    def findings(self) -> tuple[Finding, ...]:
        """What was found in words, with what it means for exports, and what to change."""
        told = (_page_size(self), _past_end(self), *_filters(self), _counts(self), _seconds(self), _order(self))
        level: Level = "failed" if self.given is None else "warning"
        return (*(Finding(subject="probe", level=level, found=doubt) for doubt in self.doubts), *told)


def _page_size(probe: Probe) -> Finding:
    subject, asked, given = "page size", probe.asked, probe.given
    if given is None or probe.came is None or probe.rows is None:
        return Finding(subject=subject, level="unknown", found="cannot tell: no page came")
    if probe.came < min(given, probe.rows) or probe.came > max(given, asked):
        found = f"a page of {given} rows brought {probe.came} of {probe.rows}: exports read such pages again"
        return Finding(subject=subject, level="warning", found=found, change="ask the platform why")
    if given < asked:
        return Finding(subject=subject, level="ok", found=f"clamped to {given} of {asked} asked: fine, followed")
    return Finding(subject=subject, level="ok", found=f"{given}, as asked")


def _past_end(probe: Probe) -> Finding:
    subject = "past the end"
    if probe.past_end is PastEnd.REPEATED:
        found = "a page that came before: the page number is not looked at, listings of several pages fail"
        return Finding(subject=subject, level="failed", found=found, change="check that base_url is the API's")
    if probe.past_end is PastEnd.MORE:
        return Finding(subject=subject, level="warning", found="further rows: see counts")
    if probe.past_end is PastEnd.UNKNOWN:
        return Finding(subject=subject, level="unknown", found="cannot tell")
    return Finding(subject=subject, level="ok", found=f"{probe.past_end.value}: taken as the end")


_MEANING: Final[Mapping[Bound, tuple[Level, str]]] = {
    Bound.INCLUSIVE: ("ok", "inclusive"),
    Bound.UNKNOWN: ("unknown", "cannot tell: too few rows, or they moved"),
    Bound.IGNORED: ("failed", "ignored: rows from outside came, exports refuse this server"),
    Bound.SHORT: (
        "warning",
        "leaves out rows of its own second (exclusive, or fractions behind it): windows overlap, nothing is lost",
    ),
}


def _filters(probe: Probe) -> tuple[Finding, Finding]:
    if probe.since is probe.until is Bound.SHORT:
        found = "leaves out its own second, as the other filter does: rows at the edges of windows are lost"
        change = "ask the platform to make since and until inclusive"
        return (
            Finding(subject="since", level="failed", found=found, change=change),
            Finding(subject="until", level="failed", found=found, change=change),
        )
    return _filter("since", probe.since), _filter("until", probe.until)


def _filter(subject: str, bound: Bound) -> Finding:
    level, found = _MEANING[bound]
    change = "check that base_url is the API's, and that no proxy drops the query" if bound is Bound.IGNORED else ""
    return Finding(subject=subject, level=level, found=found, change=change)


def _counts(probe: Probe) -> Finding:
    subject = "counts"
    if probe.capped:
        found = f"end at {probe.rows}: exports split windows until they hold less"
        return Finding(subject=subject, level="warning", found=found)
    if probe.additive is False:
        found = "do not add up over a split: exports may not be certified"
        return Finding(subject=subject, level="warning", found=found, change="ask the platform if total_rows is exact")
    if probe.additive is None:
        return Finding(subject=subject, level="unknown", found="cannot tell if they add up: too few rows, or moving")
    return Finding(subject=subject, level="ok", found=f"add up over a split; {probe.rows} conversations")


def _seconds(probe: Probe) -> Finding:
    subject = "fractions"
    if probe.subsecond is None:
        return Finding(subject=subject, level="unknown", found="cannot tell if seconds have fractions behind them")
    if probe.subsecond:
        found = "of seconds are kept: neighbouring windows overlap by a second, nothing is lost"
        return Finding(subject=subject, level="ok", found=found)
    return Finding(subject=subject, level="ok", found="of seconds are not kept")


def _order(probe: Probe) -> Finding:
    level: Level = "unknown" if probe.order is Order.UNKNOWN else "ok"
    found = probe.order.value + ("" if level == "unknown" else ": observed, exports assume none")
    return Finding(subject="order", level=level, found=found)
