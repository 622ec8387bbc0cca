"""What the sandbox does: rows generated a second, what depth costs, pages served a second.

`python -m benchmarks sandbox --conversations 1000000 --messages-mean 1` has a page 9,000.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import aiohttp

from asyncchat.sandbox import Sandbox
from asyncchat.sandbox.data.generate import Plan
from asyncchat.sandbox.data.query import Query
from asyncchat.sandbox.data.select import View
from asyncchat.sandbox.data.store import Store
from asyncchat.sandbox.data.times import parse, render
from benchmarks.kit.costs import peak_memory
from benchmarks.kit.output import Record, Result
from benchmarks.kit.processes import worker

_PER_PAGE: Final = 100
_IN_FLIGHT: Final = 16


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--messages-mean", type=float, default=10.0)
    parser.add_argument("--pages", type=int, default=5_000)


def run(given: argparse.Namespace) -> Result:
    """Measure generating, reading deep pages, and serving."""
    records: list[Record] = []
    plan = Plan(conversations=given.conversations, messages_mean=given.messages_mean)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sandbox.sqlite"
        records += _generation(plan, file)
        records += _depth(plan, file)
    for prerendered in (False, True):
        records += _serving(given.pages, prerendered=prerendered)
    return Result(records=records)


def _line(what: str, figure: float, unit: str) -> Record:
    return {"what": what, "figure": figure, "unit": unit}


def _generation(plan: Plan, file: Path) -> Iterator[Record]:
    begin = time.perf_counter()
    store = Store.open(str(file), plan)
    seconds = time.perf_counter() - begin
    messages = store.count("messages")
    store.close()
    yield _line(f"generating {plan.conversations:,} conversations, {messages:,} messages", seconds, "s")
    yield _line("generating", messages / seconds, "messages/s")
    yield _line("the database", file.stat().st_size / 2**20, "MiB")
    yield _line("peak of memory", peak_memory(), "MiB")


def _depth(plan: Plan, file: Path) -> Iterator[Record]:
    store = Store.open(str(file), plan)
    last = min(9_000, plan.conversations // _PER_PAGE)

    def page(number: int) -> float:
        return _best(lambda: store.conversations(Query(page=number, per_page=_PER_PAGE), View()))

    first, deep = page(1), page(last)
    second = store.conversations(Query(page=last, per_page=1), View()).bodies[0]
    moment = parse(second.partition(b'"created_at":"')[2][: len(render(0))].decode())
    window = _best(lambda: store.conversations(Query(since=moment, until=moment, per_page=_PER_PAGE), View()))
    store.close()
    yield _line("page 1", first, "ms")
    yield _line(f"page {last:,}", deep, "ms")
    yield _line(f"page {last:,} / page 1", deep / first, "times")
    yield _line("a window", window, "ms")


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times) * 1_000


def _serving(pages: int, *, prerendered: bool) -> Iterator[Record]:
    name = "prerendered" if prerendered else "default"
    with Sandbox(conversations=10_000, prerendered=prerendered) as box, worker("benchmarks.sandbox:fetch") as started:
        longest = Counter(row["conversation_id"] for row in box.truth("messages")).most_common(1)[0][0]
        for path, last in (("/conversations", 100), (f"/conversations/{longest}/messages", 1)):
            begin = time.process_time()
            cost = started(url=box.base_url + path, token=box.token, last=last, pages=pages)
            cpu = time.process_time() - begin
            yield _line(f"{name} {path}, by the clock", pages / cost.wall, "pages/s")
            yield _line(f"{name} {path}, by the server's CPU", pages / cpu, "pages/s")


async def fetch(url: str, token: str, last: int, pages: int) -> None:
    """Read pages of a listing again and again, some at once."""
    numbers = iter(range(pages))
    headers = {"Authorization": f"Bearer {token}"}

    async def work(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            address = f"{url}?per_page={_PER_PAGE}&page={number % last + 1}"
            async with session.get(address) as response:
                await response.read()
                response.raise_for_status()

    async with aiohttp.ClientSession(headers=headers) as session:
        await asyncio.gather(*(work(session) for _ in range(_IN_FLIGHT)))
