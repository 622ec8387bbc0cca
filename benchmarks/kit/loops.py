"""Kinds of event loops."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Callable


def loops() -> list[str]:
    """The kinds that are installed."""
    return [kind for kind in ("asyncio", "uvloop") if importlib.util.find_spec(kind) is not None]


def best_loop() -> str:
    """The quickest kind that is installed."""
    return loops()[-1]


def make_loop(kind: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes event loops of a kind."""
    if kind == "asyncio":
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory
