"""Counts what an export does, and tells an observer."""

from __future__ import annotations

from collections import Counter

from asyncchat import Event, PauseEvent, RequestEvent, ResponseEvent, RetryEvent
from asyncchat.export.report import Observer, Progress


class Tally:
    """The figures of a run. Every change is told to the observer as a `Progress`.

    Attributes:
        rows: Rows written, by kind.
        requests: Requests sent.
        retries: Of these, how many were further attempts.
    """

    def __init__(self, observer: Observer | None) -> None:
        self._observer = observer
        self.rows: Counter[str] = Counter()
        self.requests = 0
        self.retries = 0
        self._windows = 0
        self._conversations = 0
        self._done = 0
        self._paused: str | None = None

    def on_event(self, event: Event) -> None:
        """Take an event of the client."""
        if isinstance(event, RequestEvent):
            self.requests += 1
            self._paused = None
        elif isinstance(event, RetryEvent):
            self.retries += 1
            self._paused = f"{event.reason.split('. ')[0]}: again in {event.delay:.1f} s"
        elif isinstance(event, PauseEvent):
            self._paused = f"the server asked for patience ({event.status}): {event.seconds:.0f} s"
        if not isinstance(event, ResponseEvent):
            self._tell()

    def wrote(self, kind: str, count: int) -> None:
        """Count rows."""
        self.rows[kind] += count
        self._tell()

    def expects(self, conversations: int) -> None:
        """Note how many conversations there are."""
        self._conversations = conversations
        self._tell()

    def accepted_window(self) -> None:
        """Count a window."""
        self._windows += 1
        self._tell()

    def finished(self, conversations: int) -> None:
        """Count conversations that are there with all that is wanted of them."""
        self._done += conversations
        self._tell()

    def _tell(self) -> None:
        if self._observer is not None:
            self._observer(
                Progress(
                    rows=dict(self.rows),
                    conversations_total=self._conversations,
                    conversations_done=self._done,
                    windows=self._windows,
                    requests=self.requests,
                    retries=self.retries,
                    paused=self._paused,
                )
            )
