"""What one call may cost, as one frozen value."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import attrs

from asyncchat._events import CountingHook, Hook
from asyncchat._policy.retry import RetryPolicy, make_policy
from asyncchat._wire.request import check_count
from asyncchat.errors import ConfigurationError


def _seconds(_options: object, field: attrs.Attribute[Any], value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigurationError(f"{field.name} takes seconds above 0, or None for no bound, not {value!r}")


def _count(_options: object, field: attrs.Attribute[int], value: int) -> None:
    check_count(value, field.name)


def _as_tuple(hooks: Iterable[Hook]) -> tuple[Hook, ...]:
    if not isinstance(hooks, Iterable):
        raise ConfigurationError(f"hooks takes callables in a list, not {hooks!r:.80}")
    return tuple(hooks)


def _callables(_options: object, _field: object, hooks: tuple[Hook, ...]) -> None:
    for hook in hooks:
        if not callable(hook):
            raise ConfigurationError(f"hooks takes callables, not {hook!r:.80}")


def _counts(hook: Hook) -> bool:
    return isinstance(hook, CountingHook)


@attrs.frozen(kw_only=True)
class CallOptions:
    """The options of a call.

    Args:
        timeout: Seconds for one attempt, None for no bound.
        deadline: Seconds for the call with all its attempts and waits, None for no bound.
        retry: When to try again.
        per_page: Rows to ask for in a page.
        max_body: Bytes of a body at most, decompressed.
        hooks: Called with each event of the call.

    Attributes:
        counters: Those of the hooks that count requests.
        listeners: Those that are told of each request and answer.
    """

    timeout: float | None = attrs.field(default=60.0, validator=_seconds)
    deadline: float | None = attrs.field(default=180.0, validator=_seconds)
    retry: RetryPolicy = attrs.field(factory=RetryPolicy, converter=make_policy)
    per_page: int = attrs.field(default=100, validator=_count)
    max_body: int = attrs.field(default=32 * 2**20, validator=_count)
    hooks: tuple[Hook, ...] = attrs.field(default=(), converter=_as_tuple, validator=_callables)
    counters: tuple[CountingHook, ...] = attrs.field(
        init=False,
        repr=False,
        default=attrs.Factory(lambda self: tuple(hook for hook in self.hooks if _counts(hook)), takes_self=True),
    )
    listeners: tuple[Hook, ...] = attrs.field(
        init=False,
        repr=False,
        default=attrs.Factory(lambda self: tuple(hook for hook in self.hooks if not _counts(hook)), takes_self=True),
    )
