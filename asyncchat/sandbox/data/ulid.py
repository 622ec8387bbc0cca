"""ULIDs: 48 bits of milliseconds and 80 random bits in Crockford's base 32 (github.com/ulid/spec)."""

from __future__ import annotations

from itertools import product
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TRIPLES: Final = tuple(map("".join, product(_ALPHABET, repeat=3)))  # 15 bits a look-up
_MASK: Final = 0x7FFF


def ulid(milliseconds: int, randomness: int) -> str:
    """Write a ULID.

    Args:
        milliseconds: Since the epoch, below 2**45 (the year 3084), so that the first character is always 0.
        randomness: 80 random bits.
    """
    t, m, r = _TRIPLES, _MASK, randomness
    return (
        f"0{t[milliseconds >> 30]}{t[milliseconds >> 15 & m]}{t[milliseconds & m]}"
        f"{_ALPHABET[r >> 75]}{t[r >> 60 & m]}{t[r >> 45 & m]}{t[r >> 30 & m]}{t[r >> 15 & m]}{t[r & m]}"
    )
