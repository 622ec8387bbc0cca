"""Whole numbers as lists for statements of SQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Final

_AT_ONCE: Final = 500
"""Ids in a statement."""


def id_lists(ids: Iterable[int]) -> Iterator[str]:
    """Ids, so many in a list as fit well into a statement."""
    numbers = iter(ids)
    while block := ",".join(str(int(each)) for each in itertools.islice(numbers, _AT_ONCE)):
        yield block
