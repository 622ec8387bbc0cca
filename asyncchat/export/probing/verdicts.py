"""What a server's answers prove. What they do not prove is "cannot tell", never a guess."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from asyncchat.export.probing.plan import Known, Question, RawPage, ids, second_of
from asyncchat.export.probing.traits import Bound, Order, PastEnd, Probe

_ORDERED_ROWS: Final = 3


def is_whole(page: RawPage) -> bool:
    """Whether a page holds every row that it counts."""
    return len(ids(page)) == page.total_rows


def conclude(known: Known, per_page: int) -> Probe:
    """What the answers prove.

    Args:
        known: What came.
        per_page: Rows that were asked for in a page.
    """
    first = known.page(Question.FIRST)
    failures = {answer.step.question: answer.failure for answer in known.answers if answer.failure}
    doubts = tuple(f"{question.value}: {failure}" for question, failure in failures.items())
    if first is None:
        return Probe(requests=len(known.answers), asked=per_page, doubts=doubts)
    past_end = judge_end(known, first)
    capped = judge_cap(known, first, past_end)
    since, until = judge_bounds(known, first, counts_all=capped is False)
    told = {since, until} <= {Bound.INCLUSIVE, Bound.SHORT}
    unsteady = known.adds_up is False and not known.is_steady
    return Probe(
        requests=len(known.answers),
        asked=per_page,
        given=first.rows_per_page,
        came=len(first.data),
        rows=first.total_rows,
        order=judge_order(first),
        since=since,
        until=until,
        subsecond=_subsecond(known, first, until),
        additive=False if capped else known.adds_up if told and not unsteady else None,
        past_end=past_end,
        capped=capped,
        doubts=doubts,
    )


def judge_bounds(known: Known, first: RawPage, *, counts_all: bool) -> tuple[Bound, Bound]:
    """How `since` and `until` treat rows, as far as rows on both sides of the second prove it.

    Args:
        known: What came.
        first: The first page.
        counts_all: Whether the server is known to count every row.
    """
    since, until = _strangers(known)
    window = known.page(Question.SECOND)
    if since or until or window is None:
        unseen = Bound.UNKNOWN
        return Bound.IGNORED if since else unseen, Bound.IGNORED if until else unseen
    low, high = _ends(known, window, counts_all=counts_all)
    at = known.second or 0
    seconds = {second_of(row) for row in first.data}
    is_proved = is_whole(window)  # then rows on either side are known to have been left out
    since_works = is_proved and min(seconds) < at
    until_works = is_proved and max(seconds) > at
    return low if since_works else Bound.UNKNOWN, high if until_works else Bound.UNKNOWN


def _ends(known: Known, window: RawPage, *, counts_all: bool) -> tuple[Bound, Bound]:
    """Which ends of a window hold the rows of their own second."""
    found = known.own & ids(window)
    if found == known.own:
        return Bound.INCLUSIVE, Bound.INCLUSIVE
    if found:  # if no row went meanwhile, the others have a fraction that `until` cuts off
        return Bound.INCLUSIVE, Bound.SHORT if known.adds_up else Bound.UNKNOWN
    edge = known.page(Question.EDGE)
    if edge is not None and known.own & ids(edge):
        return Bound.INCLUSIVE, Bound.SHORT
    if edge is None or not is_whole(edge) or not counts_all or not (known.adds_up or known.is_steady):
        return Bound.UNKNOWN, Bound.UNKNOWN
    return Bound.SHORT, Bound.INCLUSIVE if known.adds_up else Bound.SHORT


def _strangers(known: Known) -> tuple[bool, bool]:
    """Whether rows came from before a `since`, and from after an `until`."""
    early = late = False
    for answer in known.answers:
        since, until = answer.step.since, answer.step.until
        for at in map(second_of, answer.page.data if answer.page else ()):
            early = early or (since is not None and at < since)
            late = late or (until is not None and at > until)
    return early, late


def _subsecond(known: Known, first: RawPage, until: Bound) -> bool | None:
    window = known.page(Question.SECOND)
    if any(row.created_at.microsecond for row in first.data):
        return True
    if until not in {Bound.INCLUSIVE, Bound.SHORT} or window is None or not known.own & ids(window):
        return None
    return until is Bound.SHORT


def judge_end(known: Known, first: RawPage) -> PastEnd:
    """What comes past the last page."""
    answer = next((answer for answer in known.answers if answer.step.question is Question.END), None)
    if answer is None or (answer.page is None and not answer.is_missing):
        return PastEnd.UNKNOWN
    if answer.page is None:
        return PastEnd.NOT_FOUND
    if not answer.page.data:
        return PastEnd.EMPTY
    if answer.page.page != answer.step.page or ids(answer.page) <= ids(first):
        return PastEnd.REPEATED
    before = (answer.step.page - 1) * answer.step.per_page
    return PastEnd.UNKNOWN if answer.page.total_rows > before else PastEnd.MORE


def judge_cap(known: Known, first: RawPage, past_end: PastEnd) -> bool | None:
    """Whether there are more rows than the server counts."""
    if past_end is PastEnd.MORE or len(ids(first)) > first.total_rows:
        return True
    end = known.page(Question.END)
    is_exact = end is None or end.rows_per_page == past_end_size(known)
    return False if past_end in {PastEnd.EMPTY, PastEnd.NOT_FOUND} and is_exact else None


def past_end_size(known: Known) -> int:
    """Rows that the page past the end was asked to take."""
    return next(answer.step.per_page for answer in known.answers if answer.step.question is Question.END)


def judge_order(first: RawPage) -> Order:
    """In which order the rows of a page came."""
    times = [row.created_at for row in first.data]
    if len(times) < _ORDERED_ROWS or len(set(times)) == 1:
        return Order.UNKNOWN
    if all(one <= other for one, other in pairwise(times)):
        return Order.OLDEST_FIRST
    return Order.NEWEST_FIRST if all(one >= other for one, other in pairwise(times)) else Order.NONE
