"""What a receiver of webhooks can take: how long an answer lasts at a steady rate, and how many fit into a second.

`steady` posts from the sandbox's sender, with a new connection for each, to `asyncchat webhook serve` in a process of
its own, which appends each event to a file, and compares what was acknowledged with what is there in the end.
`ceiling` fills an inbox as fast as it goes: over sockets, and without them; events that come at once share a commit, and
the same events one after the other do not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from asyncchat.sandbox import Sandbox
from asyncchat.webhooks import Inbox, Receiver, make_secret

AIM: Final = 0.050
"""Seconds in which 99 of 100 answers are to come."""
SECRET: Final = make_secret()


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["steady", "ceiling"], default=["steady", "ceiling"])
    parser.add_argument("--rate", type=float, default=200.0, help="notifications a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    if "steady" in given.what:
        _steady(given.rate, given.seconds)
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
