"""Slots: how many requests may be in flight at once, a number that changes while calls wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Final


class Slots:
    """A counter that calls take from and give back to, first come, first served; a retry goes before new calls.

    anyio's CapacityLimiter does the same at the price of a turn of the event loop for each call.

    Args:
        total: How many there are.
    """

    def __init__(self, total: int) -> None:
        self.taken = 0
        self._total = total
        self._waiting: Final[deque[asyncio.Future[None]]] = deque()

    @property
    def total(self) -> int:
        """How many there are; when it falls below those taken, none is given until enough came back."""
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        if total != self._total:
            self._total = total
            self._hand_out()

    @property
    def all_taken(self) -> bool:
        """Whether none is free."""
        return self.taken >= self._total

    async def take(self, *, first: bool = False) -> None:
        """Wait for a slot, and take it.

        Args:
            first: Whether to go before all that wait.
        """
        if not self.all_taken and not self._waiting:
            self.taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if first else self._waiting.append)(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # it was passed over already
                    self._waiting.remove(turn)
            else:  # it was given in the same moment
                self.give_back()
            raise

    def give_back(self) -> None:
        """Give a slot back, and hand it to the next one that waits."""
        self.taken -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and not self.all_taken:
            turn = self._waiting.popleft()
            if not turn.done():  # else its call was cancelled, and has not heard of it yet
                self.taken += 1
                turn.set_result(None)
