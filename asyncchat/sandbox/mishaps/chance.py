"""Chance: numbers that hang on the seed, on what is asked and on how often, not on the order of arrival."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable

    from asyncchat.sandbox.serving.answers import Call

_REMEMBERED: Final = 100_000  # requests whose repetitions are counted
_BITS: Final = 53


def fraction(*parts: object) -> float:
    """A number from 0 up to 1 without it, always the same one for the same parts."""
    digest = blake2b(repr(parts).encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return (int.from_bytes(digest) >> 64 - _BITS) / (1 << _BITS)


class Chance:
    """A source of chance that gives two runs with the same requests the same numbers, side by side or not.

    Args:
        seed: Another seed gives other numbers.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._seen: Counter[Hashable] = Counter()

    def draw(self, purpose: str, call: Call) -> float:
        """A number from 0 up to 1 without it.

        Args:
            purpose: What it is for; each purpose has its own sequence.
            call: What is asked; each request has its own sequence too.
        """
        key = (purpose, call.method, call.path, call.query)
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[key] += 1
        return fraction(self._seed, *key, self._seen[key])
