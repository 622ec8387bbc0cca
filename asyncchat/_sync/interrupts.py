"""Signals are held back while the main thread runs an event loop, which their handlers would leave in mid-step."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal's own functions make enumerations: 5 to 50 times as slow
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Self

_SIGNALS: Final = tuple(map(int, signal.valid_signals()))


class HeldBack:
    """Handlers of signals that are called when a block has been left, instead of in its midst.

    What they raise, such as KeyboardInterrupt or a timeout at an alarm, is meant for the code that waits. In an event
    loop it would hit a step of any task. Handlers run in the main thread only: in another one nothing is held back.

    Args:
        note: Called at once when there is a signal, to end what the block does.
    """

    def __init__(self, note: Callable[[], object]) -> None:
        self._note = note
        self._handlers: dict[int, Any] = {}
        self._came: list[tuple[int, FrameType | None]] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        self._came.append((number, frame))
        self._note()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handlers = zip(_SIGNALS, map(_signal.getsignal, _SIGNALS), strict=True)
            self._handlers = {number: handler for number, handler in handlers if callable(handler)}
            try:
                for number in self._handlers:
                    _signal.signal(number, self)
            except BaseException as exc:
                if not _is_refused(exc):  # but of a handler that was not held back yet
                    self.__exit__()
                    raise
                self._handlers = {}
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.restore()
        finally:
            self._call_next()

    def restore(self) -> None:
        """Hold nothing back any more."""
        try:
            for number, handler in self._handlers.items():
                _signal.signal(number, handler)
        except BaseException:  # of one that is back
            self.restore()
            raise

    def _call_next(self) -> None:
        if self._came:
            number, frame = self._came.pop(0)
            try:
                self._handlers[number](number, frame)
            finally:
                self._call_next()


def _is_refused(exc: BaseException) -> bool:
    """Whether no handler can be set: in a subinterpreter, where none runs. What a handler raises has a frame of it."""
    return isinstance(exc, ValueError) and exc.__traceback__ is not None and exc.__traceback__.tb_next is None


def _after_in_child() -> None:
    """Hold nothing back where another thread has forked meanwhile, whose main thread is not in such a block."""
    for held in {handler for handler in map(_signal.getsignal, _SIGNALS) if isinstance(handler, HeldBack)}:
        held.restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)
