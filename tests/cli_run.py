"""Runs command lines, in this process and in others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import IO, Final

import click
import pytest
from attrs import frozen

from asyncchat.cli.app import cli, run
from asyncchat.sandbox import Sandbox

TOKEN: Final = "tok-4f1c2d"
PROGRAM: Final = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored
from asyncchat.__main__ import main
sys.exit(main())
"""


def leaves() -> dict[str, click.Command]:
    """Every command that does something, by its words, such as "webhook serve"."""
    found: dict[str, click.Command] = {}
    for name, command in cli.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        found |= {f"{name} {word}".strip(): leaf for word, leaf in inner.items()}
    return found


@frozen
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str


def invoke(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    """Run a command line in this process."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    return Ended(code, *capsys.readouterr())


def complaint(ended: Ended, code: int) -> str:
    """The one line that a failed command line says, and nothing else."""
    assert (ended.code, ended.out) == (code, ""), ended
    assert ended.err.startswith("asyncchat: "), ended
    assert ended.err.endswith("\n")
    assert len(ended.err.splitlines()) == 1
    assert TOKEN not in ended.err
    return ended.err.removeprefix("asyncchat: ").rstrip("\n")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment with these settings, and without the machine's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASYNCCHAT_")}
    return {**kept, "PYTHONUTF8": "1", **settings}


def spawn(
    *arguments: object,
    program: str = PROGRAM,
    stdout: int | IO[str] = subprocess.PIPE,
    settings: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start a command line, or another program, in a process of its own."""
    return subprocess.Popen(  # noqa: S603 - this Python
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(settings or {}),
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait until a process is over."""
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return Ended(process.returncode, out or "", err)


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is so; a process that is over will not make it so."""
    while not condition():
        assert process.poll() is None, ended(process)
        time.sleep(0.002)


def access(box: Sandbox) -> dict[str, str]:
    """The settings that lead to a sandbox."""
    return {"ASYNCCHAT_BASE_URL": box.base_url, "ASYNCCHAT_API_TOKEN": box.token}


def kill_a_command(
    box: Sandbox, rnd: Random, arguments: Sequence[str], *, program: str, requests: tuple[int, int]
) -> bool:
    """Run a command that asks a sandbox, and kill it somewhere; returns whether it was not over before.

    Args:
        box: The sandbox.
        rnd: Draws the moment: after a request, or within the next twentieth of a second.
        arguments: The command line.
        program: What runs it.
        requests: After how many it is killed, at least and at most.
    """

    def asked() -> int:
        return int(str(box.stats()["requests"]))

    after = asked() + rnd.randint(*requests)
    process = spawn(*arguments, program=program, settings=access(box))
    until(lambda: asked() >= after or process.poll() is not None, process)
    time.sleep(rnd.random() / 20)
    process.send_signal(signal.SIGKILL)
    return ended(process).code == -signal.SIGKILL


def go_to(monkeypatch: pytest.MonkeyPatch, base_url: str, token: str = TOKEN) -> None:
    """Set where the API is, and the token."""
    monkeypatch.setenv("ASYNCCHAT_BASE_URL", base_url)
    monkeypatch.setenv("ASYNCCHAT_API_TOKEN", token)


@contextmanager
def plain_server(status: int, body: bytes, kind: str = "application/json") -> Iterator[str]:
    """A server that says the same to everybody; gives its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()
