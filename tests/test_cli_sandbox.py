"""`asyncchat sandbox`: its flags reach the server."""

from __future__ import annotations

import json
import signal
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs
import pytest
from cli_run import complaint, ended, invoke, spawn

from asyncchat.cli.app import cli
from asyncchat.sandbox import Behaviour

UNLIKE_DEFAULT = {
    "--auth": "header:X-Key",
    "--order": "-id",
    "--unstable-ties": True,
    "--max-per-page": 7,
    "--past-end": "404",
    "--count-cap": 9,
    "--fractions": True,
    "--late": 1.5,
    "--replica-lag": 0.5,
    "--traffic": 0.25,
    "--prerendered": True,
    "--latency": 0.001,
    "--latency-spread": "uniform",
    "--bandwidth": 1e9,
    "--compression": "gzip",
    "--rate-limit": 1e6,
    "--burst": 11,
    "--retry-after": "date",
    "--rate-headers": True,
}


def asked(url: str) -> Any:
    """What a server says at a URL."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - http to this machine
        return json.loads(answer.read())


def words() -> list[str]:
    """The flags as they are typed."""
    return [
        word for flag, value in UNLIKE_DEFAULT.items() for word in ([flag] if value is True else [flag, str(value)])
    ]


def test_every_behaviour_has_a_flag() -> None:
    """The flags tried below are the fields of Behaviour, each with another value than its own."""
    fields = {f"--{field.name.replace('_', '-')}": field.default for field in attrs.fields(Behaviour)}
    assert fields.keys() == UNLIKE_DEFAULT.keys()
    assert all(fields[flag] != value for flag, value in UNLIKE_DEFAULT.items())
    assert fields.keys() <= {option.opts[0] for option in cli.commands["sandbox"].params}


def test_flags_reach_the_server() -> None:
    """Behaviours, the clock and faults given as flags are those that the server tells."""
    process = spawn("sandbox", "--port", 0, "--conversations", 3, "--clock", 5, "--fault", "html,page=2", *words())
    assert process.stdout is not None
    origin = process.stdout.readline().split()[-1].removesuffix("/v1")
    behaviour = asked(f"{origin}/_sandbox/behaviour")
    faults = asked(f"{origin}/_sandbox/faults")
    clock = asked(f"{origin}/_sandbox/clock")
    process.terminate()
    assert ended(process).code == 0
    assert {f"--{name.replace('_', '-')}": value for name, value in behaviour.items()} == UNLIKE_DEFAULT
    assert "html" in json.dumps(faults)
    assert 5 in clock.values()


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--fault", "flood"], "this is no fault: Invalid enum value 'flood'"),
        (["--fault", "status,colour=red"], "a fault has no colour"),
        (["--order", "size"], "'size' is not one of"),
        (["--burst", "0"], "burst"),
        (["--clock", "1e300"], "before the year 9000"),
        (["--clock", "nan"], "the clock is nan"),
        (["--database", "/"], "/"),
    ],
)
def test_wrong_flags(capsys: pytest.CaptureFixture[str], flags: list[str], reason: str) -> None:
    """A flag that makes no sense is told in one line, with exit code 2."""
    assert reason in complaint(invoke(capsys, "sandbox", "--port", 0, *flags), 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_is_generated(number: int) -> None:
    """A signal ends it at once, also while a large account is being generated, which is told."""
    process = spawn("sandbox", "--port", 0, "--conversations", 20_000_000)
    assert process.stderr is not None
    assert process.stderr.readline() == "generating 20,000,000 conversations ...\n"
    process.send_signal(number)
    done = ended(process)
    assert (done.code, done.out, done.err) == (130, "", "asyncchat: interrupted\n")


STOPPED_ANYWHERE = """
import os, signal, sys
from asyncchat.cli.running import Stop

def interrupted_at(place):
    seen = 0
    def trace(frame, event, argument):
        nonlocal seen
        seen += 1
        if seen == place:
            os.kill(os.getpid(), signal.SIGTERM)
        return trace
    stop = Stop()
    stop.listen()
    sys.settrace(trace)
    try:
        stop.wait()
    finally:
        sys.settrace(None)
    return seen

places = interrupted_at(1)
for place in range(2, places):
    interrupted_at(place)
print(places)
"""


def test_a_signal_at_any_line_of_the_wait_is_seen() -> None:
    """A signal that comes before or while the command waits for it ends the wait, wherever it strikes."""
    process = spawn(program=STOPPED_ANYWHERE)
    assert process.stdout is not None
    assert int(ended(process).out) > 2


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[bytes]]]:
    """A receiver of webhooks: its URL, and the bodies that came."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", bodies
        server.shutdown()
        thread.join()


def test_webhooks(receiver: tuple[str, list[bytes]]) -> None:
    """With --webhook, notifications are sent there, and one line tells what became of them."""
    url, bodies = receiver
    process = spawn("sandbox", "--port", 0, "--conversations", 20, "--webhook", url, "--webhook-count", 5)
    assert process.stdout is not None
    told = next(line for line in process.stdout if line.startswith("Webhooks: "))
    process.terminate()
    assert ended(process).code == 0
    assert "5 sent, 5 acknowledged, 0 given up; answers: 5 x 200" in told
    assert [json.loads(body)["event"] for body in bodies] == ["keyword-notification"] * 5
