"""The command `asyncchat`: its families, and what every failure looks like."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final, TextIO

import click

from asyncchat import __version__
from asyncchat.cli.commands import Families, Home
from asyncchat.cli.ending import EndedError, Terminated
from asyncchat.cli.wording import wording
from asyncchat.errors import AsyncChatError, ConfigurationError

FAILED: Final = 1
USAGE: Final = 2


HOMES: Final = {
    "doctor": Home(
        "asyncchat.cli.doctor", "doctor_command", "Check settings, server, token and clock, and what to change."
    ),
    "export": Home(
        "asyncchat.cli.export",
        "export_command",
        "Export models, conversations and messages to DEST, and prove that nothing is missing.",
    ),
    "sandbox": Home(
        "asyncchat.cli.sandbox", "sandbox_command", "Serve the whole API with made-up chats, until Ctrl-C."
    ),
    "sync": Home(
        "asyncchat.cli.sync",
        "sync_command",
        "Bring the export in DEST up to date with the server; the first time, export everything into it.",
    ),
    "verify": Home(
        "asyncchat.cli.verify",
        "verify_command",
        "Check the export in DEST against the server: is a row missing, or one there that the server has not?",
    ),
    "webhook": Home("asyncchat.cli.webhook", "webhook_command", "Receive keyword notifications, and lose none."),
}


@click.group(
    cls=Families,
    homes=HOMES,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
)
@click.version_option(__version__, prog_name="asyncchat")
@click.pass_context
def cli(context: click.Context) -> int:
    """Read, export and try out a chat platform's data.

    The API is named by --base-url or ASYNCCHAT_BASE_URL, the token by ASYNCCHAT_API_TOKEN or --token-file, or both by a
    profile in ~/.config/asyncchat/config.toml. Flags beat the environment, which beats the profile.
    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but not all of it proved complete, or not found
    intact, 75 the server was away for too long, 130, 141 and 143 interrupted.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
    return USAGE  # when no command's own code comes after it


def run(arguments: Sequence[str]) -> int:
    """Run a command line.

    Returns:
        The exit code. Every failure is one line on the standard error.
    """
    try:
        code = _invoke(arguments)
        if sys.stdout is not None:  # which it is when it was closed from the beginning
            sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout, sys.stderr)
        return 128 + signal.SIGPIPE
    except OSError as exc:
        _drop(sys.stdout)
        return _tell(f"the output cannot be written ({exc.strerror})", FAILED)
    except (click.ClickException, AsyncChatError, EndedError, KeyboardInterrupt, Terminated) as exc:
        return _tell(*failure(exc))
    return code


def _invoke(arguments: Sequence[str]) -> int:
    """What `cli.main` does, less its own idea of how a closed pipe and a Ctrl-C end."""
    try:
        with cli.make_context("asyncchat", list(arguments)) as context:
            return int(cli.invoke(context))
    except click.exceptions.Exit as exc:
        return exc.exit_code


def _tell(message: str, code: int) -> int:
    from asyncchat.cli.render import safe  # noqa: PLC0415 - heavier than all of a help

    with contextlib.suppress(OSError):  # nobody listens
        click.echo(f"asyncchat: {safe(' '.join(message.split()))}", err=True)
    return code


def _drop(*streams: TextIO | None) -> None:
    """Let nothing be left in a stream that would fail once more at exit, with a code of Python's own (120)."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        if stream is not None:  # which it is when it was closed from the beginning
            with contextlib.suppress(OSError, ValueError):  # it was closed since, or is no file
                os.dup2(nowhere, stream.fileno())


def failure(exc: BaseException) -> tuple[str, int]:
    """What a failure says, and its exit code."""
    if isinstance(exc, click.ClickException):
        context = getattr(exc, "ctx", None)
        where = "asyncchat" if context is None else context.command_path
        usage = isinstance(exc, click.UsageError)
        return exc.format_message() + (f" (see {where} --help)" if usage else ""), USAGE if usage else FAILED
    if isinstance(exc, AsyncChatError):
        return wording(exc), USAGE if isinstance(exc, ConfigurationError) else FAILED
    if isinstance(exc, EndedError):
        return exc.message, exc.code
    if isinstance(exc, Terminated):
        return "terminated", 128 + signal.SIGTERM
    return "interrupted", 128 + signal.SIGINT
