"""Tells what happens during a call: to the log and to the hooks."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

import attrs

from asyncchat._events import (
    CountingHook,
    Event,
    FailureEvent,
    GiveUpEvent,
    Hook,
    LimitEvent,
    PauseEvent,
    RequestEvent,
    ResponseEvent,
    RetryEvent,
)

_log: Final = logging.getLogger("asyncchat")

_LINES: Final[dict[type, tuple[int, str, str]]] = {
    RequestEvent: (logging.DEBUG, "request", "%(method)s %(path)s: attempt %(attempt)d"),
    ResponseEvent: (logging.DEBUG, "response", "%(method)s %(path)s: %(status)d in %(elapsed).3f s"),
    FailureEvent: (logging.DEBUG, "failure", "%(method)s %(path)s: %(error)s after %(elapsed).3f s: %(reason)s"),
    RetryEvent: (logging.INFO, "retry", "%(method)s %(path)s: retry in %(delay).2f s: %(reason)s"),
    GiveUpEvent: (logging.WARNING, "give_up", "%(method)s %(path)s: given up (%(ended)s): %(reason)s"),
    LimitEvent: (logging.INFO, "limit", "slower: %(concurrency)d requests at once, a second: %(rate)s"),
    PauseEvent: (logging.INFO, "pause", "the server answered %(status)d: nothing is sent for %(seconds).2f s"),
}
"""Per event: the level, what `record.event` is, and the line."""
_LEFT_OUT: Final = frozenset({"url", "headers"})


def is_heard(listeners: tuple[Hook, ...]) -> bool:
    """Whether anybody hears of each request and answer; retries and pauses are always told."""
    return bool(listeners) or _log.isEnabledFor(logging.DEBUG)


def count(counters: Iterable[CountingHook], method: str) -> None:
    """Call a method of the hooks that count, such as "sent". One that raises is logged and harms nothing."""
    for counter in counters:
        try:
            getattr(counter, method)()
        except Exception:  # noqa: BLE001 - logged with its traceback
            _log.exception("a hook failed to count what was %s: %r", method, counter)


def tell(hooks: Iterable[Hook], event: Event) -> None:
    """Log an event, its fields as `extra=` of the record, and call the hooks in turn.

    A hook that raises is logged and harms nothing: who watches a call does not break it.
    """
    level, name, line = _LINES[type(event)]
    if _log.isEnabledFor(level):
        fields = attrs.asdict(event, recurse=False, filter=lambda field, _: field.name not in _LEFT_OUT)
        _log.log(level, line, fields, extra={"event": name, **fields})
    for hook in hooks:
        try:
            hook(event)
        except Exception:  # noqa: BLE001 - logged with its traceback
            _log.exception("a hook failed on a %s event: %r", name, hook)
