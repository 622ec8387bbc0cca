"""What an export costs: against a hand-written loop, against a plain page walk, and in memory.

The server of `raw` has its pages ready; the others have a sandbox with SQLite behind it, so that deep offsets cost what
they cost. Exports run in processes of their own, whose peak memory is theirs alone.

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
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from asyncchat import AsyncClient
from asyncchat.export import VerifyReport, export, verify
from benchmarks.kit.costs import Cost
from benchmarks.kit.figures import ratio
from benchmarks.kit.loops import best_loop
from benchmarks.kit.output import Record, Result
from benchmarks.kit.processes import page_server, sandbox_server, worker
from benchmarks.kit.rounds import take_turns
from benchmarks.kit.sandboxed import TOKEN

SIZES: Final[Mapping[str, tuple[int, float]]] = {"raw": (3_000, 47.0)}
"""Conversations, and messages in each: smaller exports spend a good part of their time on beginning and ending."""
WHAT: Final = ("raw", "depth", "memory", "verify")
AT_ONCE: Final = 32


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("what", nargs="*", metavar="WHAT", help="raw, depth, memory, verify; all without any")
    parser.add_argument("--conversations", type=int, help="3,000 for raw, else 2,000")
    parser.add_argument("--messages", type=float, help="in a conversation on average; 47 for raw, else 10")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that the server takes for an answer")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--format", default="jsonl", help="of memory: of files, or sqlite or duckdb")
    parser.add_argument("--database", default=":memory:", help="a file: made on first use, and used again")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default=best_loop(), help="of raw")


def run(given: argparse.Namespace) -> Result:
    """Measure what was asked for."""
    studies = {"raw": _raw, "depth": _depth, "memory": _memory, "verify": _verify}
    records: list[Record] = []
    for what in given.what or WHAT:
        conversations, messages = SIZES.get(what, (2_000, 10.0))
        size = argparse.Namespace(**vars(given))
        size.conversations = conversations if given.conversations is None else given.conversations
        size.messages = messages if given.messages is None else given.messages
        records += [{"what": what, **record} for record in studies[what](size)]
    return Result(records=records)


def _line(figure: str, value: object, unit: str = "") -> Record:
    return {"figure": figure, "value": value, "unit": unit}


@contextlib.contextmanager
def _sandbox(given: argparse.Namespace, conversations: int) -> Iterator[str]:
    size = {"conversations": conversations, "messages_mean": max(given.messages, 1.0)}
    with sandbox_server(database=given.database, latency=given.latency, **size) as base_url:
        yield base_url


# ---- raw


def measure_raw(
    conversations: int, messages: float, latency: float, rounds: int, loop: str
) -> tuple[int, dict[str, list[Cost]]]:
    """How many pages an export takes, and what it and the loop by hand have cost in each round."""
    with (
        page_server("account", latencies=(latency,), conversations=conversations, messages=messages) as (base_url,),
        worker("benchmarks.candidates.raw_pages:exported", loop=loop) as ours,
        worker("benchmarks.candidates.raw_pages:by_hand", loop=loop) as hand,
    ):
        pages = ours(base_url=base_url, in_flight=AT_ONCE, notes=True).value
        ways = {
            "export": lambda: ours(base_url=base_url, in_flight=AT_ONCE, notes=False),
            "by hand": lambda: hand(base_url=base_url, in_flight=AT_ONCE, paths=pages),
        }
        return len(pages), take_turns(ways, rounds)


def _raw(given: argparse.Namespace) -> Iterator[Record]:
    pages, taken = measure_raw(given.conversations, given.messages, given.latency, given.rounds, given.loop)
    yield _line("pages", pages)
    yield _line("throughput of export over a loop by hand", throughput(taken), "by the clock")
    cpus = ratio([cost.cpu for cost in taken["by hand"]], [cost.cpu for cost in taken["export"]])
    yield _line("throughput of export over a loop by hand", cpus, "by CPU")


def throughput(taken: Mapping[str, list[Cost]]) -> Any:
    """Of the export over the loop by hand, by the clock."""
    return ratio([cost.wall for cost in taken["by hand"]], [cost.wall for cost in taken["export"]])


# ---- depth


def _depth(given: argparse.Namespace) -> Iterator[Record]:
    given.messages = 1.0
    with _sandbox(given, given.conversations) as base_url:
        yield from asyncio.run(_walks(base_url))


async def _walks(base_url: str) -> list[Record]:
    began = time.perf_counter()
    async with AsyncClient(base_url, token=TOKEN) as chat:
        with tempfile.TemporaryDirectory() as folder:
            report = await export(chat, Path(folder) / "out", messages=False)
        by_windows = time.perf_counter() - began
        began, rows = time.perf_counter(), 0
        pager = chat.with_options(deadline=None, timeout=600.0).conversations.list(ordered=False).raw()
        async for page in pager.pages():
            rows += len(page.data)
    plain = time.perf_counter() - began
    return [
        _line("conversations by windows", report.rows["conversations"]),
        _line("certified", report.certified),
        _line("windows", by_windows, "s"),
        _line("requests", report.requests),
        _line("conversations by a plain walk", rows),
        _line("plain walk", plain, "s"),
        _line("plain walk / windows", plain / by_windows, "times as long"),
    ]


# ---- memory


def _memory(given: argparse.Namespace) -> Iterator[Record]:
    sizes = [given.conversations // 10, given.conversations]
    told = [_peak(given, size) for size in sizes]
    for size, one in zip(sizes, told, strict=True):
        rows = ", ".join(f"{count:,} {kind}" for kind, count in one.value["rows"].items())
        yield _line(f"{size:,}: {rows}, certified: {one.value['certified']}", one.value["seconds"], "s")
        yield _line(f"{size:,}: peak", one.peak, "MiB")
    yield _line("peak of the larger over the smaller", told[1].peak / told[0].peak)


def _peak(given: argparse.Namespace, conversations: int) -> Cost:
    with _sandbox(given, conversations) as base_url, worker("benchmarks.export:one") as started:
        return started(base_url=base_url, form=given.format, messages=given.messages > 0)


async def one(base_url: str, form: str, *, messages: bool) -> dict[str, Any]:
    """One export, in a format or into a kind of database."""
    is_database = form in {"sqlite", "duckdb"}
    with tempfile.TemporaryDirectory() as folder:
        target = f"{form}:///{folder}/db" if is_database else Path(folder) / "out"
        async with AsyncClient(base_url, token=TOKEN) as chat:
            report = await export(chat, target, format="jsonl" if is_database else form, messages=messages)
    return {"rows": dict(report.rows), "seconds": report.seconds, "certified": report.certified}


# ---- verify


def _verify(given: argparse.Namespace) -> Iterator[Record]:
    with _sandbox(given, given.conversations) as base_url:
        yield from asyncio.run(_verified(base_url, messages=given.messages > 0))


async def _verified(base_url: str, *, messages: bool) -> list[Record]:
    with tempfile.TemporaryDirectory() as folder:
        target = f"sqlite:///{folder}/chats.db"
        async with AsyncClient(base_url, token=TOKEN) as chat:
            report = await export(chat, target, messages=messages)
            intact = await verify(chat, target)
            lost = _damage(Path(folder) / "chats.db")
            found = await verify(chat, target)
    exactly = {row_id for each in found.differences for row_id in each.missing} == lost and not found.extra
    return [
        _line(f"exported {dict(report.rows)}, {report.requests:,} requests", report.seconds, "s"),
        *_told("intact", intact),
        *_told("damaged", found),
        _line(f"the {len(lost)} rows that were taken out, and nothing else, found", exactly),
    ]


def _damage(database: Path) -> set[int]:
    """Take conversations out in three places."""
    with contextlib.closing(sqlite3.connect(database)) as held, held:
        ids = [row_id for (row_id,) in held.execute("SELECT id FROM conversations ORDER BY created_at, id")]
        lost = {ids[len(ids) * part // 10] for part in (1, 5, 9)} | {ids[len(ids) // 2 + 1]}
        held.executemany("DELETE FROM conversations WHERE id = ?", [(row_id,) for row_id in lost])
    return lost


def _told(what: str, report: VerifyReport) -> Iterator[Record]:
    yield _line(f"{what}: verified in", report.seconds, "s")
    yield _line(f"{what}: found intact", report.intact)
    yield _line(f"{what}: requests", report.requests)
    yield _line(f"{what}: windows", report.windows)
