"""Seconds that two windows share."""

from __future__ import annotations

import math
from collections.abc import Iterable

from asyncchat.export.windows import Row, Span


class Seams:
    """Sees that a row in a second that two windows share is kept once."""

    def __init__(self) -> None:
        self._seen: dict[int, set[int]] = {}
        self._added: list[int] = []
        self._found: list[tuple[int, int]] = []

    def add(self, spans: Iterable[Span]) -> None:
        """Note where windows meet."""
        for span in spans:
            if span.since is not None and span.since not in self._seen:
                self._seen[span.since] = set()
                self._added.append(span.since)

    def is_new(self, row: Row) -> bool:
        """Whether a row has not been kept yet. A row in no shared second always is new."""
        second = math.floor(row.created_at.timestamp())
        seen = self._seen.get(second)
        if seen is None:
            return True
        if row.id in seen:
            return False
        seen.add(row.id)
        self._found.append((second, row.id))
        return True

    def take_changes(self) -> tuple[list[int], list[tuple[int, int]]]:
        """The shared seconds, and the rows in such (each as its second and its id), that came since the last time."""
        added, found = self._added, self._found
        self._added, self._found = [], []
        return added, found

    def apply(self, seconds: Iterable[int], rows: Iterable[tuple[int, int]]) -> None:
        """Take over what `take_changes` has told.

        Raises:
            KeyError: A row is in a second that is not shared.
        """
        for second in seconds:
            self._seen[second] = set()
        for second, row_id in rows:
            self._seen[second].add(row_id)
