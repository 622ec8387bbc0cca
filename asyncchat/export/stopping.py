"""What ends a whole export, and not only a part of it."""

from __future__ import annotations

from typing import Final

from asyncchat import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    DecodeError,
    PermissionDeniedError,
    RateLimitError,
    RetryPolicy,
    ServerError,
)

PATIENCE: Final = 300.0
"""Seconds for which an export waits for a server that answers nothing."""

RETRY: Final = RetryPolicy(attempts=6, max_backoff=60.0, max_retry_after=900.0, patience=PATIENCE)


FAILURES: Final = (APIConnectionError, APIStatusError, DecodeError)
"""What a single read may fail with, after all its attempts."""


def stops_all(error: Exception) -> bool:
    """Whether the server refuses the token, or asks to stay away for longer than a job can wait."""
    if isinstance(error, RateLimitError):
        return (error.retry_after or 0.0) > RETRY.max_retry_after
    return isinstance(error, AuthenticationError | PermissionDeniedError)


def is_away(error: Exception) -> bool:
    """Whether a server that answers so may do better later, whatever it is asked for."""
    return isinstance(error, APIConnectionError | RateLimitError | ServerError)
