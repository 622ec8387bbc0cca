"""A whole account for the page server: the rows of a sandbox, at a moment at which time stands."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from asyncchat.sandbox.behaviour import Behaviour
from asyncchat.sandbox.data.clock import Clock
from asyncchat.sandbox.data.generate import Plan
from asyncchat.sandbox.data.live import Live
from asyncchat.sandbox.data.store import Store
from asyncchat.sandbox.serving.answers import Call
from asyncchat.sandbox.serving.current import Current
from asyncchat.sandbox.serving.routes import Api
from benchmarks.kit.made import Made, Make

NOW: Final = 1_751_328_000
"""2025-07-01, after all that a sandbox makes up."""


def account(conversations: float, messages: float) -> Make:
    """What answers for an account.

    Args:
        conversations: How many it has.
        messages: How many each has on average.
    """
    plan = Plan(conversations=int(conversations), messages_mean=messages)
    current = Current(Behaviour())
    api = Api(Live(Store.open(":memory:", plan), current, Clock(NOW), plan), current, plan)

    def make(target: str) -> Made:
        parts = urlsplit(target)
        answer = api.answer(Call("GET", parts.path, {}, tuple(parse_qsl(parts.query))))
        return Made(answer.status, answer.body)

    return make
