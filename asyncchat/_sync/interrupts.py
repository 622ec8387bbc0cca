"""Interrupts are held back while the main thread runs an event loop, which they would leave in the midst of a step."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal's own functions make enumerations: 5 to 50 times as slow
import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, Self

_SIGNALS: Final = tuple(map(int, signal.valid_signals()))


def can_hold_back() -> bool:
    """Whether no handler of a signal can raise anything in this thread but the interrupt that `HeldBack` holds back.

    What a handler of the program's own raises, such as a timeout at an alarm, is meant for the code that waits. In an
    event loop it would hit a step of any task. Handlers run in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        return True
    handlers = map(_signal.getsignal, _SIGNALS)
    return not any(callable(handler) and handler is not signal.default_int_handler for handler in handlers)


class HeldBack:
    """Holds back an interrupt until its block has been left, and raises KeyboardInterrupt then.

    Args:
        note: Called at once when there is one, to end what the block does.
    """

    def __init__(self, note: Callable[[], object]) -> None:
        self._note = note
        self._is_set = False
        self._frame: FrameType | None = None
        self._has_come = False

    def __call__(self, _number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        self._has_come, self._frame = True, frame
        self._note()

    def __enter__(self) -> Self:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and _signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            with contextlib.suppress(ValueError):  # a subinterpreter: no handler runs in it
                _signal.signal(signal.SIGINT, self)
                self._is_set = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_set:
            _signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._has_come:
            signal.default_int_handler(signal.SIGINT, self._frame)


def _after_in_child() -> None:
    """Hold nothing back where another thread has forked meanwhile, whose main thread is not in such a block."""
    if isinstance(signal.getsignal(signal.SIGINT), HeldBack):
        signal.signal(signal.SIGINT, signal.default_int_handler)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)
