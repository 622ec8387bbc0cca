"""How a command ends before its time."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


class Terminated(BaseException):
    """SIGTERM came, and what was under way has been cleaned up."""


class EndedError(Exception):
    """A command has come to an end before its time.

    Attributes:
        message: What to tell.
        code: The exit code.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@contextlib.contextmanager
def ended_early(says: str) -> Iterator[None]:
    """Let a signal that ends what is under way be told in one line.

    Args:
        says: What becomes of what was done.

    Raises:
        EndedError: SIGINT or SIGTERM came.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise EndedError(f"interrupted: {says}", 128 + signal.SIGINT) from None
    except Terminated:
        raise EndedError(f"terminated: {says}", 128 + signal.SIGTERM) from None
