"""The loop stands aside while another thread works on what it was given."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

LONGEST: Final = 0.01
"""Seconds that a rest lasts at most: twice as long as Python lets a thread that computes keep others waiting."""


class Rest:
    """A wait of the loop's thread until another thread needs the loop again.

    Two threads that both have something to do take the interpreter from each other: every answer that comes wakes the
    loop's, and each of its system calls lets the other one go on. A loop that rests meanwhile gives up nothing, as it
    could not have the interpreter for long, and both find their caches as they left them.
    """

    def __init__(self) -> None:
        self._ends: SimpleQueue[None] = SimpleQueue()
        self._is_on = False

    def after(self, give: Callable[[], None], *, unless: Callable[[], bool]) -> None:
        """Give another thread something to do, and rest. Called in the loop's thread.

        Args:
            give: Hands it over. Whoever gets it calls `end` when the loop is needed again.
            unless: Whether the loop is needed all the same.
        """
        while not self._ends.empty():
            self._ends.get()
        self._is_on = True  # before others are asked for, and before it is handed over: they look here afterwards
        try:
            give()
            if not unless():
                with contextlib.suppress(Empty):
                    self._ends.get(timeout=LONGEST)
        finally:
            self._is_on = False

    def end(self) -> None:
        """Let the loop go on, if it rests. May be called in any thread."""
        if self._is_on:
            self._is_on = False
            self._ends.put(None)
