"""Waiting for what others do, and no longer than that takes."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or the server does."""
    for _ in range(3_000):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError("it never came")
