"""Where `asyncchat webhook serve` hands events over to: a URL, a command, a file; as posted, or as the API says."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import Request, urlopen

import pytest
from cli_run import access, complaint, ended, invoke, spawn, until
from test_webhook_events import body

from asyncchat import Client
from asyncchat.sandbox import Sandbox
from asyncchat.webhooks import Inbox

SECRET = "s" * 30


@contextlib.contextmanager
def serving(folder: Path, *arguments: object, **settings: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `webhook serve`; its URL with the secret, and its process."""
    (folder / "secret").write_text(SECRET)
    where = ["--inbox", folder / "in.db", "--secret-file", folder / "secret", "--port", 0]
    process = spawn("webhook", "serve", *where, *arguments, settings=settings)
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        found = re.match(r"asyncchat: receiving at (http://127\.0\.0\.1:\d+)/webhook/SECRET", first)
        assert found is not None, first
        yield f"{found[1]}/webhook/{SECRET}", process
    finally:
        process.kill()
        process.communicate()


def post(url: str, data: bytes) -> int:
    with urlopen(Request(url, data=data), timeout=30) as answer:  # noqa: S310 - our own server
        return int(answer.status)


def states(folder: Path) -> dict[str, int]:
    with Inbox(folder / "in.db") as inbox:
        return dict(inbox.stats().states)


class Listener(BaseHTTPRequestHandler):
    """Takes posts; says what it is told to."""

    statuses: ClassVar[list[int]] = []
    came: ClassVar[list[tuple[str, dict[str, str], Any]]] = []

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.came.append((self.path, dict(self.headers), json.loads(sent)))
        self.send_response(self.statuses.pop(0) if self.statuses else 204)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[str]:
    """A server that events are forwarded to; its URL."""
    Listener.statuses.clear()
    Listener.came.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_forward(tmp_path: Path, listener: str) -> None:
    """An event is posted as JSON until it is taken, with the same key each time; a redirect takes it not."""
    Listener.statuses[:] = [500, 302]
    with serving(tmp_path, "--forward", f"{listener}/hook?key=a%20b") as (url, process):
        assert post(url, body(id=5, extra_field=[1])) == 200
        until(lambda: states(tmp_path) == {"done": 1}, process)
        process.send_signal(signal.SIGTERM)
        done = ended(process)
    assert [path for path, _, _ in Listener.came] == ["/hook?key=a%20b"] * 3
    assert len({headers["Idempotency-Key"] for _, headers, _ in Listener.came}) == 1
    assert {headers["Content-Type"] for _, headers, _ in Listener.came} == {"application/json"}
    assert "Authorization" not in {name for _, headers, _ in Listener.came for name in headers}
    assert Listener.came[-1][2] == json.loads(body(id=5, extra_field=[1]))
    assert done.code == 0
    lines = done.err.splitlines()
    assert lines[0] == f"asyncchat: event 1 was not handled (attempt 1): WebhookError: {listener} answered 500"
    assert len(lines) == 2
    assert "key=" not in done.err


def test_nobody_there(tmp_path: Path) -> None:
    """Events wait for a server that is down."""
    with serving(tmp_path, "--forward", "http://127.0.0.1:9/") as (url, process):
        assert post(url, body()) == 200
        assert process.stderr is not None
        assert "event 1 was not handled (attempt 1): APIConnectionError" in process.stderr.readline()
        until(lambda: states(tmp_path) == {"new": 1}, process)


SCRIPT = """
import json, pathlib, sys
event = json.loads(sys.stdin.readline())
tries = pathlib.Path(sys.argv[1])
tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
if len(tries.read_text()) < 2:
    sys.exit("not \\x1b[2J yet")
pathlib.Path(sys.argv[2]).write_text(event["payload"]["keyword"])
"""


