"""Options that commands share: which server, which token, how hard."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from asyncchat.errors import ConfigurationError

if TYPE_CHECKING:
    from asyncchat import AsyncClient
    from asyncchat.sandbox import Sandbox

F = TypeVar("F", bound=Callable[..., Any])


@attrs.frozen(kw_only=True)
class Connection:
    """How to reach the API, as flags say it."""

    base_url: str | None
    auth: str | None
    token_file: str | None
    ca_file: str | None
    allow_http: bool
    max_concurrency: int
    max_rate: float | None
    timeout: float
    sandbox: bool

    def make_sandbox(self) -> Sandbox | None:
        """The sandbox that was asked for, not started; None if none was."""
        if not self.sandbox:
            return None
        if self.base_url is not None:
            raise click.UsageError("--sandbox brings its own server: leave --base-url out")
        from asyncchat.sandbox import Sandbox  # noqa: PLC0415 - heavy, and seldom wanted

        return Sandbox()

    def make_client(self, sandbox: Sandbox | None) -> AsyncClient:
        """The client that the flags describe; a running sandbox's own if one is given.

        Raises:
            ConfigurationError: A flag, a variable or the token file is wrong.
        """
        from asyncchat import AsyncClient  # noqa: PLC0415 - heavy, and not needed for --help

        base_url = sandbox.base_url if sandbox else self.base_url or os.environ.get("ASYNCCHAT_BASE_URL")
        if not base_url:
            raise ConfigurationError(
                "no base URL: give --base-url https://host/v1, or set ASYNCCHAT_BASE_URL, or try --sandbox"
            )
        return AsyncClient(
            base_url,
            token=sandbox.token if sandbox else self._token(),
            auth=sandbox.auth if sandbox else self.auth,
            ssl=self.ca_file,
            allow_http=self.allow_http,
            max_concurrency=self.max_concurrency,
            max_rate=self.max_rate,
            timeout=self.timeout,
        )

    def _token(self) -> str:
        if self.token_file is None:
            token = os.environ.get("ASYNCCHAT_API_TOKEN")
            if not token:
                raise ConfigurationError("no token: set ASYNCCHAT_API_TOKEN, or give --token-file")
            return token
        try:
            if self.token_file == "-":  # noqa: S105 - a file's name
                return sys.stdin.readline()
            return Path(self.token_file).read_text(encoding="utf-8")
        except OSError as exc:
            wrong = f": {exc.strerror}. Give a file that you may read"
        except UnicodeDecodeError:
            wrong = " holds no text: give a file with the token alone"
        # out of the handler: its exception, which holds the file's bytes, is not the context
        raise ConfigurationError(f"--token-file {self.token_file}{wrong}")


def connection_options(command: F) -> F:
    """Give a command the flags of a `Connection`."""
    flags = (
        click.option("--base-url", metavar="URL", help="Where the API is, prefix included. Else ASYNCCHAT_BASE_URL."),
        click.option("--token-file", metavar="FILE", help="Holds the token; - reads a line from the standard input."),
        click.option("--auth", metavar="HOW", help='"bearer", "header:NAME" or "query:NAME". Else ASYNCCHAT_AUTH.'),
        click.option("--ca-file", metavar="FILE", help="Certificates (PEM) of your own CA."),
        click.option("--allow-http", is_flag=True, help="Send the token over plain http to another machine."),
        click.option("--sandbox", is_flag=True, help="Start a sandbox with made-up chats, and use that."),
        click.option(
            "--max-concurrency",
            type=click.IntRange(min=1),
            default=32,
            show_default=True,
            help="Requests in flight at most.",
        ),
        click.option(
            "--max-rate",
            type=click.FloatRange(min=0, min_open=True),
            help="Requests a second at most.  [default: no bound]",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True, max=86_400),
            default=120.0,
            show_default=True,
            help="Seconds for one attempt.",
        ),
    )
    for flag in reversed(flags):
        command = flag(command)
    return command


def take_connection(flags: dict[str, Any]) -> Connection:
    """Take the flags of a `Connection` out of a command's flags."""
    return Connection(**{field.name: flags.pop(field.name) for field in attrs.fields(Connection)})
