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
    """

    method: str
    path: str
    attempt: int


@attrs.frozen(kw_only=True)
class ResponseEvent:
    """An answer came, of whatever status.

    Attributes:
        size: Bytes of the body, decompressed.
        elapsed: Seconds from sending to the body's end.
    """

    method: str
    path: str
    attempt: int
    status: int
    size: int
    elapsed: float


@attrs.frozen(kw_only=True)
class RetryEvent:
    """An attempt failed, and there will be another.

    Attributes:
        delay: Seconds until then.
        reason: The error, in a sentence.
    """

    method: str
    path: str
    attempt: int
    delay: float
    reason: str


@attrs.frozen(kw_only=True)
class PauseEvent:
    """The server asked for patience: nothing is sent by this client for a while.

    Attributes:
        seconds: How long.
        status: The status that asked for it.
    """

    seconds: float
    status: int


Event: TypeAlias = RequestEvent | ResponseEvent | RetryEvent | PauseEvent
Hook: TypeAlias = Callable[[Event], None]
