"""A server that moves while it is read, in memory and without a clock: things happen between any two answers.

What it keeps to, and what exports may rely on: `created_at` and ids do not change; a row is visible at the latest
`LAG` seconds after its stamp, also in the replica; a filter looks at the stamp, or at the fraction hidden behind it;
one answer is one state. Everything else is drawn by lot, from a seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Final, Literal, TypeAlias

import attrs

from asyncchat import ExportError, Page, RawRow
from asyncchat.export.planning import plan_window
from asyncchat.export.questions import Answer, CountQuestion, Manner, Question, Reading, RowQuestion
from asyncchat.export.seams import Seams
from asyncchat.export.windows import Certificate, Span

Order: TypeAlias = Literal["created", "-created", "updated", "-updated", "id", "-id", "random"]
ORDERS: Final[tuple[Order, ...]] = ("created", "-created", "updated", "-updated", "id", "-id", "random")
PAST_ENDS: Final = ("empty", "404", "last")

START: Final = 1_700_000_000
LAG: Final = 2
NOW: Final = START + 5_000


@attrs.define(eq=False)
class Row:
    """A row of the server: its stamp in whole seconds is what it shows, `created` what filters see."""

    id: int
    created: float
    updated: float
    visible: float

    @property
    def shown(self) -> int:
        """The second that its stamp shows."""
        return math.floor(self.created)


@attrs.frozen(kw_only=True)
class Traits:
    """How the server is."""

    seed: int
    rows: int = 300
    per_page: int = 10
    order: Order = "-created"
    unstable: bool = False
    fractions: bool = False
    clump: int = 0
    updates: float = 0.0
    deletions: float = 0.0
    arrivals: float = 0.0
    late: bool = False
    replica: float = 0.0
    past_end: str = "empty"
    cap: int | None = None
    faults: float = 0.0


class MovingServer:
    """The server.

    Args:
        traits: How it is.
    """

    def __init__(self, traits: Traits) -> None:
        self.traits = traits
        self._rnd = Random(traits.seed)  # noqa: S311 - a game
        self._now = float(NOW)
        self._ids = iter(range(1, 10**9))
        self._rows: dict[int, Row] = {}
        self._before: dict[int, Row] = {}
        self.deleted: set[int] = set()
        self.requests = 0
        self.until = NOW - LAG - 1
        for _ in range(traits.rows):
            self._add(self._moment())
        if traits.updates:  # it has been in use before
            for row in self._rows.values():
                if self._rnd.random() < 0.3:
                    row.updated += self._rnd.random() * (NOW - row.updated)

    def _moment(self) -> float:
        """Rows are spread evenly, but for a second that many are in."""
        traits = self.traits
        second: float = self._rnd.randrange(START, NOW - 50)
        if traits.clump and self._rnd.randrange(traits.rows) < traits.clump:
            second = START + 1_000
        return second + (self._rnd.random() if traits.fractions else 0.0)

    def _add(self, created: float, delay: float = 0.0) -> None:
        row_id = next(self._ids)
        self._rows[row_id] = Row(row_id, created, created, created + delay)

    def must_have(self) -> set[int]:
        """The rows that no export may miss: created up to `until`, and there to the end."""
        return {row.id for row in self._rows.values() if row.shown <= self.until}

    # ---- what happens

    def _happens(self) -> None:
        rnd, traits = self._rnd, self.traits
        self._now += rnd.random() / 10
        if rnd.random() < 0.2:
            self._before = {row.id: attrs.evolve(row) for row in self._rows.values()}
        if self._rows and rnd.random() < traits.updates:
            for _ in range(rnd.randint(1, 3)):
                self._rows[rnd.choice([*self._rows])].updated = self._now
        if self._rows and rnd.random() < traits.deletions:
            gone = rnd.choice([*self._rows])
            del self._rows[gone]
            self.deleted.add(gone)
        if rnd.random() < traits.arrivals:
            delay = rnd.random() * LAG if traits.late else 0.0
            fraction = self._now if traits.fractions else math.floor(self._now)
            self._add(max(fraction - delay, self.until + 1), delay)

    # ---- what is asked

    def answer_all(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers to questions that were asked side by side: they are served in any order."""
        order = [*range(len(questions))]
        self._rnd.shuffle(order)
        answers: dict[int, Answer] = {}
        for number in order:
            answers[number] = self._served(questions[number])
        return [answers[number] for number in range(len(questions))]

    def _served(self, question: Question) -> Answer:
        while True:
            self._happens()
            self.requests += 1
            if self._rnd.random() >= self.traits.faults:  # else it was a 502, and is asked for again
                break
        if isinstance(question, RowQuestion):
            return question.id in self._rows
        if isinstance(question, CountQuestion):
            return self._page(question.span, 1).total_rows
        page = self._page(question.span, question.number)
        if page.data or question.number == 1 or self.traits.past_end == "empty":
            return page
        if self.traits.past_end == "last" and page.total_pages:
            return self._page(question.span, page.total_pages)
        return None if self.traits.past_end == "404" else page

    def page(self, span: Span | None, number: int, order: Order | None = None) -> Page[RawRow]:
        """A page, for those who ask by hand."""
        self._happens()
        self.requests += 1
        return self._page(span, number, order)

    def _page(self, span: Span | None, number: int, order: Order | None = None) -> Page[RawRow]:
        rows = self._sorted([row for row in self._state() if self._is_in(row, span)], order or self.traits.order)
        size, cap = self.traits.per_page, self.traits.cap
        total = len(rows) if cap is None else min(cap, len(rows))
        data = [to_raw(row) for row in rows[(number - 1) * size : number * size]]
        return Page(data=data, page=number, rows_per_page=size, total_pages=-(-total // size), total_rows=total)

    def _state(self) -> Iterator[Row]:
        is_replica = self._rnd.random() < self.traits.replica and self._before
        rows = self._before if is_replica else self._rows
        return (row for row in rows.values() if row.visible <= self._now)

    def _is_in(self, row: Row, span: Span | None) -> bool:
        return span is None or ((span.since is None or row.created >= span.since) and row.created <= span.until)

    def _sorted(self, rows: list[Row], order: Order) -> list[Row]:
        rnd = self._rnd
        if order == "random":
            rnd.shuffle(rows)
            return rows
        keys: dict[str, Callable[[Row], float]] = {
            "created": lambda row: row.shown,
            "updated": lambda row: row.updated,
            "id": lambda row: row.id,
        }
        key = keys[order.lstrip("-")]
        tie: Callable[[Row], float] = (lambda _: rnd.random()) if self.traits.unstable else (lambda row: row.id)
        return sorted(rows, key=lambda row: (key(row), tie(row)), reverse=order.startswith("-"))


def to_raw(row: Row) -> RawRow:
    """A row as it is sent: without its hidden fraction."""
    return RawRow(
        id=row.id,
        created_at=datetime.fromtimestamp(row.shown, UTC),
        updated_at=datetime.fromtimestamp(row.updated, UTC),
        json=b"{}",
    )


# ---- exports


@attrs.frozen(kw_only=True)
class Outcome:
    """What an export of it brought."""

    ids: Sequence[int]
    missing: frozenset[int]
    doubts: int
    certificates: frozenset[Certificate]
    requests: int

    @property
    def is_false(self) -> bool:
        """Whether something is missing and nothing says so."""
        return bool(self.missing) and not self.doubts


def export(server: MovingServer) -> Outcome:
    """An export as the engine makes it: windows that are read, or turn into smaller ones."""
    overlap = server.traits.fractions
    windows, seams = [Span(None, server.until + (1 if overlap else 0))], Seams()
    seams.add(windows)
    cap = math.inf if server.traits.cap is None or server.traits.cap > len(server._rows) else server.traits.cap
    manner = Manner(oldest=START, overlap=overlap, confirms=True, cap=cap)  # the cap is what a probe finds
    ids: list[int] = []
    certificates: set[Certificate] = set()
    lost: set[int] = set()
    doubts = 0
    while windows:
        span = windows.pop()
        found = read(server, span, attrs.evolve(manner, steps=Certificate.STEP in certificates))
        if not isinstance(found, Reading):
            seams.add(found)
            windows += found
            continue
        ids += [row.id for row in found.rows if seams.is_new(row)]
        if found.certificate is None:
            doubts += 1
            lost |= {row.id for row in server._rows.values() if span.holds(datetime.fromtimestamp(row.created, UTC))}
        else:
            certificates.add(found.certificate)
    missing = server.must_have() - set(ids)
    assert missing <= lost, "a window that was certified lacks a row"
    return Outcome(
        ids=ids,
        missing=frozenset(missing),
        doubts=doubts,
        certificates=frozenset(certificates),
        requests=server.requests,
    )


def read(server: MovingServer, span: Span, manner: Manner) -> Reading | tuple[Span, ...]:
    """One window."""
    plan = plan_window(span, manner)
    questions = next(plan)
    while True:
        try:
            questions = plan.send(server.answer_all(questions))
        except StopIteration as end:
            result: Reading | tuple[Span, ...] = end.value
            return result
        except ExportError:
            raise AssertionError("a row from outside its window") from None


# ---- and what everybody writes first


def page_walk(server: MovingServer, order: Order) -> Outcome:
    """Page after page to the end, and proud of it when there are as many rows as counted."""
    first = server.page(None, 1, order)
    pages, number = [first], 2
    while number <= pages[-1].total_pages and number < 10_000:
        pages.append(server.page(None, number, order))
        number += 1
    return _naive(server, pages, pages[-1].total_rows)


def backwards(server: MovingServer, order: Order) -> Outcome:
    """From the last page to the first, side by side, since new rows come in front."""
    first = server.page(None, 1, order)
    numbers = [*range(first.total_pages, 0, -1)]
    for at in range(0, len(numbers), 8):  # eight in flight: they are served in any order
        block = numbers[at : at + 8]
        server._rnd.shuffle(block)
        numbers[at : at + 8] = block
    pages = [server.page(None, number, order) for number in numbers]
    return _naive(server, pages, pages[-1].total_rows if pages else 0)


def _naive(server: MovingServer, pages: Sequence[Page[RawRow]], total: int) -> Outcome:
    ids = [row.id for page in pages for row in page.data]
    missing = server.must_have() - set(ids)
    return Outcome(
        ids=ids,
        missing=frozenset(missing),
        doubts=0 if len(set(ids)) == total else 1,
        certificates=frozenset(),
        requests=server.requests,
    )
