"""The script: which fault strikes which request, decided from counters and seeded chance alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from attrs import define, frozen

from asyncchat.sandbox.mishaps.chance import Chance
from asyncchat.sandbox.serving.routes import PREFIX, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncchat.sandbox.mishaps.faults import Fault
    from asyncchat.sandbox.serving.answers import Call


@frozen
class Played:
    """A fault of the script and what became of it.

    Attributes:
        fault: The fault.
        seen: Requests that matched it.
        struck: Requests that it struck.
    """

    fault: Fault
    seen: int
    struck: int


@define
class _Rule:
    fault: Fault
    seen: int = 0
    struck: int = 0


class Script:
    """The faults in their order, with what they have seen; may be used from any thread.

    Args:
        seed: For the faults that strike by probability.
        faults: What the script begins with.
    """

    def __init__(self, seed: int, faults: Iterable[Fault] = ()) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._rules = [_Rule(fault) for fault in faults]
        self._chance = Chance(seed)

    def add(self, faults: Iterable[Fault]) -> list[Played]:
        """Put faults at the end, and give the whole script."""
        with self._lock:
            self._rules += [_Rule(fault) for fault in faults]
            return [Played(rule.fault, rule.seen, rule.struck) for rule in self._rules]

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._rules = []
            self._chance = Chance(self._seed)

    def rewind(self) -> None:
        """Begin the same script again, as if nothing had been asked."""
        with self._lock:
            self._rules = [_Rule(rule.fault) for rule in self._rules]
            self._chance = Chance(self._seed)

    def strike(self, call: Call) -> Fault | None:
        """Count a request, and give the fault that strikes it."""
        with self._lock:
            if not self._rules:
                return None
            matching = [(place, rule) for place, rule in enumerate(self._rules) if matches(rule.fault, call)]
            struck = [rule for place, rule in matching if self._struck(place, rule, call)]
            if not struck:
                return None
            struck[0].struck += 1
            return struck[0].fault

    def _struck(self, place: int, rule: _Rule, call: Call) -> bool:
        rule.seen += 1
        if not rule.fault.strikes(rule.seen):
            return False
        return rule.fault.probability >= 1 or self._chance.draw(f"fault {place}", call) < rule.fault.probability


def matches(fault: Fault, call: Call) -> bool:
    """Whether a fault is about a request like this one."""
    template = resolve(call.path).template
    if fault.path not in {"", template, call.path.removeprefix(PREFIX)}:
        return False
    return fault.page is None or (not template.endswith("}") and fault.page == page_of(call))


def page_of(call: Call) -> int:
    """The page that a call asks for: 1 if it names none; 0 if what it names is no number."""
    text = next((value for name, value in call.query if name == "page"), "1")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else 0  # noqa: PLR2004 - int64
