"""Options that commands share: which server, which token, how hard."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import click

from asyncchat.cli.render import safe
from asyncchat.cli.settings import find_auth, find_base_url, find_token, read_profile

if TYPE_CHECKING:
    from asyncchat import AsyncClient, Profile
    from asyncchat.sandbox import Sandbox

F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT: Final = 120.0
"""Seconds for one attempt: pages of exports take longer than single reads."""


@attrs.frozen(kw_only=True)
class Connection:
    """How to reach the API, as flags say it."""

    profile: str | None
    base_url: str | None
    auth: str | None
    token_file: str | None
    ca_file: str | None
    allow_http: bool
    max_concurrency: int | None
    max_rate: float | None
    timeout: float | None
    sandbox: bool

    def make_sandbox(self) -> Sandbox | None:
        """The sandbox that was asked for, not started; None if none was."""
        if not self.sandbox:
            return None
        if self.base_url is not None:
            raise click.UsageError("--sandbox brings its own server: leave --base-url out")
        if self.profile is not None:
            raise click.UsageError("--sandbox brings its own server: leave --profile out")
        from asyncchat.sandbox import Sandbox  # noqa: PLC0415 - heavy, and seldom wanted

        return Sandbox()

    def make_client(self, sandbox: Sandbox | None) -> AsyncClient:
        """The client that the flags describe; a running sandbox's own if one is given.

        A profile whose file is open to others is told on the standard error.

        Raises:
            ConfigurationError: A flag, a variable, the profile or the token file is wrong.
        """
        if sandbox is not None:
            return self.client_of(None, sandbox.base_url, sandbox.token, sandbox.auth)
        profile = read_profile(self.profile)
        if profile is not None and profile.exposure is not None:
            click.echo(f"asyncchat: warning: {safe(profile.exposure)}", err=True)
        base_url = find_base_url(self.base_url, profile).value
        token = find_token(self.token_file, profile, base_url).value
        return self.client_of(profile, base_url, token, find_auth(self.auth, profile).value)

    def client_of(self, profile: Profile | None, base_url: str, token: Any, auth: str) -> AsyncClient:
        """A client with these settings, and what flags and the profile say besides.

        Raises:
            ConfigurationError: One of them cannot be used.
        """
        from asyncchat import AsyncClient  # noqa: PLC0415 - heavy, and not needed for --help

        given: dict[str, Any] = {"allow_http": self.allow_http or None}
        given |= {name: getattr(self, name) for name in ("max_concurrency", "max_rate", "timeout")}
        if profile is None or profile.timeout is None:
            given["timeout"] = self.timeout or TIMEOUT
        given = {name: value for name, value in given.items() if value is not None}
        return AsyncClient(base_url, token=token, auth=auth, ssl=self.ca_file, profile=profile, **given)


@contextlib.asynccontextmanager
async def opened(connection: Connection) -> AsyncIterator[tuple[AsyncClient, str | None]]:
    """The client, with the sandbox that it was asked for, and what reports call its server; None: by its base URL."""
    async with contextlib.AsyncExitStack() as stack:
        sandbox = connection.make_sandbox()
        if sandbox is not None:
            await stack.enter_async_context(sandbox)
        client = await stack.enter_async_context(connection.make_client(sandbox))
        yield client, f"sandbox of seed {sandbox.seed}" if sandbox else None


def connection_options(command: F) -> F:
    """Give a command the flags of a `Connection`."""
    flags = (
        click.option(
            "--profile",
            metavar="NAME",
            help="Settings of this name in ~/.config/asyncchat/config.toml. Else ASYNCCHAT_PROFILE, then default.",
        ),
        click.option("--base-url", metavar="URL", help="Where the API is, prefix included. Else ASYNCCHAT_BASE_URL."),
        click.option("--token-file", metavar="FILE", help="Holds the token; - reads a line from the standard input."),
        click.option("--auth", metavar="HOW", help='"bearer", "header:NAME" or "query:NAME". Else ASYNCCHAT_AUTH.'),
        click.option("--ca-file", metavar="FILE", help="Certificates (PEM) of your own CA."),
        click.option("--allow-http", is_flag=True, help="Send the token over plain http to another machine."),
        click.option("--sandbox", is_flag=True, help="Start a sandbox with made-up chats, and use that."),
        click.option(
            "--max-concurrency",
            type=click.IntRange(min=1),
            help="Requests in flight at most.  [default: 32]",
        ),
        click.option(
            "--max-rate",
            type=click.FloatRange(min=0, min_open=True),
            help="Requests a second at most.  [default: no bound]",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True, max=86_400),
            help=f"Seconds for one attempt.  [default: {TIMEOUT:g}]",
        ),
    )
    for flag in reversed(flags):
        command = flag(command)
    return command


def take_connection(flags: dict[str, Any]) -> Connection:
    """Take the flags of a `Connection` out of a command's flags."""
    return Connection(**{field.name: flags.pop(field.name) for field in attrs.fields(Connection)})
