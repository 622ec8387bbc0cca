"""What to ask a server, and what is known of it so far. Nothing here sends anything."""

from __future__ import annotations

import enum
import math
from collections import Counter
from typing import Final, TypeAlias

import attrs

from asyncchat import Page, RawRow

MOST: Final = 6
"""Requests at most."""
LONGEST_PAUSE: Final = 10.0
"""Seconds that are waited where a server asks for patience; more ends the probe."""
_FIRST_TRIES: Final = 2
_MAX_PAGE: Final = 2**31 - 1
_LAST_YEAR: Final = 9998

RawPage: TypeAlias = Page[RawRow]


class Question(enum.Enum):
    """What a request is for."""

    FIRST = "the first page"
    SECOND = "the window of one second"
    UP_TO = "the rows up to a second"
    FROM = "the rows from a second on"
    END = "the page past the end"
    EDGE = "the window of two seconds"
    AGAIN = "the first page once more"


@attrs.frozen(kw_only=True)
class Step:
    """One request: a page of the conversations, with both filters in whole seconds since the epoch."""

    question: Question
    per_page: int
    page: int = 1
    since: int | None = None
    until: int | None = None


@attrs.frozen
class Answer:
    """What became of a request.

    Attributes:
        step: What was asked.
        page: What came, None if there is no page.
        is_missing: Whether that was told with a 404.
        failure: Why there is no page otherwise.
        pause: Seconds that the server asked to wait.
    """

    step: Step
    page: RawPage | None = None
    is_missing: bool = False
    failure: str = ""
    pause: float = 0.0


def second_of(row: RawRow) -> int:
    """The whole second of a row."""
    return math.floor(row.created_at.timestamp())


def pick_second(first: RawPage) -> int | None:
    """The second to ask about: inside the known rows, with as many of them as there can be; None without rows."""
    counts = Counter(second_of(row) for row in first.data if 1 < row.created_at.year <= _LAST_YEAR)
    seconds = sorted(counts)
    inner = seconds[1:-1] or seconds[-1:]
    middle = len(inner) / 2
    distances = {at: abs(i - middle) for i, at in enumerate(inner)}
    return max(inner, key=lambda at: (counts[at], -distances[at]), default=None)


@attrs.frozen
class Known:
    """The answers so far, by what they are for."""

    answers: tuple[Answer, ...]

    def asked(self, question: Question) -> int:
        """How often something was asked."""
        return sum(answer.step.question is question for answer in self.answers)

    def page(self, question: Question) -> RawPage | None:
        """The page that came, None if there is none."""
        pages = (answer.page for answer in self.answers if answer.step.question is question)
        return next((page for page in pages if page is not None), None)

    @property
    def second(self) -> int | None:
        """The second that is asked about."""
        first = self.page(Question.FIRST)
        return None if first is None else pick_second(first)

    @property
    def own(self) -> set[int]:
        """Ids of the known rows of that second."""
        first, second = self.page(Question.FIRST), self.second
        return set() if first is None else {row.id for row in first.data if second_of(row) == second}

    @property
    def is_steady(self) -> bool | None:
        """Whether the number of all rows stayed the same, None when only one answer tells it."""
        asked = (Question.FIRST, Question.END, Question.AGAIN)
        totals = [page.total_rows for page in map(self.page, asked) if page is not None]
        return len(set(totals)) == 1 if len(totals) > 1 else None

    @property
    def adds_up(self) -> bool | None:
        """Whether the counts of both sides make that of all rows, None when one is not known."""
        asked = (Question.UP_TO, Question.FROM, Question.SECOND, Question.FIRST)
        totals = [page.total_rows for page in map(self.page, asked) if page is not None]
        if len(totals) < len(asked):
            return None
        up_to, since, second, whole = totals
        return up_to + since - second == whole


def next_step(known: Known, per_page: int) -> Step | None:
    """What to ask next, None when there is nothing more to learn.

    Args:
        known: What came so far.
        per_page: Rows to ask for in a page.
    """
    if any(answer.pause > LONGEST_PAUSE for answer in known.answers):
        return None
    first = known.page(Question.FIRST)
    if first is None:
        tried = known.asked(Question.FIRST)
        return None if tried == _FIRST_TRIES else Step(question=Question.FIRST, per_page=per_page)
    if len(known.answers) >= MOST:
        return None
    return next((step for step in _steps(known, first, per_page) if not known.asked(step.question)), None)


def past_end(first: RawPage, per_page: int) -> Step:
    """The page that begins just behind the last row that is known, of the largest size that allows it."""
    rows = max(first.total_rows, len(first.data))
    most = min(per_page, first.rows_per_page) or per_page
    size = next(size for size in range(most, 0, -1) if rows % size == 0)
    page = max(rows // size, 1) + 1
    return Step(question=Question.END, per_page=size, page=min(page, _MAX_PAGE))


def _steps(known: Known, first: RawPage, per_page: int) -> list[Step]:
    """All that may be asked after the first page, in order: what counts all rows again comes after the windows."""
    at = known.second
    if at is None:
        return [past_end(first, per_page)]
    second = Step(question=Question.SECOND, per_page=per_page, since=at, until=at)
    steps = [
        second,
        Step(question=Question.UP_TO, per_page=per_page, until=at),
        Step(question=Question.FROM, per_page=per_page, since=at),
        past_end(first, per_page),
    ]
    window = known.page(Question.SECOND)
    if window is not None and not known.own & ids(window):
        steps.append(attrs.evolve(second, question=Question.EDGE, until=at + 1))
    elif known.adds_up is False and known.page(Question.END) is None:
        steps.append(Step(question=Question.AGAIN, per_page=per_page))
    return steps


def ids(page: RawPage) -> set[int]:
    """The ids of a page's rows."""
    return {row.id for row in page.data}
