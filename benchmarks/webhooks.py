"""What a receiver of webhooks can take: how long an answer lasts at a steady rate, and how many fit into a second.

`steady` posts from the sandbox's sender, with a new connection for each, to `asyncchat webhook serve` in a process of
its own, which appends each event to a file, and compares what was acknowledged with what is there in the end.
`bombs` posts compressed bodies of 100 MB, and tells how long the receiver's loop stood still meanwhile.
`ceiling` fills an inbox as fast as it goes, without sockets and with them: events that come at once share a commit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import gzip
import json
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from asyncchat.sandbox import Sandbox
from asyncchat.webhooks import Inbox, Receiver, make_secret
from asyncchat.webhooks.aiohttp import serving
from benchmarks.kit.figures import Spread, ratio
from benchmarks.kit.output import Record, Result
from benchmarks.kit.rounds import take_turns

AIM: Final = 0.050
"""Seconds in which 99 of 100 answers are to come."""
STALL: Final = 0.005
"""Seconds that a bomb may hold the loop up."""
SECRET: Final = make_secret()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--only", choices=["steady", "bombs", "ceiling"], help="one part alone")
    parser.add_argument("--rate", type=float, default=200.0, help="notifications a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="for so long")
    parser.add_argument("--rounds", type=int, default=7, help="of bombs and of the ceiling")


def run(given: argparse.Namespace) -> Result:
    """Measure all parts, or one."""
    parts: dict[str, Callable[[], list[Record]]] = {
        "steady": lambda: _steady(given.rate, given.seconds),
        "bombs": lambda: asyncio.run(_bombs(given.rounds)),
        "ceiling": lambda: _ceiling(given.rounds),
    }
    return Result(records=[record for name, part in parts.items() if given.only in {None, name} for record in part()])


def _steady(rate: float, seconds: float) -> list[Record]:
    with tempfile.TemporaryDirectory() as name, Sandbox(conversations=1_000) as box:
        folder = Path(name)
        with _serving(folder) as url:
            report = box.send_webhooks(url, count=round(rate * seconds), rate=rate, duplicates=0.05)
            with Inbox(folder / "inbox.db") as inbox:
                while inbox.stats().states.keys() & {"new", "taken"}:
                    time.sleep(0.05)
                stats = inbox.stats()
        lines = len((folder / "events.jsonl").read_bytes().splitlines())
    used, acknowledged = resource.getrusage(resource.RUSAGE_CHILDREN), len(report.acknowledged)
    told = {
        "sent": report.sent,
        "acknowledged": acknowledged,
        "of these lost": acknowledged - stats.states["done"] - stats.duplicates,
        "not handed over": stats.states["done"] - lines,
        "ms until the answer, p50": report.p50 * 1e3,
        f"ms, p99 (aim {AIM * 1e3:.0f})": report.p99 * 1e3,
        "ms, slowest": report.slowest * 1e3,
        "us of CPU for each, its start included": (used.ru_utime + used.ru_stime) / report.requests * 1e6,
    }
    return [{"what": f"{rate:g}/s for {seconds:g} s: {name}", "figure": figure} for name, figure in told.items()]


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[str]:
    (folder / "secret").write_text(SECRET)
    where = ["--inbox", "inbox.db", "--secret-file", "secret", "--port", "0", "--jsonl", "events.jsonl"]
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "asyncchat", "webhook", "serve", *where], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    found = re.search(r"http://\S+?:\d+", process.stderr.readline())
    assert found is not None
    try:
        yield f"{found[0]}/webhook/{SECRET}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


async def _bombs(rounds: int) -> list[Record]:
    body = gzip.compress(b"0" * 100_000_000)
    head = (
        f"POST /webhook/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    stalls: dict[str, list[float]] = {"nothing": [], "bombs": []}
    with tempfile.TemporaryDirectory() as name, Inbox(Path(name) / "inbox.db") as inbox:
        async with serving(Receiver(inbox, secrets=SECRET), "127.0.0.1", 0) as url:
            port = int(url.rpartition(":")[2])
            for _ in range(rounds):
                stalls["nothing"].append(1e3 * await _stall_while(asyncio.sleep(0.2)))
                stalls["bombs"].append(1e3 * await _stall_while(asyncio.to_thread(_post, port, head.encode() + body)))
    return [
        {"what": f"ms that the loop stood still with {what} (aim {STALL * 1e3:.0f})", "figure": Spread.of(measured)}
        for what, measured in stalls.items()
    ]


def _post(port: int, request: bytes) -> None:
    """Post the same ten times, and see it refused."""
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            with contextlib.suppress(OSError):  # it is refused before it is all there
                sock.sendall(request)
            assert b" 415 " in sock.makefile("rb").readline()


async def _stall_while(work: Awaitable[None]) -> float:
    """The longest time of its own for which the loop came to nothing else, in seconds of CPU: others work here too."""
    task, longest = asyncio.ensure_future(work), 0.0
    while not task.done():
        begun = time.thread_time()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - begun)
    await task
    return longest


def _ceiling(rounds: int) -> list[Record]:
    one, served = "1 at once", "50 connections, one process that receives and hands over"
    ways: dict[str, Callable[[], float]] = {
        f"{at_once} at once": functools.partial(_filled, at_once) for at_once in (1, 8, 64, 512)
    }
    taken = take_turns({**ways, served: _served}, rounds)
    return [
        {"what": f"events/s kept, {name}", "figure": Spread.of(rates), "times one at a time": ratio(rates, taken[one])}
        for name, rates in taken.items()
    ]


def _served() -> float:
    """Events a second that `webhook serve` acknowledges."""
    with tempfile.TemporaryDirectory() as name, _serving(Path(name)) as url:
        return asyncio.run(_post_all(int(url.split(":")[2].split("/")[0]), count=5_000, connections=50))


async def _post_all(port: int, *, count: int, connections: int) -> float:
    numbers = iter(range(count))

    async def post() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            body = b'{"event": "e", "payload": %d}' % number
            head = f"POST /webhook/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            await reader.readexactly(len(b"kept\n"))
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*[post() for _ in range(connections)])
    return count / (time.perf_counter() - began)


def _filled(at_once: int) -> float:
    return asyncio.run(_fill(at_once))


async def _fill(at_once: int) -> float:
    """Events a second that are kept."""
    count = min(300 * at_once, 10_000)
    bodies = iter([json.dumps({"event": "e", "payload": number}).encode() for number in range(count)])
    with tempfile.TemporaryDirectory() as name:
        async with Receiver(Inbox(Path(name) / "inbox.db"), secrets=SECRET) as receiver:

            async def keep() -> None:
                for body in bodies:
                    answer = await receiver.keep(body)
                    assert answer.status == 200  # noqa: PLR2004

            begun = time.perf_counter()
            await asyncio.gather(*[keep() for _ in range(at_once)])
            return count / (time.perf_counter() - begun)
