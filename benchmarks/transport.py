"""What a call of the client costs in CPU over a bare `session.get` and `read` of the same answer.

The server is a process of its own, so that its work is not counted. The two ways take turns; the figures are medians of
rounds, in microseconds of this process's CPU for a call. The answers are an empty object, which shows the bare cost of
a call, and a page of 100 rows, plain and as gzip.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import functools
import pstats
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Final, TypeAlias

import aiohttp

from asyncchat import AsyncClient, Request
from benchmarks.kit.chart import Bars
from benchmarks.kit.figures import Spread, ratio
from benchmarks.kit.loops import loops, make_loop
from benchmarks.kit.output import Record, Result
from benchmarks.kit.processes import page_server
from benchmarks.kit.rounds import take_turns

BOUND: Final = 60.0
"""Microseconds of CPU for a call that the pipeline may cost."""
ANSWERS: Final = ("empty", "page", "page-gzip")

_Call: TypeAlias = Callable[[], Awaitable[bytes]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--calls", type=int, default=300, help="in a round, of each way")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--loop", choices=loops(), default="asyncio")
    parser.add_argument("--profile", action="store_true", help="show where the client's calls spend their time")


def run(given: argparse.Namespace) -> Result:
    """Measure a call for each answer."""
    with page_server("answers") as (base_url,), ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner(loop_factory=make_loop(given.loop)))
        if given.profile:
            runner.run(_profile(base_url, given.calls))
            return Result(records=[])
        records = list(_compared(runner, base_url, given.calls, given.rounds))
    chart = Bars("microseconds over a bare call", {each["answer"]: each["over us"] for each in records}, BOUND)
    return Result(records=records, charts=[chart])


def _compared(runner: asyncio.Runner, base_url: str, calls: int, rounds: int) -> Iterator[Record]:
    chat, session = AsyncClient(base_url, token="t0ken"), runner.run(_session())  # noqa: S106 - made up
    for name in ANSWERS:
        ways = {"bare": _bare(session, f"{base_url}/{name}"), "client": _called(chat, f"/{name}")}
        taken = take_turns(
            {way: functools.partial(_cost_in, runner, call, calls) for way, call in ways.items()}, rounds
        )
        over = Spread.of(mine - theirs for mine, theirs in zip(taken["client"], taken["bare"], strict=True))
        yield {
            "answer": name,
            "bare us": Spread.of(taken["bare"]),
            "client us": Spread.of(taken["client"]),
            "over us": over,
            "ratio": ratio(taken["client"], taken["bare"]),
            "within 60 us": over.median <= BOUND,
        }
    runner.run(chat.aclose())
    runner.run(session.close())


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


def _bare(session: aiohttp.ClientSession, url: str) -> _Call:
    async def call() -> bytes:
        async with session.get(url) as answer:
            return await answer.read()

    return call


def _called(chat: AsyncClient, path: str) -> _Call:
    async def call() -> bytes:
        return (await chat.request(Request("GET", path))).body

    return call


def _cost_in(runner: asyncio.Runner, call: _Call, calls: int) -> float:
    return runner.run(_cost(call, calls))


async def _cost(call: _Call, calls: int) -> float:
    """Microseconds of this process's CPU for a call."""
    began = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - began) / calls * 1e6


async def _profile(base_url: str, calls: int) -> None:
    async with AsyncClient(base_url, token="t0ken") as chat:  # noqa: S106 - made up
        call = _called(chat, "/empty")
        await _cost(call, calls)
        profile = cProfile.Profile()
        profile.enable()
        await _cost(call, calls)
        profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(40)
