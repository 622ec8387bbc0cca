"""The control routes under `/_sandbox`: truth and stats, for those who check a client; no token needed."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from asyncchat.sandbox.data.tables import KINDS, Kind
from asyncchat.sandbox.serving.answers import Answer, Call, Stream, ok, refusal, wrong_method
from asyncchat.sandbox.serving.course import Course

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asyncchat._types import JSON
    from asyncchat.sandbox.data.generate import Plan
    from asyncchat.sandbox.data.live import Live
    from asyncchat.sandbox.serving.steering import Routes, Steering

PREFIX: Final = "/_sandbox"
BATCH: Final = 1_000
"""Rows that are read in one go; other requests get their turn between two batches."""


class Control:
    """The control routes: the truth of rows that may change, how they change, and the steering."""

    def __init__(self, live: Live, plan: Plan, steering: Steering) -> None:
        self._live = live
        self._plan = plan
        lists: Routes = {f"/truth/{kind}": {"GET": partial(self._list, kind)} for kind in KINDS}
        self._routes: Routes = {"/truth": {"GET": self._truth}, **lists, **Course(live).routes, **steering.routes}

    async def answer(self, call: Call) -> Answer | Stream:
        """Answer a call under the prefix."""
        methods = self._routes.get(call.path.removeprefix(PREFIX))
        if methods is None:
            return refusal(404, f"there is no {call.path} here: under {PREFIX} there are {', '.join(self._routes)}")
        if call.method not in methods:
            return wrong_method(call.method, ", ".join(methods))
        return await methods[call.method](call)

    async def _truth(self, _: Call) -> Answer:
        return ok(await self.summary())

    async def _list(self, kind: Kind, _: Call) -> Stream:
        return Stream(self._lines(kind))

    async def summary(self) -> dict[str, JSON]:
        """The seed, and for every kind how many rows are visible and the sha256 of its NDJSON lines.

        `unseen` counts the rows that exist and are not visible yet; `changes` is the last serial of the log.
        """
        self._live.settle()
        unseen = Counter(row.kind for row in self._live.unseen())
        return {
            "seed": self._plan.seed,
            "changes": len(self._live.log),
            "counts": {kind: self._live.primary.count(kind) for kind in KINDS},
            "unseen": {kind: unseen[kind] for kind in KINDS},
            "sha256": {kind: await self._digest(kind) for kind in KINDS},
        }

    async def _digest(self, kind: Kind) -> str:
        digest = hashlib.sha256()
        async for lines in self._lines(kind):
            digest.update(lines)
        return digest.hexdigest()

    async def _lines(self, kind: Kind) -> AsyncIterator[bytes]:
        for rows in batches(self._live, kind):
            yield b"\n".join([*rows, b""])
            await asyncio.sleep(0)


def batches(live: Live, kind: Kind) -> Iterator[list[bytes]]:
    """Every visible row of a kind in the order of ids, some at a time.

    Rows that change between two batches are told as they are when their batch is read.
    """
    after: int | None = None
    live.settle()
    while rows := live.primary.batch(kind, after, BATCH):
        yield [line for _, line in rows]
        after = rows[-1][0]
