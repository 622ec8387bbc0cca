"""Processes of a benchmark: servers, and workers in which candidates run alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.kit.costs import Cost

ROOT: Final = Path(__file__).parent.parent.parent


class MissingError(Exception):
    """A candidate's library is not installed."""


@contextmanager
def process(module: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A module that runs in a process of its own, from the project's folder; it ends with the block."""
    command = [sys.executable, "-m", module, *args]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)  # noqa: S603 - our own
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def said(started: subprocess.Popen[str]) -> Any:
    """The next line that a process says, as JSON.

    Raises:
        RuntimeError: It has ended instead.
    """
    assert started.stdout is not None
    line = started.stdout.readline()
    if not line:
        raise RuntimeError(f"{started.args!r} has ended with {started.wait()}")
    return json.loads(line)


@contextmanager
def page_server(source: str, *, latencies: tuple[float, ...] = (0.0,), **options: float) -> Iterator[list[str]]:
    """Servers of pages that are made once, one for each latency: their base URLs.

    Args:
        source: "listings" or "account", see `benchmarks.kit.server`.
        latencies: Seconds that an answer takes.
        options: Of the source.
    """
    with ExitStack() as stack:
        given = [json.dumps([source, latency, options]) for latency in latencies]
        yield [said(stack.enter_context(process("benchmarks.kit.server", each))) for each in given]


@contextmanager
def sandbox_server(**options: Any) -> Iterator[str]:
    """A sandbox with SQLite behind it, so that deep offsets cost what they cost: its base URL."""
    with process("benchmarks.kit.sandboxed", json.dumps(options)) as started:
        yield said(started)


class Worker:
    """A function in a process of its own, which stays: it is called again and again, each call being measured there."""

    def __init__(self, started: subprocess.Popen[str]) -> None:
        self._process = started

    def __call__(self, **arguments: Any) -> Cost:
        """Call the function there.

        Raises:
            RuntimeError: It failed; what it raised is on the standard error.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        return Cost(**said(self._process))


@contextmanager
def worker(target: str, *, loop: str = "asyncio") -> Iterator[Worker]:
    """A worker.

    Args:
        target: What it calls, as "module:function"; coroutine functions are run in an event loop.
        loop: "asyncio" or "uvloop".

    Raises:
        MissingError: A library that it needs is not there.
    """
    with process("benchmarks.kit.worker", target, loop) as started:
        missing = said(started)
        if missing:
            raise MissingError(missing)
        yield Worker(started)


@contextmanager
def workers(names: Mapping[str, str], loop: str, notes: list[str]) -> Iterator[dict[str, Worker]]:
    """Workers for candidates, but for those whose libraries are not installed, of which a note tells."""
    with ExitStack() as stack:
        started: dict[str, Worker] = {}
        for name, function in names.items():
            try:
                started[name] = stack.enter_context(worker(f"benchmarks.candidates.{function}", loop=loop))
            except MissingError as exc:
                notes.append(f"{name} is left out: {exc} is not installed (dependency group bench)")
        yield started
