"""What a round does about reads that fail: it goes on, and owes them to the next one, unless nothing is answered."""

from __future__ import annotations

from typing import Final

from asyncchat import AsyncChatError
from asyncchat.export.stopping import stops_all

_IN_A_ROW: Final = 10


class Setbacks:
    """Counts failures in a row."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def clear(self) -> None:
        """Note that something was read."""
        self._in_a_row = 0

    def note(self, error: AsyncChatError) -> None:
        """Note a failure.

        Raises:
            AsyncChatError: That failure, where it ends all: the token is refused, or so many have failed in a row.
        """
        self._in_a_row += 1
        if stops_all(error) or self._in_a_row >= _IN_A_ROW:
            raise error
