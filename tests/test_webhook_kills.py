"""A receiver that is killed under load: what it acknowledged is in the inbox, and ends in the file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from attrs import frozen
from cli_run import spawn, until
from postgres_server import free_port

from asyncchat.sandbox import Sandbox, WebhookReport
from asyncchat.webhooks import Inbox

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(os.name != "posix", reason="a process is not killed without a word elsewhere"),
]

SECRET = "s" * 30
FEW, MANY = 5, 1_000
CONVERSATIONS, AT_ONCE = 1_000, 8


def serve(arguments: Sequence[object]) -> subprocess.Popen[str]:
    """Start a receiver; it is there when it says so."""
    process = spawn("webhook", "serve", *arguments)
    assert process.stderr is not None
    assert "receiving at" in process.stderr.readline()
    return process


def send(box: Sandbox, url: str) -> WebhookReport:
    """Send a notification of each conversation, as fast as the receiver takes them, each until it is acknowledged."""
    report = box.send_webhooks(url, count=CONVERSATIONS, attempts=10**6, backoff=0.0, timeout=5.0, duplicates=0.1)
    assert report.given_up == []
    return report


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@frozen
class Outcome:
    """What became of one campaign.

    Attributes:
        kills: How often the receiver was killed while it received.
        events: How many there were.
        retries: How often one was posted once more since no answer had come.
        twice: How often one was handed over once more.
    """

    kills: int
    events: int
    retries: int
    twice: int


def campaign(folder: Path, rnd: Random, most: int) -> Outcome:
    """Receive a campaign, and kill the receiver again and again until it is over."""
    (folder / "secret").write_text(SECRET)
    port, jsonl, inbox, kills = free_port(), folder / "events.jsonl", folder / "in.db", 0
    where = ["--event-timeout", 0.2, "--port", port, "--secret-file", folder / "secret", "--inbox", inbox]
    url = f"http://127.0.0.1:{port}/webhook/{SECRET}"
    with Sandbox(conversations=CONVERSATIONS, seed=rnd.randrange(10**6)) as box, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, box, url)
        while not sending.done() and kills < most:
            process = serve([*where, "--jsonl", jsonl])
            time.sleep(rnd.random() / 5)
            kill(process)
            kills += not sending.done()
        process = serve([*where, "--jsonl", jsonl])
        report = sending.result()
        until(lambda: is_idle(inbox), process)
        kill(process)
    lines = Counter(jsonl.read_bytes().splitlines())
    with Inbox(inbox) as opened:
        stored, stats = opened.list(most=10**6), opened.stats()
    assert stats.states.keys() == {"done"}
    assert {id_in(each.body) for each in stored} == set(report.acknowledged) == {id_in(line) for line in lines}
    assert sum(each.count for each in stored) >= len(report.acknowledged)
    twice = sum(lines.values()) - len(stored)
    assert twice <= AT_ONCE * (kills + 1)
    return Outcome(kills, len(stored), report.retries, twice)


def id_in(body: bytes) -> int:
    return int(json.loads(body)["payload"]["id"])


@pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=pytest.mark.large)])
def test_killed_under_load(tmp_path: Path, kills: int) -> None:
    """Nothing that was acknowledged is lost, nothing is handed over fewer than once; how often twice is told."""
    rnd, outcomes = Random(kills), list[Outcome]()  # noqa: S311 - a game
    while (done := sum(each.kills for each in outcomes)) < kills:
        (folder := tmp_path / str(len(outcomes))).mkdir()
        outcomes.append(campaign(folder, rnd, kills - done))
    sums = {name: sum(getattr(each, name) for each in outcomes) for name in ("events", "retries", "twice")}
    print(f"{done} kills in {len(outcomes)} campaigns: {sums}")  # noqa: T201


def is_idle(path: Path) -> bool:
    with Inbox(path) as inbox:
        return not inbox.stats().states.keys() & {"new", "taken"}
