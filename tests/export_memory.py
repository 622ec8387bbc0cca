"""A destination in memory that keeps what was committed, as one that was killed would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attrs import define, field

from asyncchat.export import Batch, ExportReport, Opened, Query


@define(kw_only=True)
class MemoryDestination:
    """Rows and marks that were committed, of the one query that it holds.

    Attributes:
        rows: What was committed, each as its kind, its conversation (None for the other kinds) and its JSON value.
        fails_at: The number of the call of `write` that fails, None: none.
    """

    name: str = "memory"
    format: str = "memory"
    query: Query | None = None
    report: ExportReport | None = None
    marks: list[str] = field(factory=list)
    rows: list[tuple[str, int | None, Any]] = field(factory=list)
    commits: int = 0
    writes: int = 0
    fails_at: int | None = None
    is_open: bool = False
    _waiting: list[tuple[str, int | None, Any]] = field(factory=list)

    def open(self, query: Query, *, fresh: bool) -> Opened:
        assert not self.is_open
        assert self.query in (None, query)
        self.is_open, self.query, self._waiting = True, query, []
        if fresh:
            self.rows, self.marks, self.report = [], [], None
        return Opened(report=self.report, marks=tuple(self.marks))

    def write(self, batch: Batch) -> None:
        assert self.is_open
        self.writes += 1
        if self.writes == self.fails_at:
            raise OSError(28, "No space left on device")
        self._waiting += [(batch.kind, batch.conversation_id, json.loads(row.json)) for row in batch.rows]

    def commit(self, marks: Sequence[str]) -> None:
        assert self.is_open
        self.commits += 1
        self.rows += self._waiting
        self.marks += marks
        self._waiting = []

    def finish(self, report: ExportReport) -> ExportReport:
        assert self.is_open
        assert not self._waiting
        self.report = report
        return report

    def close(self) -> None:
        self.is_open, self._waiting = False, []

    def of(self, kind: str) -> list[Any]:
        """The rows of a kind, by id."""
        return sorted((row for its_kind, _, row in self.rows if its_kind == kind), key=lambda row: row["id"])
