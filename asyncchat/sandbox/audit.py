"""The audit: what the sandbox counts and remembers, so that a test can tell what a client really did."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from attrs import frozen

from asyncchat.sandbox.serving.bucket import read_retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncchat._types import JSON
    from asyncchat.sandbox.serving.access import Verdict
    from asyncchat.sandbox.serving.answers import Call

REMEMBERED: Final = 10_000
"""Requests that are remembered one by one; the oldest ones are forgotten."""


@frozen
class Entry:
    """One request that is over.

    Attributes:
        serial: Its number, as in its X-Request-Id.
        time: When it came, in seconds since the epoch.
        method: Such as "GET".
        path: As sent, such as `/v1/models/7`.
        query: As sent, without the token.
        status: What it was answered; None: it was given up, or got no answer.
        fault: The kind of fault that struck it; None: none did.
        in_flight: Requests that were under way when it came, with itself.
        user_agent: As sent.
    """

    serial: int
    time: float
    method: str
    path: str
    query: str
    status: int | None
    fault: str | None
    in_flight: int
    user_agent: str


@frozen
class Visit:
    """A request under way: its number, when it came, and how many were under way then."""

    serial: int
    time: float
    in_flight: int


class Audit:
    """Counters and a log of requests, safe to read from any thread.

    Args:
        now: Seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._in_flight = 0
        self._open = 0
        self._hold = 0.0
        self._clear()

    def _clear(self) -> None:
        self._requests = 0
        self._peak = self._in_flight
        self._accepted = 0
        self._early = 0
        self._log: deque[Entry] = deque(maxlen=REMEMBERED)
        self._paths: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._faults: Counter[str] = Counter()
        self._verdicts: Counter[Verdict] = Counter()

    def begin(self, serial: int, template: str) -> Visit:
        """Count a request that has arrived.

        Args:
            serial: Its number.
            template: The path in the contract's spelling, such as `/models/{model_id}`.
        """
        with self._lock:
            now = self._now()
            self._requests += 1
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
            self._paths[template] += 1
            self._early += now < self._hold
            return Visit(serial, now, self._in_flight)

    def end(self, visit: Visit, call: Call, status: int | None, fault: str | None, hidden: tuple[str, str]) -> None:
        """Count and remember a request that is over.

        Args:
            visit: What `begin` gave.
            call: What was asked.
            status: None: it was given up before it had an answer, or got none.
            fault: The kind of fault that struck it.
            hidden: The query parameter of the token, and the token.
        """
        query = urlencode([pair for pair in call.query if pair[0] != hidden[0] and hidden[1] not in pair])
        agent = call.headers.get("User-Agent", "")
        entry = Entry(visit.serial, visit.time, call.method, call.path, query, status, fault, visit.in_flight, agent)
        with self._lock:
            self._in_flight -= 1
            self._log.append(entry)
            if status is not None:
                self._statuses[status] += 1
            if fault is not None:
                self._faults[fault] += 1

    def told_to_wait(self, retry_after: str) -> None:
        """Remember a Retry-After that went out, so that those who come before it has passed are counted."""
        with self._lock:
            self._hold = max(self._hold, read_retry_after(retry_after, self._now()))

    def refused(self, verdict: Verdict) -> None:
        """Count a token that was missing or wrong."""
        with self._lock:
            self._verdicts[verdict] += 1

    def connected(self) -> None:
        """Count a connection that was accepted."""
        with self._lock:
            self._open += 1
            self._accepted += 1

    def disconnected(self) -> None:
        """Count a connection that is gone."""
        with self._lock:
            self._open -= 1

    def reset(self) -> None:
        """Start again from nothing; what is in flight or open now stays counted as such."""
        with self._lock:
            self._clear()

    def log(self) -> list[Entry]:
        """The last requests, in the order in which they were over."""
        with self._lock:
            return list(self._log)

    def summary(self) -> dict[str, JSON]:
        """Every counter, as a dict for JSON."""
        with self._lock:
            return {
                "requests": self._requests,
                "by_path": dict(sorted(self._paths.items())),
                "by_status": {str(status): count for status, count in sorted(self._statuses.items())},
                "by_fault": dict(sorted(self._faults.items())),
                "in_flight": self._in_flight,
                "peak_in_flight": self._peak,
                "before_retry_after": self._early,
                "connections_open": self._open,
                "connections_accepted": self._accepted,
                "without_token": self._verdicts["missing"],
                "wrong_token": self._verdicts["wrong"],
            }
