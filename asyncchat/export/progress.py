"""Tells an observer how far an export has come."""

from __future__ import annotations

import time

from asyncchat import CountingHook, Event, PauseEvent, RetryEvent
from asyncchat.export.ledger import Ledger
from asyncchat.export.report import Observer, Progress


def waits_for(event: RetryEvent) -> str:
    """Why a request is not sent again just now, in words."""
    return f"{event.reason.split('. ')[0]}: again in {event.delay:.1f} s"


class RequestCount(CountingHook):
    """Counts a client's requests, and knows why it waits.

    Attributes:
        retries: Requests that were further attempts.
        paused: Why nothing is sent just now, None when something is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.retries = 0
        self.paused: str | None = None

    def sent(self) -> None:
        """A request is about to be sent."""
        super().sent()
        self.paused = None

    def __call__(self, event: Event) -> None:
        """Take an event of the client."""
        if isinstance(event, RetryEvent):
            self.retries += 1
            self.paused = waits_for(event)
            self.tell()

    def tell(self) -> None:
        """Tell who observes."""


class Tally(CountingHook):
    """Counts a run's requests in a ledger, and tells every change of it to an observer as a `Progress`.

    Args:
        observer: Is told; None: nobody.
        ledger: Where the export stands.
    """

    def __init__(self, observer: Observer | None, ledger: Ledger) -> None:
        super().__init__()
        self._observer = observer
        self._ledger = ledger
        self._paused: str | None = None
        self._began = time.monotonic()
        self._done_before = ledger.conversations_done
        self._rows_before = ledger.rows.total()

    @property
    def seconds(self) -> float:
        """How long the export has taken, earlier runs included."""
        return self._ledger.seconds + self._elapsed

    def sent(self) -> None:
        """A request is about to be sent."""
        super().sent()
        self._ledger.requests += 1
        self._paused = None

    def __call__(self, event: Event) -> None:
        """Take an event of the client."""
        if isinstance(event, RetryEvent):
            self._ledger.retries += 1
            self._paused = waits_for(event)
        elif isinstance(event, PauseEvent):
            self._paused = f"the server asked for patience ({event.status}): {event.seconds:.0f} s"
        self.tell()

    def tell(self) -> None:
        """Tell the observer."""
        if self._observer is not None:
            self._observer(self._progress())

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _progress(self) -> Progress:
        ledger, seconds = self._ledger, self._elapsed
        return Progress(
            rows=dict(ledger.rows),
            conversations_total=0 if ledger.plan is None else ledger.plan.conversations,
            conversations_done=ledger.conversations_done,
            windows=ledger.windows_done,
            windows_left=ledger.work.windows,
            uncertified=len(ledger.doubts),
            requests=ledger.requests,
            retries=ledger.retries,
            in_flight=self.in_flight,
            rows_per_second=(ledger.rows.total() - self._rows_before) / seconds if seconds > 0 else 0.0,
            seconds_left=self._seconds_left(seconds),
            paused=self._paused,
        )

    def _seconds_left(self, seconds: float) -> float | None:
        """What the conversations that are left will take at this run's pace; None while it has none."""
        done = self._ledger.conversations_done - self._done_before
        if self._ledger.plan is None or not done:
            return None
        return max(0, self._ledger.plan.conversations - self._ledger.conversations_done) * seconds / done
