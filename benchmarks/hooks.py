"""What hooks add to a call over a transport that answers at once: no hook, one that does nothing, OpenTelemetry's.

OpenTelemetry has no SDK here: its API alone records nothing. Candidates take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import time
from collections.abc import Mapping
from typing import Final

from asyncchat import AsyncClient, Hook, Request, Response
from asyncchat.integrations.otel import OpenTelemetryHook
from asyncchat.testing import MockTransport
from benchmarks.kit.chart import Bars
from benchmarks.kit.figures import Spread
from benchmarks.kit.output import Record, Result
from benchmarks.kit.rounds import take_turns

NONE: Final = "no hook"
CANDIDATES: Final[Mapping[str, tuple[Hook, ...]]] = {
    NONE: (),
    "a hook that does nothing": (lambda _: None,),
    "OpenTelemetryHook, without an SDK": (OpenTelemetryHook(),),
}


async def microseconds(hooks: tuple[Hook, ...], calls: int) -> float:
    """CPU time of a call, in microseconds."""
    transport = MockTransport(lambda _: Response(status=200))
    request = Request("GET", "/models/7")
    async with AsyncClient("https://chat.example.com/v1", transport=transport, hooks=hooks) as chat:
        began = time.process_time()
        for _ in range(calls):
            await chat.request(request)
        return (time.process_time() - began) / calls * 1e6


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=2_000, help="in a round, of each candidate")


def run(given: argparse.Namespace) -> Result:
    """Measure the microseconds of a call, and what is added to those without a hook."""

    def once(hooks: tuple[Hook, ...]) -> float:
        return asyncio.run(microseconds(hooks, given.calls))

    taken = take_turns({name: functools.partial(once, hooks) for name, hooks in CANDIDATES.items()}, given.rounds)
    records: list[Record] = [
        {
            "candidate": name,
            "us a call": Spread.of(times),
            "added": Spread.of(a - b for a, b in zip(times, taken[NONE], strict=True)),
        }
        for name, times in taken.items()
    ]
    chart = Bars("microseconds of CPU for a call", {each["candidate"]: each["us a call"] for each in records})
    return Result(records=records, charts=[chart])
