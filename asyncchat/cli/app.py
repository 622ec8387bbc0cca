"""The command `asyncchat`: its families, and what every failure looks like."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

import click

from asyncchat import __version__
from asyncchat.cli.doctor import doctor_command
from asyncchat.cli.export import export_command
from asyncchat.cli.render import safe
from asyncchat.cli.running import EndedError, Terminated
from asyncchat.cli.sandbox import sandbox_command
from asyncchat.cli.sync import sync_command
from asyncchat.cli.verify import verify_command
from asyncchat.cli.webhook import webhook_command
from asyncchat.cli.wording import wording
from asyncchat.errors import AsyncChatError, ConfigurationError

FAILED: Final = 1
USAGE: Final = 2


@click.group(
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


cli.add_command(doctor_command)
cli.add_command(export_command)
cli.add_command(sandbox_command)
cli.add_command(sync_command)
cli.add_command(verify_command)
cli.add_command(webhook_command)


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
        _drop_output()
        return 128 + signal.SIGPIPE
    except OSError as exc:
        _drop_output()
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
    with contextlib.suppress(OSError):  # nobody listens
        click.echo(f"asyncchat: {safe(' '.join(message.split()))}", err=True)
    return code


def _drop_output() -> None:
    """Let nothing be left in the standard output that would fail once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
