"""Insight: what a running sandbox holds, asked from any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from asyncchat.sandbox.data.live import Live, Unseen
from asyncchat.sandbox.data.tables import KINDS, Kind
from asyncchat.sandbox.lifecycle import Lifecycle
from asyncchat.sandbox.serving.control import batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncchat.sandbox.data.log import Logged
    from asyncchat.sandbox.data.rows import WireRow

T = TypeVar("T")


class Insight(Lifecycle[Live]):
    """The part of a sandbox that looks at its rows, and at the time in it."""

    def truth(self, kind: Kind) -> Iterator[WireRow]:
        """Every row as the API sends it, in the order of ids; a message also has its conversation_id.

        Args:
            kind: "models", "conversations" or "messages".

        Raises:
            RuntimeError: If the sandbox is not running.
            ValueError: If there is no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"there are no {kind!r}: ask for one of {', '.join(KINDS)}")
        background = self._running()
        rounds = batches(background.ready.result(), kind)
        while rows := background.call(lambda: next(rounds, None)):
            yield from map(msgspec.json.decode, rows)

    def changes(self, after: int = 0) -> list[Logged]:
        """The log of every row that a change touched, as `GET /_sandbox/changes` gives it.

        Args:
            after: Leave out the entries up to this serial.

        Raises:
            RuntimeError: If the sandbox is not running.
        """
        return self._in_thread(lambda live: live.logged(after))

    def unseen(self) -> list[Unseen]:
        """The rows that exist and are not visible yet, as `GET /_sandbox/unseen` gives them.

        Raises:
            RuntimeError: If the sandbox is not running.
        """
        return self._in_thread(lambda live: list(live.unseen()))

    def make_changes(self, count: int) -> int:
        """Make exactly that many changes, as `POST /_sandbox/traffic` does.

        Returns:
            The last serial of the log.

        Raises:
            RuntimeError: If the sandbox is not running.
            ValueError: If the count makes no sense.
        """
        return self._in_thread(lambda live: live.make(count))

    def advance(self, seconds: float) -> float:
        """Let time pass in the sandbox at once, as `POST /_sandbox/clock` does.

        Returns:
            Epoch seconds as the sandbox's clock has them then.

        Raises:
            RuntimeError: If the sandbox is not running.
            ValueError: If the time would go back.
        """
        return self._in_thread(lambda live: live.advance(seconds))

    def _in_thread(self, ask: Callable[[Live], T]) -> T:
        background = self._running()
        live = background.ready.result()
        return background.call(lambda: ask(live))
