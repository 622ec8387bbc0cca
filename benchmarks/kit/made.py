"""What a source of the page server makes of a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs


@attrs.frozen
class Made:
    """An answer.

    Attributes:
        status: The HTTP status.
        body: JSON in UTF-8, or what the headers say.
        headers: Further ones, each with its line end.
    """

    status: int
    body: bytes
    headers: str = ""


Make: TypeAlias = Callable[[str], Made]
"""Gives the answer to a target, such as "/v1/models?page=1"."""
