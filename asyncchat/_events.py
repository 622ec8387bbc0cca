"""What happens during a call, told to hooks as frozen values.

A hook is a callable that takes each event: `AsyncClient(hooks=[hook])`, or `chat.with_options(hooks=[hook])` for the
calls of a view, whose hooks come after the client's. They are called in turn; the log has the event before them.

In which order. One call tells

    RequestEvent, then ResponseEvent or FailureEvent           the first attempt
    PauseEvent                                                 if the server asked for patience
    LimitEvent                                                 if the client slows down
    RetryEvent, RequestEvent, ResponseEvent or FailureEvent    each further attempt
    GiveUpEvent                                                if the client does not try again what might succeed

and nothing else when it is over. Every RequestEvent is followed by a ResponseEvent or a FailureEvent of the same `call`
before its next RequestEvent, also when the call is cancelled. An auth flow that answers a challenge sends more than one
request in one attempt: each is told. Calls that run side by side mix.

Where. `AsyncClient` calls hooks in the task of the call, between two steps of it; pages that a listing fetches ahead
have tasks of their own. `Client` calls them in its background thread. Either way they see the context variables of
whoever called, so that a trace goes on. A hook that clients of several threads share has to be fit for that.

What a hook may do. It is called and not awaited, and while it runs nothing else does in that event loop: it must not
block, and hands long work to a queue or a thread. It may keep events. It may not use the blocking client that called
it. When it raises, that is logged with its traceback under `asyncchat`, and the call and the other hooks go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import attrs

Ended: TypeAlias = Literal["answer", "attempts", "deadline", "pause", "quota"]
"""Why a call is not tried again; "answer": that would change nothing."""


@attrs.frozen(kw_only=True)
class RequestEvent:
    """A request is about to be sent: its waiting for a free slot, for a pause and for the rate is over.

    Attributes:
        attempt: 1 for the first request of the call.
        url: The whole URL without anything that authorises it; None when the client has no base URL.
        headers: Sent besides the request's own. Here a hook may add some, such as a trace's `traceparent`.
        call: A number that all events of one call share.
    """

    method: str
    path: str
    attempt: int
    url: str | None = None
    headers: dict[str, str] = attrs.field(factory=dict)
    call: int = attrs.field(default=0, eq=False)


@attrs.frozen(kw_only=True)
class ResponseEvent:
    """An answer came, of whatever status. Its body has been read, and not been looked at yet.

    Attributes:
        size: Bytes of the body, decompressed.
        elapsed: Seconds from sending to the body's end.
        request_id: What the server calls the request, for its support; None when it does not say.
        call: A number that all events of one call share.
    """

    method: str
    path: str
    attempt: int
    status: int
    size: int
    elapsed: float
    request_id: str | None = None
    call: int = attrs.field(default=0, eq=False)


@attrs.frozen(kw_only=True)
class FailureEvent:
    """A request ended without an answer that could be read, or was cancelled.

    Attributes:
        error: The error's class, such as "APITimeoutError" or "CancelledError".
        reason: The error, in a sentence.
        elapsed: Seconds from sending to the failure.
        call: A number that all events of one call share.
    """

    method: str
    path: str
    attempt: int
    error: str
    reason: str
    elapsed: float
    call: int = attrs.field(default=0, eq=False)


@attrs.frozen(kw_only=True)
class RetryEvent:
    """An attempt failed, and there will be another: told before the wait.

    Attributes:
        attempt: The one that failed, from 1.
        delay: Seconds until then; more when the client is paused, or its slots are taken.
        error: The error's class, such as "ServerError".
        reason: The error, in a sentence.
        call: A number that all events of one call share.
    """

    method: str
    path: str
    attempt: int
    delay: float
    error: str
    reason: str
    call: int = attrs.field(default=0, eq=False)


@attrs.frozen(kw_only=True)
class GiveUpEvent:
    """A call ends with an error that might have passed: it is not tried again.

    Attributes:
        attempt: Requests that were sent for it.
        ended: What ended it: "attempts" are used up, the "deadline" has passed or would, the retry "quota" is empty, or
            the server asks for a longer "pause" than the call can wait.
        error: The error's class, such as "ServerError".
        reason: The error, in a sentence.
        elapsed: Seconds from the call's start.
        call: A number that all events of one call share.
    """

    method: str
    path: str
    attempt: int
    ended: Ended
    error: str
    reason: str
    elapsed: float
    call: int = attrs.field(default=0, eq=False)


@attrs.frozen(kw_only=True)
class LimitEvent:
    """The client slows down after a 429, a 503 or a timeout. That it goes faster again is not told.

    Attributes:
        concurrency: Requests in flight at most from now on.
        rate: Requests a second that the server was seen to take; None: not learned.
    """

    concurrency: int
    rate: float | None


@attrs.frozen(kw_only=True)
class PauseEvent:
    """The server asked for patience: nothing is sent by this client for a while, whichever call it is for.

    Told once, by the call whose answer it was, and again only when the pause is made longer.

    Attributes:
        seconds: How long.
        status: The status that asked for it: 429 or 503; or that of an answer whose RateLimit headers say that
            nothing is left.
    """

    seconds: float
    status: int


Event: TypeAlias = RequestEvent | ResponseEvent | FailureEvent | RetryEvent | GiveUpEvent | PauseEvent | LimitEvent
Hook: TypeAlias = Callable[[Event], None]


class CountingHook:
    """A hook of a bulk job: it counts requests, and is told only of what is rare, from `RetryEvent` on.

    Making an event of each request and answer takes a job that has nothing to do but send some percent of its time.

    Attributes:
        requests: How many were sent.
        in_flight: How many of them are under way.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.in_flight = 0

    def sent(self) -> None:
        """A request is about to be sent."""
        self.requests += 1
        self.in_flight += 1

    def ended(self) -> None:
        """It was answered, has failed, or was cancelled."""
        self.in_flight -= 1

    def __call__(self, event: Event) -> None:
        """Take a `RetryEvent`, `GiveUpEvent`, `PauseEvent` or `LimitEvent`."""
