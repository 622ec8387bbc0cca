"""What an export costs: against a hand-written loop, against a plain page walk, and in memory.

The sandbox is a process of its own, with SQLite behind it, so that deep offsets cost what they cost. Exports run in
processes of their own too, whose peak memory is theirs alone.

* `raw`: JSON Lines by `export`, over an aiohttp loop that fetches the very same pages, as many at once, and writes
  their bytes: rounds take turns, the figure is the median of the ratios.
* `depth`: all conversations by windows, over a plain walk of their pages as many at once.
* `memory`: the peak memory of exports of two sizes.
* `verify`: what it takes to check an export that is intact, and one with rows missing in three windows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from asyncchat import AsyncClient, Event, RequestEvent
from asyncchat.export import VerifyReport, export, verify
from asyncchat.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN: Final = "sandbox-token"  # noqa: S105 - it opens nothing
AT_ONCE: Final = 32
SIZES: Final = {"raw": (3_000, 47.0)}
"""Conversations, and messages in each: smaller exports spend a good part of their time on beginning and ending."""


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["raw", "depth", "memory", "verify", "serve", "one"])
    parser.add_argument("--conversations", type=int, help="3,000 for raw, else 2,000")
    parser.add_argument("--messages", type=float, help="in a conversation on average; 47 for raw, else 10")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that the server takes for an answer")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--format", default="jsonl")
    parser.add_argument("--database", default=":memory:", help="a file: made on first use, and used again")
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    conversations, messages = SIZES.get(given.what, (2_000, 10.0))
    given.conversations = conversations if given.conversations is None else given.conversations
    given.messages = messages if given.messages is None else given.messages
    if given.what == "serve":
        _serve(given)
    elif given.what == "one":
        asyncio.run(_one(given.base_url, given.format, messages=given.messages > 0))
    else:
        {"raw": _raw, "depth": _depth, "memory": _memory, "verify": _verify}[given.what](given)


def _serve(given: argparse.Namespace) -> None:
    size = {"conversations": given.conversations, "messages_mean": max(given.messages, 1.0)}
    with Sandbox(database=given.database, token=TOKEN, latency=given.latency, **size) as box:
        print(box.base_url, flush=True)
        sys.stdin.read()


@contextmanager
def _sandbox(given: argparse.Namespace, conversations: int) -> Iterator[str]:
    flags = ["--conversations", str(conversations), "--messages", str(given.messages), "--database", given.database]
    flags += ["--latency", str(given.latency)]
    command = [sys.executable, __file__, "serve", *flags]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - itself
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.communicate()


# ---- raw


def _raw(given: argparse.Namespace) -> None:
    with _sandbox(given, given.conversations) as base_url:
        asyncio.run(_compare(base_url, given.rounds))


async def _compare(base_url: str, rounds: int) -> None:
    urls: list[str] = []
    await _exported(base_url, urls=urls)
    ratios, cpus = [], []
    for number in range(rounds):
        ways = [_exported(base_url), _by_hand(base_url, urls)]
        (a, a_cpu), (b, b_cpu) = [await way for way in (ways if number % 2 else ways[::-1])][:: 1 if number % 2 else -1]
        ratios.append(b / a)
        cpus.append(b_cpu / a_cpu)
    print(f"pages {len(urls):,}; throughput of export over a hand-written loop, medians of {rounds}:")
    print(f"  wall clock {statistics.median(ratios):.2f}   CPU of this process {statistics.median(cpus):.2f}")


async def _exported(base_url: str, *, urls: list[str] | None = None) -> tuple[float, float]:
    def note(event: Event) -> None:
        if urls is not None and isinstance(event, RequestEvent) and event.url is not None:
            urls.append(event.url)

    with tempfile.TemporaryDirectory() as folder:
        async with AsyncClient(
            base_url, token=TOKEN, max_concurrency=AT_ONCE, hooks=[note] if urls is not None else []
        ) as chat:
            began, cpu = time.perf_counter(), time.process_time()
            await export(chat, Path(folder) / "out")
            return time.perf_counter() - began, time.process_time() - cpu


async def _by_hand(base_url: str, urls: list[str]) -> tuple[float, float]:
    """The loop that somebody writes who needs no retries, no certificate, and nothing to go on from."""
    todo = iter(urls)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    with tempfile.TemporaryFile() as file:
        async with aiohttp.ClientSession(base_url + "/", headers=headers, connector=connector) as session:

            async def work() -> None:
                for url in todo:
                    async with session.get(url) as response:
                        body = await response.read()
                    json.loads(body)["total_rows"]
                    file.write(body)

            began, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*[work() for _ in range(AT_ONCE)])
            return time.perf_counter() - began, time.process_time() - cpu


# ---- depth


def _depth(given: argparse.Namespace) -> None:
    given.messages = 1.0
    with _sandbox(given, given.conversations) as base_url:
        asyncio.run(_walks(base_url))


async def _walks(base_url: str) -> None:
    began = time.perf_counter()
    async with AsyncClient(base_url, token=TOKEN) as chat:
        with tempfile.TemporaryDirectory() as folder:
            report = await export(chat, Path(folder) / "out", messages=False)
        by_windows = time.perf_counter() - began
        print(f"{report.rows['conversations']:,} conversations, certified: {report.certified}")
        print(f"  windows     {by_windows:8.1f} s  {report.requests:,} requests", flush=True)
        began, rows = time.perf_counter(), 0
        pager = chat.with_options(deadline=None, timeout=600.0).conversations.list(ordered=False).raw()
        async for page in pager.pages():
            rows += len(page.data)
    plain = time.perf_counter() - began
    print(f"  plain walk  {plain:8.1f} s  {rows:,} rows: {plain / by_windows:.1f} times as long")


# ---- memory


def _memory(given: argparse.Namespace) -> None:
    sizes = [given.conversations // 10, given.conversations]
    told = [_peak(given, size) for size in sizes]
    for size, one in zip(sizes, told, strict=True):
        rows = ", ".join(f"{count:,} {kind}" for kind, count in one["rows"].items())
        print(f"{size:>9,}: {rows} in {one['seconds']:.1f} s, peak {one['peak']:.1f} MB, certified: {one['certified']}")
    print(f"peak of the larger over the smaller: {told[1]['peak'] / told[0]['peak']:.2f}")


def _peak(given: argparse.Namespace, conversations: int) -> dict[str, Any]:
    with _sandbox(given, conversations) as base_url:
        command = [sys.executable, __file__, "one", "--base-url", base_url, "--format", given.format]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603 - itself
        told: dict[str, Any] = json.loads(done.stdout)
        return told


async def _one(base_url: str, form: str, *, messages: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = f"{form}:///{folder}/db" if form in {"sqlite", "duckdb"} else Path(folder) / "out"
        async with AsyncClient(base_url, token=TOKEN) as chat:
            report = await export(
                chat, target, format="jsonl" if form in {"sqlite", "duckdb"} else form, messages=messages
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"rows": dict(report.rows), "seconds": report.seconds, "peak": peak, "certified": report.certified}
    print(json.dumps(told))


# ---- verify


def _verify(given: argparse.Namespace) -> None:
    with _sandbox(given, given.conversations) as base_url:
        asyncio.run(_verified(base_url, messages=given.messages > 0))


async def _verified(base_url: str, *, messages: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = f"sqlite:///{folder}/chats.db"
        async with AsyncClient(base_url, token=TOKEN) as chat:
            report = await export(chat, target, messages=messages)
            print(f"exported {dict(report.rows)} in {report.seconds:.1f} s, {report.requests:,} requests")
            _tell("intact", await verify(chat, target))
            lost = _damage(Path(folder) / "chats.db")
            found = await verify(chat, target)
            _tell("damaged", found)
    exactly = {row_id for each in found.differences for row_id in each.missing} == lost and not found.extra
    print(f"the {len(lost)} rows that were taken out, and nothing else, found: {exactly}")


def _damage(database: Path) -> set[int]:
    """Take conversations out in three places."""
    with contextlib.closing(sqlite3.connect(database)) as held, held:
        ids = [row_id for (row_id,) in held.execute("SELECT id FROM conversations ORDER BY created_at, id")]
        lost = {ids[len(ids) * part // 10] for part in (1, 5, 9)} | {ids[len(ids) // 2 + 1]}
        held.executemany("DELETE FROM conversations WHERE id = ?", [(row_id,) for row_id in lost])
    return lost


def _tell(what: str, report: VerifyReport) -> None:
    print(
        f"{what:<8} intact: {report.intact}, {report.requests:,} requests, {report.windows:,} windows, "
        f"{report.seconds:.1f} s"
    )


if __name__ == "__main__":
    main()
