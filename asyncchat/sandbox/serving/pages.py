"""Pages that were sent before, kept to be sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncchat.sandbox.serving.answers import Answer, Call

ROOM: Final = 256 * 2**20
"""Bytes of bodies that are kept; when there are more, all are dropped."""


class Pages:
    """Answers by path and query, as long as nothing changes."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Answer] = {}
        self._size = 0
        self._state: object = None

    def answer(self, call: Call, source: object, state: object, make: Callable[[Call], Answer]) -> Answer:
        """Give the answer that was given before, or make it.

        Args:
            call: What was asked.
            source: Where it is read.
            state: What answers depend on besides; another one makes all that is kept worthless.
            make: Makes an answer.
        """
        if state != self._state or self._size > ROOM:
            self._kept.clear()
            self._size = 0
            self._state = state
        key = (source, call.path, call.query)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        answer = make(call)
        if answer.status == 200:  # noqa: PLR2004 - as HTTP says
            self._kept[key] = answer
            self._size += len(answer.body)
        return answer
