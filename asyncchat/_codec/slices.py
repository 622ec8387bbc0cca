"""Where each row stands in a page's text, for pages that the quick reader does not take."""

from __future__ import annotations

import json
import re
from typing import Final


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)
_BETWEEN: Final = re.compile(r"[ \t\r\n,:]*")


def row_texts(text: str) -> list[str]:
    """The JSON text of each row of a page, character for character.

    Args:
        text: A page that has been read already, and is known to be sound.

    Raises:
        ValueError: It holds NaN or Infinity, which Python reads and JSON has not.
    """
    rows: list[str] = []
    at = _next(text, text.index("{") + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _next(text, at)
        if name == "data" and text[at] == "[":
            rows, at = _items(text, at)
        else:
            _, at = _DECODER.raw_decode(text, at)
        at = _next(text, at)
    return rows


def _items(text: str, at: int) -> tuple[list[str], int]:
    items: list[str] = []
    at = _next(text, at + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        items.append(text[at:end])
        at = _next(text, end)
    return items, at + 1


def _next(text: str, at: int) -> int:
    match = _BETWEEN.match(text, at)
    assert match is not None
    return match.end()
