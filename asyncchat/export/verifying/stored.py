"""The conversations that a destination holds, by time, and how they are cut into windows to be counted.

Windows are cut where no row is, so that a row belongs to one of them for sure, whatever the server keeps behind whole
seconds. Nothing here sends anything.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from asyncchat.export.destinations.contents import Kept
from asyncchat.export.windows import Span


class Stored:
    """Conversations by the second in which they began.

    Args:
        rows: Second and id of each.
        overlap: Whether windows must share a second, as the server may keep fractions behind its whole seconds. They
            share one wherever there is one without rows.
    """

    def __init__(self, rows: Iterable[tuple[int, int]], *, overlap: bool) -> None:
        self._seconds, self._ids = array("q"), array("q")
        for second, row_id in sorted(rows):
            self._seconds.append(second)
            self._ids.append(row_id)
        self._overlap = overlap

    @classmethod
    def of(cls, kept: Iterable[Kept], model_id: int | None, *, overlap: bool) -> Self:
        """Those of a model, or of all (None)."""
        ours = [each for each in kept if model_id is None or each.model_id == model_id]
        return cls([(each.second, each.id) for each in ours if each.second is not None], overlap=overlap)

    @property
    def oldest(self) -> int:
        """The second of the first one, 0 where there is none."""
        return self._seconds[0] if self._seconds else 0

    def count(self, span: Span) -> int:
        """How many are in a window."""
        low, high = self._range(span)
        return high - low

    def ids(self, span: Span) -> set[int]:
        """The ids of those in a window."""
        low, high = self._range(span)
        return set(self._ids[low:high])

    def windows(self, span: Span, size: int) -> Iterator[Span]:
        """Cut a span into windows of about so many rows."""
        low, high = self._range(span)
        since = span.since
        while high - low > size:
            at = self._place(range(low + size, min(low + 2 * size, high))) or self._place(range(low + size, high))
            if at is None:
                break
            left, right = self._cut_at(Span(since, span.until), at)
            yield left
            low, since = at, right.since
        yield Span(since, span.until)

    def halves(self, span: Span) -> tuple[Span, Span] | None:
        """Cut a window into two with about as many rows each; None where there is no place to cut it."""
        low, high = self._range(span)
        middle = (low + high) // 2
        at = self._place(sorted(range(low + 1, high), key=lambda at: abs(at - middle)))
        return None if at is None else self._cut_at(span, at)

    def _range(self, span: Span) -> tuple[int, int]:
        low = 0 if span.since is None else bisect_left(self._seconds, span.since)
        return low, bisect_right(self._seconds, span.until)

    def _place(self, places: Sequence[int]) -> int | None:
        """The first row of some before which a cut fits in: best with a second of its own, which both sides share."""
        for gap in (2,) if self._overlap else (2, 1):
            for at in places:
                if self._seconds[at] - self._seconds[at - 1] >= gap:
                    return at
        return None

    def _cut_at(self, span: Span, at: int) -> tuple[Span, Span]:
        before, after = self._seconds[at - 1], self._seconds[at]
        return Span(span.since, before if after == before + 1 else before + 1), Span(before + 1, span.until)
