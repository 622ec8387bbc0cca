"""What happens during a call, told to hooks as frozen values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs


@attrs.frozen(kw_only=True)
class RequestEvent:
    """A request is about to be sent.

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
    """An answer came, of whatever status.

    Attributes:
        size: Bytes of the body, decompressed.
        elapsed: Seconds from sending to the body's end.
        call: A number that all events of one call share.
    """

    method: str
    path: str
    attempt: int
    status: int
    size: int
    elapsed: float
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
    """An attempt failed, and there will be another.

    Attributes:
        delay: Seconds until then.
        reason: The error, in a sentence.
        call: A number that all events of one call share.
    """

    method: str
    path: str
    attempt: int
    delay: float
    reason: str
    call: int = attrs.field(default=0, eq=False)


@attrs.frozen(kw_only=True)
class PauseEvent:
    """The server asked for patience: nothing is sent by this client for a while.

    Attributes:
        seconds: How long.
        status: The status that asked for it: 429 or 503; or that of an answer whose RateLimit headers say that
            nothing is left.
    """

    seconds: float
    status: int


Event: TypeAlias = RequestEvent | ResponseEvent | FailureEvent | RetryEvent | PauseEvent
Hook: TypeAlias = Callable[[Event], None]
