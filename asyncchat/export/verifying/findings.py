"""What a verification has found so far, told to its observer."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from asyncchat import RawRow
from asyncchat.export.destinations.base import Batch
from asyncchat.export.progress import RequestCount
from asyncchat.export.questions import Reading
from asyncchat.export.verifying.report import Difference, VerifyObserver, VerifyProgress


class Findings(RequestCount):
    """Collects differences and counts.

    Args:
        as_of: The second up to which the destination claims to be complete.
        observer: Is told of every change; None: nobody.
        keeps_missing: Whether the rows that are missing are kept, to be put in.

    Attributes:
        missing: Those rows.
        differences: Where the two differ.
        uncertain: What the server gave no steady answer about.
        windows: Windows of conversations that were counted.
        conversations: Conversations whose messages were counted.
        total: How many there are to count.
        newer: Messages that have come since.
    """

    def __init__(self, as_of: int, observer: VerifyObserver | None, *, keeps_missing: bool) -> None:
        super().__init__()
        self.as_of = as_of
        self.keeps_missing = keeps_missing
        self.missing: list[Batch] = []
        self.differences: list[Difference] = []
        self.uncertain: list[str] = []
        self.windows = self.conversations = self.total = self.newer = 0
        self._observer = observer

    def note(
        self,
        kind: str,
        where: str,
        *,
        missing: Collection[RawRow] = (),
        extra: Collection[int] = (),
        changed: Collection[RawRow] = (),
        conversation_id: int | None = None,
    ) -> None:
        """Note rows that are on one side only, or that are on both in another form.

        Args:
            kind: Of the rows.
            where: The window, or the conversation.
            missing: Rows that the server has and the destination has not.
            extra: Ids of rows that the destination has and the server has not.
            changed: Rows as the server has them, which the destination has otherwise.
            conversation_id: Whose messages they are.
        """
        ids = sorted(row.id for row in missing)
        other = sorted(row.id for row in changed)
        if not ids and not extra and not other:
            return
        told = Difference(kind=kind, where=where, missing=tuple(ids), extra=tuple(sorted(extra)), changed=tuple(other))
        self.differences.append(told)
        if (ids or other) and self.keeps_missing:
            rows = (*missing, *changed)
            self.missing.append(Batch(kind=kind, rows=rows, conversation_id=conversation_id))
        self.tell()

    def forget(self, kind: str) -> None:
        """Drop the differences of a kind, which is compared once more."""
        self.differences[:] = [each for each in self.differences if each.kind != kind]
        self.missing[:] = [each for each in self.missing if each.kind != kind]

    def missing_ids(self, kind: str) -> set[int]:
        """The ids of rows of a kind that are missing, as far as known."""
        return {row_id for each in self.differences if each.kind == kind for row_id in each.missing}

    def rows_of(self, reading: Reading) -> dict[int, RawRow]:
        """The rows that were read, by id; that they may not be all is noted where it is so."""
        if reading.certificate is None:
            self.uncertain.append(reading.doubt)
        return {row.id: row for row in reading.rows}

    def claimed(self, rows: Iterable[RawRow]) -> list[RawRow]:
        """Of some rows those from the time up to which the destination claims to be complete."""
        return [row for row in rows if math.floor(row.created_at.timestamp()) <= self.as_of]

    def tell(self) -> None:
        """Tell the observer."""
        if self._observer is not None:
            self._observer(
                VerifyProgress(
                    windows=self.windows,
                    conversations=self.conversations,
                    conversations_total=self.total,
                    differences=len(self.differences),
                    requests=self.requests,
                    paused=self.paused,
                )
            )
