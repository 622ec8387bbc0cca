"""Odd values: times, texts and ids in forms that a client may meet and that a careful server never sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from asyncchat._types import JSON

Change: TypeAlias = "Callable[[str], JSON]"


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


STAMPS: Final[Mapping[str, Change]] = MappingProxyType(
    {
        "z": lambda stamp: _moment(stamp).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "colon": lambda stamp: f"{stamp[:-2]}:{stamp[-2:]}",
        "fractions": lambda stamp: f"{stamp[:-5]}.123456{stamp[-5:]}",
        "milliseconds": lambda stamp: int(_moment(stamp).timestamp() * 1000),
        "zero": lambda _: 0,
        "year-9999": lambda _: "9999-12-31T23:59:59+0700",
        "no-zone": lambda stamp: stamp[:-5],
        "null": lambda _: None,
        "empty": lambda _: "",
        "no-such-day": lambda _: "2025-02-30T05:05:05+0700",
    }
)
"""From a stamp of the contract to the same time in another form, or to none at all."""

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nul": "before\0after",
        "surrogate": "half a smile: \ud83d",
        "ansi": "\x1b[2J\x1b[31mred",
        "osc-52": "\x1b]52;c;cm0gLXJmIH4=\x07",
        "osc-8": "\x1b]8;;http://elsewhere.invalid/\x07click\x1b]8;;\x07",
        "c1": "\x9b2J",
        "carriage-return": "real\rfake",
        "right-to-left": "invoice\u202efdp.exe",
        "formula": "=cmd|' /C calc'!A0",
        "tab-formula": "\t=1+1",
        "minus": "-2+3",
        "plus": "+1+1",
        "at": "@SUM(1)",
        "quotes": 'a "quoted", one;\r\nand a line',
        "markup": "[bold]<script>alert(1)</script>[/bold]",
    }
)
"""Texts that a terminal, a spreadsheet or a database could trip over."""

IDS: Final[Mapping[str, JSON]] = MappingProxyType(
    {
        "path": "../../x",
        "slash": "a/b",
        "empty": "",
        "too-large": 2**63,
        "negative": -1,
        "zero": 0,
        "text": "123",
        "fraction": 1.5,
        "true": True,
        "null": None,
    }
)
"""Ids that are none, or that a client could put into a path."""
