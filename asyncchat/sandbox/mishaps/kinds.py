"""The kinds of faults, and the sizes that they have when none is given."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind: TypeAlias = Literal[
    "status",
    "redirect",
    "redirect-loop",
    "reset",
    "reset-inside",
    "truncated",
    "content-length",
    "bad-chunk",
    "silence",
    "slow",
    "cookies",
    "huge-header",
    "many-headers",
    "trailers",
    "bomb",
    "nested-encoding",
    "utf-16",
    "latin-1",
    "bom",
    "body",
    "html",
    "empty",
    "invalid-json",
    "deep",
    "envelope",
    "row",
    "stamps",
    "texts",
    "ids",
    "nulls",
    "missing",
    "extra",
    "repeated-row",
    "foreign-row",
    "unfiltered",
    "same-page",
    "empty-page",
]
Form: TypeAlias = Literal["json", "html", "empty", "answer"]
Encoding: TypeAlias = Literal["gzip", "deflate", "br", "zstd"]

SIZES: Final[Mapping[Kind, int]] = MappingProxyType(
    {
        "cookies": 100,
        "huge-header": 2**20,
        "many-headers": 10_000,
        "trailers": 100_000,
        "bomb": 2**26,
        "deep": 200_000,
    }
)
"""Kinds that have a size: cookies, bytes, headers, trailers, bytes once inflated, levels."""
