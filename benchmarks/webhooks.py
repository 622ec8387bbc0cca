"""What a receiver of webhooks can take: how long an answer lasts at a steady rate, and how many fit into a second.

`steady` posts from the sandbox's sender, with a new connection for each, to `asyncchat webhook serve` in a process of
its own, which appends each event to a file, and compares what was acknowledged with what is there in the end.
`bombs` posts compressed bodies of 100 MB, and tells how long the receiver's loop stood still meanwhile.
`ceiling` fills an inbox as fast as it goes, without sockets: events that come at once share a commit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import json
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Final

from asyncchat.sandbox import Sandbox
from asyncchat.webhooks import Inbox, Receiver, make_secret
from asyncchat.webhooks.aiohttp import serving

AIM: Final = 0.050
"""Seconds in which 99 of 100 answers are to come."""
STALL: Final = 0.005
"""Seconds that a bomb may hold the loop up."""
WAYS: Final = ["steady", "bombs", "ceiling"]
SECRET: Final = make_secret()


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=WAYS, default=WAYS)
    parser.add_argument("--rate", type=float, default=200.0, help="notifications a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    if "steady" in given.what:
        _steady(given.rate, given.seconds)
    if "bombs" in given.what:
        asyncio.run(_bombs(given.rounds))
    if "ceiling" in given.what:
        _ceiling(given.rounds)


def _steady(rate: float, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name, Sandbox(conversations=1_000) as box:
        folder = Path(name)
        with _serving(folder) as url:
            report = box.send_webhooks(url, count=round(rate * seconds), rate=rate, duplicates=0.05)
            with Inbox(folder / "inbox.db") as inbox:
                while inbox.stats().states.keys() & {"new", "taken"}:
                    time.sleep(0.05)
                stats = inbox.stats()
        lines = len((folder / "events.jsonl").read_bytes().splitlines())
    events, used = stats.states["done"], resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{rate:g}/s for {seconds:g} s: {report.sent:,} sent, {report.by_answer}, {report.duplicates:,} of them again"
    )
    print(
        f"  kept {events:,} events and {stats.duplicates:,} duplicates: {len(report.acknowledged):,} acknowledged, "
        f"{len(report.acknowledged) - events - stats.duplicates:,} lost; {lines:,} lines in the file"
    )
    print(
        f"  answered in p50 {report.p50 * 1e3:.1f} ms, p99 {report.p99 * 1e3:.1f} ms (aim {AIM * 1e3:.0f}), "
        f"slowest {report.slowest * 1e3:.1f} ms; "
        f"{(used.ru_utime + used.ru_stime) / report.requests * 1e6:,.0f} us of CPU for each, its start included"
    )


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


async def _bombs(rounds: int) -> None:
    body = gzip.compress(b"0" * 100_000_000)
    head = (
        f"POST /webhook/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    stalls: dict[str, list[float]] = {"nothing": [], "bombs": []}
    with tempfile.TemporaryDirectory() as name, Inbox(Path(name) / "inbox.db") as inbox:
        async with serving(Receiver(inbox, secrets=SECRET), "127.0.0.1", 0) as url:
            port = int(url.rpartition(":")[2])
            for _ in range(rounds):
                stalls["nothing"].append(await _stall_while(asyncio.sleep(0.2)))
                stalls["bombs"].append(await _stall_while(asyncio.to_thread(_post, port, head.encode() + body)))
    for what, measured in stalls.items():
        print(
            f"the loop stood still for {statistics.median(measured) * 1e3:.2f} ms with {what}, "
            f"at most {max(measured) * 1e3:.2f} (aim {STALL * 1e3:.0f}; medians of {rounds} rounds)"
        )


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


def _ceiling(rounds: int) -> None:
    print(f"{'at once':>8}  {'events/s':>9}  of one at a time, medians of {rounds} rounds")
    rates: dict[int, list[float]] = {}
    for _ in range(rounds):
        for at_once in (1, 8, 64, 512):
            rates.setdefault(at_once, []).append(asyncio.run(_fill(at_once)))
    for at_once, measured in rates.items():
        ratio = statistics.median(many / one for many, one in zip(measured, rates[1], strict=True))
        print(f"{at_once:>8}  {statistics.median(measured):>9,.0f}  {ratio:.1f} times")


async def _fill(at_once: int) -> float:
    """Events a second that are kept."""
    count = min(300 * at_once, 10_000)
    bodies = iter([json.dumps({"event": "e", "payload": number}).encode() for number in range(count)])
    with tempfile.TemporaryDirectory(dir=os.environ.get("ASYNCCHAT_BENCH_DIR")) as name:
        async with Receiver(Inbox(Path(name) / "inbox.db"), secrets=SECRET) as receiver:

            async def keep() -> None:
                for body in bodies:
                    answer = await receiver.keep(body)
                    assert answer.status == 200  # noqa: PLR2004

            begun = time.perf_counter()
            await asyncio.gather(*[keep() for _ in range(at_once)])
            return count / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
