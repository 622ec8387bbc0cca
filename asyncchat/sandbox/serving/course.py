"""The course of things: the control routes over the clock, the traffic and the log of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from attrs import asdict

from asyncchat.sandbox.data.times import render
from asyncchat.sandbox.serving.answers import Answer, Call, Stream, ok, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from asyncchat.sandbox.data.live import Live
    from asyncchat.sandbox.serving.steering import Routes

T = TypeVar("T")
_LINES = 1_000


class Course:
    """The routes over rows that change.

    Attributes:
        routes: What answers which path and method.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self.routes: Routes = {
            "/changes": {"GET": self._changes},
            "/unseen": {"GET": self._unseen},
            "/traffic": {"POST": self._make},
            "/clock": {"GET": self._tell, "POST": self._advance},
        }

    async def _changes(self, call: Call) -> Answer | Stream:
        after = dict(call.query).get("after", "0")
        if not (after.isascii() and after.isdigit()):
            return refusal(422, f"after is {after!r}: give the serial of the last entry that is known, or 0")
        return Stream(_lines(self._live.logged(int(after))))

    async def _unseen(self, _: Call) -> Stream:
        return Stream(_lines(list(self._live.unseen())))

    async def _make(self, call: Call) -> Answer:
        try:
            serial = self._live.make(_field(call, "changes", int))
        except ValueError as error:
            return refusal(422, str(error))
        return ok({"changes": serial})

    async def _advance(self, call: Call) -> Answer:
        try:
            self._live.advance(_field(call, "advance", float))
        except ValueError as error:
            return refusal(422, str(error))
        return await self._tell(call)

    async def _tell(self, _: Call) -> Answer:
        now = self._live.clock.now()
        return ok({"time": now, "stamp": render(int(now)), "stands": self._live.clock.stands})


def _field(call: Call, name: str, kind: type[T]) -> T:
    try:
        document = msgspec.json.decode(call.body, type=dict[str, Any])
        return msgspec.convert(document[name], kind)
    except (msgspec.DecodeError, KeyError) as error:
        example = f'{{"{name}": 10}}'
        raise ValueError(f"the body must be such as {example}: {error}") from error


async def _lines(values: Sequence[Any]) -> AsyncIterator[bytes]:
    encoder = msgspec.json.Encoder()
    for first in range(0, len(values), _LINES):
        yield encoder.encode_lines([asdict(value) for value in values[first : first + _LINES]])
