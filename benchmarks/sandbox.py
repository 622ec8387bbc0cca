"""What the sandbox does: rows generated a second, what depth costs, pages served a second.

`python benchmarks/sandbox.py --conversations 1000000 --messages-mean 1` has a page 9,000.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from asyncchat.sandbox import Sandbox
from asyncchat.sandbox.data.generate import Plan
from asyncchat.sandbox.data.query import Query
from asyncchat.sandbox.data.select import View
from asyncchat.sandbox.data.store import Store
from asyncchat.sandbox.data.times import parse, render

if TYPE_CHECKING:
    from collections.abc import Callable

_PER_PAGE = 100
_IN_FLIGHT = 16


def main() -> None:
    """Print one figure a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--messages-mean", type=float, default=10.0)
    parser.add_argument("--pages", type=int, default=5_000)
    parser.add_argument("--fetch", nargs=3, metavar=("URL", "TOKEN", "LAST"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fetch:
        asyncio.run(_fetch(given.fetch[0], given.fetch[1], int(given.fetch[2]), given.pages))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sandbox.sqlite"
        _generation(Plan(conversations=given.conversations, messages_mean=given.messages_mean), file)
        _depth(Plan(conversations=given.conversations, messages_mean=given.messages_mean), file)
    for prerendered in (False, True):
        _serving(given.pages, prerendered=prerendered)


def _generation(plan: Plan, file: Path) -> None:
    begin = time.perf_counter()
    store = Store.open(str(file), plan)
    seconds = time.perf_counter() - begin
    messages = store.count("messages")
    store.close()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"generated {plan.conversations:,} conversations, {messages:,} messages in {seconds:.1f} s")
    print(
        f"  {messages / seconds:,.0f} messages/s, {file.stat().st_size / 2**20:.0f} MiB on disk, {memory:.0f} MiB peak"
    )


def _depth(plan: Plan, file: Path) -> None:
    store = Store.open(str(file), plan)
    last = min(9_000, plan.conversations // _PER_PAGE)

    def page(number: int) -> float:
        return _best(lambda: store.conversations(Query(page=number, per_page=_PER_PAGE), View()))

    first, deep = page(1), page(last)
    second = store.conversations(Query(page=last, per_page=1), View()).bodies[0]
    moment = parse(second.partition(b'"created_at":"')[2][: len(render(0))].decode())
    window = _best(lambda: store.conversations(Query(since=moment, until=moment, per_page=_PER_PAGE), View()))
    print(f"page 1: {first:.3f} ms, page {last:,}: {deep:.2f} ms: {deep / first:.0f} times; a window: {window:.3f} ms")
    store.close()


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times) * 1_000


def _serving(pages: int, *, prerendered: bool) -> None:
    with Sandbox(conversations=10_000, prerendered=prerendered) as box:
        longest = Counter(row["conversation_id"] for row in box.truth("messages")).most_common(1)[0][0]
        for path, last in (("/conversations", 100), (f"/conversations/{longest}/messages", 1)):
            command = [sys.executable, __file__, "--pages", str(pages), "--fetch", box.base_url + path, box.token]
            begin = time.process_time()
            out = subprocess.run([*command, str(last)], check=True, capture_output=True, text=True)  # noqa: S603 - itself
            cpu = time.process_time() - begin
            print(f"{'prerendered' if prerendered else 'default'} {path}: {out.stdout.strip()} by the clock,", end=" ")
            print(f"{pages / cpu:,.0f} pages a second of the server's CPU")


async def _fetch(url: str, token: str, last: int, pages: int) -> None:
    numbers = iter(range(pages))
    headers = {"Authorization": f"Bearer {token}"}

    async def work(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            address = f"{url}?per_page={_PER_PAGE}&page={number % last + 1}"
            async with session.get(address) as response:
                await response.read()
                response.raise_for_status()

    async with aiohttp.ClientSession(headers=headers) as session:
        begin = time.perf_counter()
        await asyncio.gather(*(work(session) for _ in range(_IN_FLIGHT)))
        print(f"{pages / (time.perf_counter() - begin):,.0f} pages/s")


if __name__ == "__main__":
    main()