def test_exec(tmp_path: Path) -> None:
    """A command gets the event at its input; it is run again until it ends with 0; what it said last is told."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = f"'{sys.executable}' '{tmp_path}/script.py' '{tmp_path}/tries' '{tmp_path}/told'"
    with serving(tmp_path, "--exec", command) as (url, process):
        assert post(url, body(keyword="a b")) == 200
        until(lambda: states(tmp_path) == {"done": 1}, process)
        process.send_signal(signal.SIGTERM)
        done = ended(process)
    assert (tmp_path / "told").read_text() == "a b"
    assert "(attempt 1)" in done.err
    assert "ended with 1" in done.err
    assert "\x1b" not in done.err


def test_exec_that_hangs(tmp_path: Path) -> None:
    """A command that takes too long is killed, and what it has started; its event comes again."""
    (tmp_path / "script.py").write_text(
        "import subprocess, sys\nopen(sys.argv[1], 'a').write('x')\nsubprocess.run(['sleep', '600'])\n"
    )
    command = f"'{sys.executable}' '{tmp_path}/script.py' '{tmp_path}/tries'"
    with serving(tmp_path, "--exec", command, "--event-timeout", 1.0) as (url, process):
        assert post(url, body()) == 200
        assert process.stderr is not None
        assert "it took longer than 1 s" in process.stderr.readline()
    assert (tmp_path / "tries").read_text().startswith("x")


def test_nothing_to_hand_over_to(tmp_path: Path) -> None:
    """Events stay in the inbox, and are listed by keyword and time."""
    with serving(tmp_path) as (url, process):
        assert post(url, body()) == 200
        process.send_signal(signal.SIGTERM)
        assert ended(process).code == 0
    assert states(tmp_path) == {"new": 1}


def test_refetch(tmp_path: Path) -> None:
    """With --refetch the file has what the API says."""
    with Sandbox(conversations=20) as box, Client(box.base_url, token=box.token) as chat:
        wanted = next(iter(chat.conversations.list()))
        target = ["--jsonl", tmp_path / "out.jsonl", "--refetch"]
        with serving(tmp_path, *target, **access(box)) as (url, process):
            assert post(url, body(id=wanted.id, platform="forged", platform_user_id="forged")) == 200
            until(lambda: states(tmp_path) == {"done": 1}, process)
    (line,) = (tmp_path / "out.jsonl").read_text().splitlines()
    assert "forged" not in line
    assert json.loads(line)["payload"]["platform_user_id"] == wanted.platform_user_id


def test_filters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By keyword, and by when it came."""
    with Inbox(tmp_path / "in.db") as inbox:
        for number, now in enumerate((86_400.0, 2 * 86_400.0, 3 * 86_400.0)):
            inbox.add([body(id=number, keyword=f"k{number}"), b'{"event": "x"}'], now)
        inbox.reject(b"\xff", "no JSON", 4 * 86_400.0)

    def ids(*flags: str) -> list[int]:
        out = invoke(capsys, "webhook", "list", "--inbox", tmp_path / "in.db", "--json", *flags).out
        return [json.loads(line)["id"] for line in out.splitlines()]

    assert ids("--keyword", "k1") == [3]
    assert ids("--since", "1970-01-03") == [3, 4, 5, 6, 7]
    assert ids("--until", "1970-01-03") == [1, 2]
    assert ids("--since", "1970-01-03T00:00:00+00:00", "--until", "1970-01-03T12:00:00Z") == [3, 4]
    wrong = invoke(capsys, "webhook", "list", "--inbox", tmp_path / "in.db", "--since", "yesterday")
    assert "since" in complaint(wrong, 2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--forward", "http://h/", "--jsonl", "x"], "give one of --forward, --exec and --jsonl"),
        (["--forward", "ftp://h/"], "an http(s) URL"),
        (["--forward", "http://user:pw@h/"], "an http(s) URL"),
        (["--exec", "no-such-command -x"], "there is no command 'no-such-command'"),
        (["--exec", "'open"], "is no command line"),
        (["--refetch"], "no base URL"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], says: str) -> None:
    """One line, exit code 2."""
    (tmp_path / "secret").write_text(SECRET)
    where = ["--inbox", tmp_path / "in.db", "--secret-file", tmp_path / "secret"]
    assert says in complaint(invoke(capsys, "webhook", "serve", *where, *arguments), 2)
