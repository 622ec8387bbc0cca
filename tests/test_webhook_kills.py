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


def serve(arguments: Sequence[object]) -> subprocess.Popen[str]:
    """Start a receiver; it is there when it says so."""
    process = spawn("webhook", "serve", *arguments)
    assert process.stderr is not None
    assert "receiving at" in process.stderr.readline()
    return process


def send(box: Sandbox, url: str) -> WebhookReport | None:
    return box.send_webhooks(url, count=100, attempts=60, backoff=0.02, timeout=5.0, duplicates=0.1)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=pytest.mark.large)])
def test_killed_under_load(tmp_path: Path, kills: int) -> None:
    """Nothing that was acknowledged is lost, nothing is handed over fewer than once; how often twice is told."""
    rnd, port, jsonl = Random(kills), free_port(), tmp_path / "events.jsonl"  # noqa: S311 - a game
    (tmp_path / "secret").write_text(SECRET)
    where = [
        "--event-timeout",
        0.2,
        "--port",
        port,
        "--secret-file",
        tmp_path / "secret",
        "--inbox",
        tmp_path / "in.db",
        "--jsonl",
        jsonl,
    ]
    url, done, acknowledged = f"http://127.0.0.1:{port}/webhook/{SECRET}", 0, 0
    with Sandbox(conversations=200) as box, ThreadPoolExecutor(1) as pool:
        while done < kills:
            sending = pool.submit(send, box, url)
            while not sending.done() and done < kills:
                process = serve(where)
                time.sleep(rnd.random() / 5)
                kill(process)
                done += 1
            process = serve(where)
            report = sending.result()
            assert report is not None
            assert report.given_up == []
            acknowledged += len(report.acknowledged)
            until(lambda: is_idle(tmp_path / "in.db"), process)
            kill(process)
    lines = Counter(jsonl.read_bytes().splitlines())
    with Inbox(tmp_path / "in.db") as inbox:
        stats, bodies = inbox.stats(), {each.body for each in inbox.list(most=10**6)}
        kept = sum(each.count for each in inbox.list(most=10**6))
    assert stats.states.keys() == {"done"}
    assert kept >= acknowledged
    whole = {json.dumps(json.loads(line), sort_keys=True) for line in lines if is_whole(line)}
    assert whole == {json.dumps(json.loads(body), sort_keys=True) for body in bodies}
    twice = sum(lines.values()) - len(bodies)
    print(f"{done} kills, {acknowledged} acknowledged, {len(bodies)} events, {twice} handed over once more")  # noqa: T201
    assert twice <= done * 8


def is_idle(path: Path) -> bool:
    with Inbox(path) as inbox:
        return not inbox.stats().states.keys() & {"new", "taken"}


def is_whole(line: bytes) -> bool:
    """Whether a line is one: a kill may have torn the last one of its time."""
    return line.endswith(b"}") and line.startswith(b"{")
