"""Where `asyncchat webhook serve` hands events over to: each of these is a handler, or makes one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from asyncchat.cli.render import safe
from asyncchat.cli.webhook.lines import Lines

if TYPE_CHECKING:
    from asyncchat.webhooks import KeywordNotificationEvent, UnknownEvent

    Event: TypeAlias = KeywordNotificationEvent | UnknownEvent

Handler: TypeAlias = Callable[[Any], Awaitable[None] | None]
_SHOWN: Final = 200
_BEGIN: Final = b'{"event": "'
"""How every line begins."""


class FailedError(Exception):
    """A command did not take an event."""


@contextlib.asynccontextmanager
async def target(*, jsonl: str | None, forward: str | None, command: str | None) -> AsyncIterator[Handler | None]:
    """The handler that the flags name; None: events stay in the inbox.

    Args:
        jsonl: A file to append to; - is the standard output.
        forward: A URL to post to.
        command: A command line to run.
    """
    if jsonl is not None:
        with _lines(jsonl) as write:
            yield write
    elif forward is not None:
        from asyncchat.webhooks.forward import Forward  # noqa: PLC0415 - heavy, and not needed for --help

        async with Forward(forward) as post:
            yield post
    else:
        yield None if command is None else Command(command)


@contextlib.contextmanager
def _lines(name: str) -> Iterator[Handler]:
    """What appends an event to a file, durably."""
    if name == "-":
        yield _print
        return
    try:
        lines = Lines(name, begin=_BEGIN)
    except OSError as exc:
        raise click.UsageError(f"{name} cannot be written ({exc.strerror})") from None
    with contextlib.closing(lines):
        yield lambda event: lines.write(_as_line(event))


def _print(event: Event) -> None:
    sys.stdout.buffer.write(_as_line(event))
    sys.stdout.buffer.flush()


class Command:
    """Runs a command for each event, with the event as a line of JSON at its standard input.

    Args:
        line: The command line; its words are those of a shell, but no shell reads it.
    """

    def __init__(self, line: str) -> None:
        try:
            self._words = shlex.split(line)
        except ValueError as exc:
            raise click.UsageError(f"--exec: {line!r} is no command line ({exc})") from None
        if not self._words or shutil.which(self._words[0]) is None:
            raise click.UsageError(f"--exec: there is no command {(self._words or [line])[0]!r}")

    async def __call__(self, event: Event) -> None:
        """Run it; the event is handled when it ends with 0.

        Raises:
            FailedError: It ended otherwise.
        """
        process = await asyncio.create_subprocess_exec(
            *self._words,
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the receiver, which lets it come to its end
        )
        try:
            _, told = await process.communicate(_as_line(event))
        finally:
            if process.returncode is None:
                _kill(process)
                await process.wait()
        if process.returncode:
            last = (told.decode("utf-8", "replace").strip().splitlines() or [""])[-1]
            raise FailedError(f"{self._words[0]} ended with {process.returncode}: {safe(last[:_SHOWN])}")


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill a command, and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _as_line(event: Event) -> bytes:
    from asyncchat.webhooks import to_json  # noqa: PLC0415 - heavy, and not needed for --help

    return json.dumps(to_json(event)).encode() + b"\n"
