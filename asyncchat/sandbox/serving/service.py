"""The service: the API behind its token, its limits and its faults, from a call to what goes over the wire."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from attrs import evolve

from asyncchat.sandbox.mishaps.chance import Chance
from asyncchat.sandbox.mishaps.documents import RECALL, RESHAPE
from asyncchat.sandbox.serving.access import Place, judge
from asyncchat.sandbox.serving.answers import Answer, Raw, refusal
from asyncchat.sandbox.serving.bucket import Bucket, Grant, write_retry_after
from asyncchat.sandbox.serving.encodings import encoded
from asyncchat.sandbox.serving.latency import latency, pace
from asyncchat.sandbox.serving.wire import BREAK

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncchat.sandbox.audit import Audit
    from asyncchat.sandbox.behaviour import Behaviour
    from asyncchat.sandbox.mishaps.faults import Fault
    from asyncchat.sandbox.serving.answers import Call
    from asyncchat.sandbox.serving.current import Current


class Service:
    """Answers calls under `/v1`.

    Args:
        answer: The API, for calls whose token is right.
        current: How to behave; read afresh at each call.
        audit: What is told of wrong tokens.
        token: What a caller has to show.
        seed: For the latencies.
    """

    def __init__(
        self, answer: Callable[[Call], Answer], current: Current, audit: Audit, *, token: str, seed: int
    ) -> None:
        self._answer = answer
        self._current = current
        self._audit = audit
        self._token = token
        self._chance = Chance(seed)
        self._bucket = Bucket()

    @property
    def hidden(self) -> tuple[str, str]:
        """The query parameter that the token stands in now, and the token: not to be written down anywhere."""
        place = Place.parse(self._current.behaviour.auth)
        return (place.name if place.kind == "query" else "", self._token)

    async def respond(self, call: Call, fault: Fault | None) -> Answer | Raw:
        """Answer a call.

        Args:
            call: What is asked.
            fault: What shall go wrong with it.
        """
        behaviour = self._current.behaviour
        grant = self._take(behaviour)
        if behaviour.latency:
            await asyncio.sleep(self._latency(behaviour, call))
        if grant is not None and not grant.allowed:
            answer: Answer | Raw = _too_many(behaviour, grant)
        else:
            answer = self._faulty(behaviour, call, fault)
        return answer if isinstance(answer, Raw) else _dressed(answer, behaviour, grant)

    def _take(self, behaviour: Behaviour) -> Grant | None:
        if behaviour.rate_limit is None:
            self._bucket = Bucket()
            return None
        self._bucket, grant = self._bucket.take(time.monotonic(), behaviour.rate_limit, behaviour.burst)
        return grant

    def _latency(self, behaviour: Behaviour, call: Call) -> float:
        if behaviour.latency_spread == "fixed":
            return behaviour.latency
        return latency(behaviour.latency, behaviour.latency_spread, self._chance.draw("latency", call))

    def _faulty(self, behaviour: Behaviour, call: Call, fault: Fault | None) -> Answer | Raw:
        accept = call.headers.get("Accept-Encoding", "")
        if fault is None:
            return encoded(self._admit(behaviour, call), behaviour.compression, accept)
        answer = self._admit(behaviour, RECALL.get(fault.kind, _as_it_is)(call))
        if fault.kind in RESHAPE:
            answer = RESHAPE[fault.kind](fault, call, answer)
        answer = encoded(answer, behaviour.compression, accept)
        return BREAK[fault.kind](fault, call, answer) if fault.kind in BREAK else answer

    def _admit(self, behaviour: Behaviour, call: Call) -> Answer:
        place = Place.parse(behaviour.auth)
        verdict = judge(place.shown(call.headers, call.query), self._token)
        if verdict == "granted":
            return self._answer(call)
        self._audit.refused(verdict)
        message = f"the token is {verdict}: {place.hint}"
        return refusal(401, message, headers={"WWW-Authenticate": "Bearer"})


def _dressed(answer: Answer, behaviour: Behaviour, grant: Grant | None) -> Answer:
    """An answer with the headers of the rate limit, at the pace of the bandwidth."""
    if grant is not None and behaviour.rate_headers:
        answer = evolve(answer, headers={**answer.headers, **grant.headers})
    if behaviour.bandwidth is not None and answer.pace is None:
        answer = evolve(answer, pace=pace(behaviour.bandwidth))
    return answer


def _as_it_is(call: Call) -> Call:
    return call


def _too_many(behaviour: Behaviour, grant: Grant) -> Answer:
    value = write_retry_after(behaviour.retry_after, grant.wait, time.time())
    headers = {"Retry-After": value} if value else {}
    return refusal(429, f"too many requests: the limit is {behaviour.rate_limit:g} a second", headers=headers)
