"""Steering: the control routes that change what the sandbox does, and tell what it was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from attrs import asdict

from asyncchat.sandbox.behaviour import Behaviour
from asyncchat.sandbox.hooks.notices import read_campaign
from asyncchat.sandbox.mishaps.faults import read_faults
from asyncchat.sandbox.serving.answers import Answer, Call, Stream, ok, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncchat.sandbox.audit import Audit
    from asyncchat.sandbox.hooks.notices import Campaign
    from asyncchat.sandbox.hooks.sender import WebhookReport
    from asyncchat.sandbox.mishaps.script import Script
    from asyncchat.sandbox.serving.current import Current

Handler: TypeAlias = Callable[[Call], Awaitable[Answer | Stream]]
Routes: TypeAlias = Mapping[str, Mapping[str, Handler]]
"""From a path under the control prefix and a method to what answers."""


class Steering:
    """The routes over the audit, the behaviour, the script and the sender.

    Args:
        audit: What to tell.
        current: What to change.
        script: What to change.
        send: Delivers a campaign of webhooks.

    Attributes:
        routes: What answers which path and method.
    """

    def __init__(
        self, audit: Audit, current: Current, script: Script, send: Callable[[Campaign], Awaitable[WebhookReport]]
    ) -> None:
        self._audit = audit
        self._current = current
        self._script = script
        self._send = send
        self.routes: Routes = {
            "/stats": {"GET": self._stats},
            "/stats/reset": {"POST": self._reset},
            "/requests": {"GET": self._requests},
            "/behaviour": {"GET": self._behaviour, "PATCH": self._behave},
            "/faults": {"GET": self._faults, "POST": self._add, "DELETE": self._clear},
            "/webhooks": {"POST": self._webhooks},
        }

    async def _stats(self, _: Call) -> Answer:
        return ok(self._audit.summary())

    async def _reset(self, call: Call) -> Answer:
        self._audit.reset()
        return await self._stats(call)

    async def _requests(self, _: Call) -> Stream:
        return Stream(_once(msgspec.json.Encoder().encode_lines(self._audit.log())))

    async def _behaviour(self, _: Call) -> Answer:
        return ok(asdict(self._current.behaviour))

    async def _behave(self, call: Call) -> Answer:
        outcome = self._current.patch(call.body)
        if isinstance(outcome, Behaviour):
            return ok(asdict(outcome))
        return refusal(422, "; ".join(f"{problem.parameter} {problem.message}" for problem in outcome), outcome)

    async def _faults(self, _: Call) -> Answer:
        return ok([asdict(played) for played in self._script.add(())])

    async def _add(self, call: Call) -> Answer:
        try:
            self._script.add(read_faults(call.body))
        except ValueError as error:
            return refusal(422, str(error))
        return await self._faults(call)

    async def _webhooks(self, call: Call) -> Answer:
        try:
            campaign = read_campaign(call.body)
        except ValueError as error:
            return refusal(422, str(error))
        return ok(asdict(await self._send(campaign)))

    async def _clear(self, call: Call) -> Answer:
        self._script.clear()
        return await self._faults(call)


async def _once(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk
