"""What a verification has found so far, told to its observer."""

from __future__ import annotations

from collections.abc import Collection

from asyncchat import Event, RequestEvent, RetryEvent
from asyncchat.export.questions import Reading
from asyncchat.export.verifying.report import Difference, VerifyObserver, VerifyProgress


class Findings:
    """Collects differences and counts.

    Args:
        as_of: The second up to which the destination claims to be complete.
        observer: Is told of every change; None: nobody.

    Attributes:
        differences: Where the two differ.
        uncertain: What the server gave no steady answer about.
        windows: Windows of conversations that were counted.
        conversations: Conversations whose messages were counted.
        total: How many there are to count.
        newer: Messages that have come since.
        requests: Requests sent.
        retries: Of these, how many were further attempts.
    """

    def __init__(self, as_of: int, observer: VerifyObserver | None) -> None:
        self.as_of = as_of
        self.differences: list[Difference] = []
        self.uncertain: list[str] = []
        self.windows = self.conversations = self.total = self.newer = self.requests = self.retries = 0
        self._paused: str | None = None
        self._observer = observer

    def note(self, kind: str, where: str, *, missing: Collection[int] = (), extra: Collection[int] = ()) -> None:
        """Note rows that are on one side only."""
        if missing or extra:
            told = Difference(kind=kind, where=where, missing=tuple(sorted(missing)), extra=tuple(sorted(extra)))
            self.differences.append(told)
            self.tell()

    def rows_of(self, reading: Reading) -> dict[int, int]:
        """The second of each row that was read, by id; whether they are all is noted if it is not sure."""
        if reading.certificate is None:
            self.uncertain.append(reading.doubt)
        return {row.id: int(row.created_at.timestamp()) for row in reading.rows}

    def on_event(self, event: Event) -> None:
        """Take an event of the client."""
        if isinstance(event, RequestEvent):
            self.requests += 1
            self._paused = None
        elif isinstance(event, RetryEvent):
            self.retries += 1
            self._paused = f"{event.reason.split('. ')[0]}: again in {event.delay:.1f} s"
            self.tell()

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
                    paused=self._paused,
                )
            )
