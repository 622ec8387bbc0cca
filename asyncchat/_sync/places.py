"""Where an event loop may be run besides its own thread."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

ROOM: Final = 128
"""Free file descriptors without which uvloop is not run in the main thread: it opens two there each time, and a loop
that gets none can never be run again."""

LOOK: Final = 1.0
"""Seconds between looks at them."""


class Places:
    """Decides whether a thread may run a loop.

    Loops on selectors may be run by one thread after the other, and uvloop's. Those on Windows' completion ports may
    not, as what a thread began there may end with it; nor may unknown ones.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._opens_files = type(loop).__module__ == "uvloop"
        self._is_movable = self._opens_files or isinstance(loop, asyncio.SelectorEventLoop)
        self._looked_at = float("-inf")
        self._has_room = False

    def has_this(self) -> bool:
        """Whether the thread that asks may run it."""
        return self._is_movable and sys.platform != "win32" and not runs_loop() and self._finds_room()

    def _finds_room(self) -> bool:
        if not self._opens_files or threading.current_thread() is not threading.main_thread():
            return True
        if time.monotonic() - self._looked_at > LOOK:
            self._looked_at = time.monotonic()
            self._has_room = free_descriptors() >= ROOM
        return self._has_room


def runs_loop() -> bool:
    """Whether this thread runs an event loop, of asyncio or of another library that says so."""
    told: Any = getattr(sys.modules.get("sniffio"), "thread_local", None)
    if getattr(told, "name", None) is not None:
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def free_descriptors() -> float:
    """How many more files this process may open; 0 where that cannot be told."""
    with contextlib.suppress(ImportError, OSError):
        import resource  # noqa: PLC0415 - not on Windows

        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return math.inf if most == resource.RLIM_INFINITY else most - sum(1 for _ in Path("/dev/fd").iterdir())
    return 0
