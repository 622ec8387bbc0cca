"""`asyncchat doctor`."""

from __future__ import annotations

import contextlib
import json
import os
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from asyncchat.cli.options import Connection, connection_options, take_connection
from asyncchat.cli.running import run_async
from asyncchat.cli.settings import BY_DEFAULT, find_auth, find_base_url, find_token, read_profile
from asyncchat.cli.wording import in_flags
from asyncchat.errors import AsyncChatError, ConfigurationError

if TYPE_CHECKING:
    from asyncchat import AsyncClient, Profile, Response
    from asyncchat.cli.checks import Check
    from asyncchat.export import Probe
    from asyncchat.sandbox import Sandbox

FAILED: Final = 1
_DEADLINE: Final = 30.0
_PATIENCE: Final[dict[str, Any]] = {"attempts": 2, "max_retry_after": 10.0}
_ADVICE: Final = ("did you mean", "give", "keep", "set", "write")
_LATER: Final = ("base URL", "auth", "token", "network", "TLS", "API", "clock", "round trip", "rate limits", "listings")


@click.command(name="doctor")
@connection_options
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def doctor_command(**flags: Any) -> int:
    """Check settings, server, token and clock, and what to change.

    Looks for the settings and tells which source each came from, connects, sends at most ten requests, which change
    nothing, and says what the server's ways mean for exports. It shows no token.

    Exit codes: 0 nothing failed (there may be warnings), 1 something failed, 2 wrong usage.

    \b
    Try it:  asyncchat doctor --sandbox
    """  # noqa: D301 - click reads the backspace
    from asyncchat.cli.checks import is_fine, table, to_json  # noqa: PLC0415 - heavy, and not needed for --help

    as_json = flags.pop("as_json")
    checks, probe = run_async(_examine(take_connection(flags)))
    if as_json:
        click.echo(json.dumps(to_json(checks, probe.to_dict() if probe else None), indent=2))
    else:
        click.echo(table(checks), color=False if os.environ.get("NO_COLOR") else None)
    return 0 if is_fine(checks) else FAILED


@attrs.define
class _Examination:
    """What was found so far, and what later checks need of it."""

    connection: Connection
    checks: list[Check] = attrs.field(factory=list)
    profile: Profile | None = None
    base_url: str | None = None
    auth: str | None = None
    client: AsyncClient | None = None

    def add(self, name: str, status: Any, found: str, change: str = "") -> None:
        from asyncchat.cli.checks import Check  # noqa: PLC0415

        self.checks.append(Check(name, status, in_flags(found), in_flags(change)))

    @property
    def has_failed(self) -> bool:
        return any(check.status == "failed" for check in self.checks)

    def skip_the_rest(self, why: str) -> None:
        """Show as skipped what was not looked at."""
        done = {check.name for check in self.checks}
        for name in _LATER:
            if name not in done:
                self.add(name, "skipped", why)

    # ---- settings

    def find_settings(self, sandbox: Sandbox | None) -> None:
        """Look for the settings, each by itself, and see whether they can be used."""
        if sandbox is not None:
            self.add("profile", "ok", "not looked for: the sandbox brings its settings")
            self.base_url, self.auth = sandbox.base_url, sandbox.auth
            self.add("base URL", "ok", f"{self.base_url}, the sandbox's")
            self.add("auth", "ok", f"{self.auth}, the sandbox's")
            self._try("token", lambda: self._use(sandbox.token, "the sandbox's"))
            return
        self._try("profile", self._find_profile)
        if self.has_failed:
            return
        self._try("base URL", self._find_base_url)
        if self.base_url is not None:
            self._try("auth", self._find_auth)
        if self.auth is not None:
            self._try("token", self._find_token)

    def _try(self, name: str, find: Any) -> None:
        try:
            find()
        except ConfigurationError as exc:
            found, _, change = str(exc).rpartition(": ")
            told = (found, change) if change.startswith(_ADVICE) else (str(exc),)
            self.add(name, "failed", *told)

    def _find_profile(self) -> None:
        self.profile = read_profile(self.connection.profile)
        if self.profile is None:
            self.add("profile", "ok", "none")
        elif self.profile.exposure is None:
            self.add("profile", "ok", f"{self.profile.name!r} of {self.profile.file}")
        else:
            found, _, change = self.profile.exposure.rpartition(": ")
            self.add("profile", "warning", f"{self.profile.name!r}, but {found}", change)

    def _find_base_url(self) -> None:
        found = find_base_url(self.connection.base_url, self.profile)
        self.connection.client_of(self.profile, found.value, "any", "bearer")  # refuses what cannot be used
        self.base_url = found.value.strip()
        self.add("base URL", "ok", f"{self.base_url}, from {found.source}")

    def _find_auth(self) -> None:
        assert self.base_url is not None
        found = find_auth(self.connection.auth, self.profile)
        self.connection.client_of(self.profile, self.base_url, "any", found.value)
        self.auth = found.value
        self.add(
            "auth", "ok", f"{found.value}, {found.source if found.source == BY_DEFAULT else 'from ' + found.source}"
        )

    def _find_token(self) -> None:
        assert self.base_url is not None
        found = find_token(self.connection.token_file, self.profile, self.base_url)
        self._use(found.value, f"from {found.source}")

    def _use(self, token: object, source: str) -> None:
        assert self.base_url is not None
        assert self.auth is not None
        self.client = self.connection.client_of(self.profile, self.base_url, token, self.auth)
        self.add("token", "ok", f"there, {source}")

    # ---- server

    async def reach(self) -> None:
        """See whether the server can be connected to, if that is done directly."""
        from asyncchat.cli.reach import reach  # noqa: PLC0415

        assert self.base_url is not None
        if self.profile is not None and self.profile.trust_env and urllib.request.getproxies():
            self.add("network", "skipped", "a proxy stands in between")
            self.add("TLS", "skipped", "a proxy stands in between")
            return
        own = self.connection.ca_file or (self.profile.ca_file if self.profile else None)
        self.checks += await reach(self.base_url, own)

    async def ask(self) -> Probe | None:
        """Call the API: is the token taken, is the clock right, how does the server behave?"""
        from asyncchat import RetryPolicy  # noqa: PLC0415
        from asyncchat.cli.checks import judge_error  # noqa: PLC0415
        from asyncchat.export import probe_server  # noqa: PLC0415

        assert self.client is not None
        watch = _Watch()
        view = self.client.with_options(retry=RetryPolicy(**_PATIENCE), deadline=_DEADLINE, hooks=[watch])
        try:
            await _call(view)
            response = await _call(view)  # over the connection that is open by now
        except AsyncChatError as exc:
            self.checks.append(judge_error(exc, self.auth or "bearer"))
            return None
        self.add("API", "ok", "answers, and takes the token")
        self._time(watch, response)
        probe = await probe_server(self.client.with_options(deadline=_DEADLINE))
        for finding in probe.findings():
            self.add(finding.subject, finding.level, finding.found, finding.change)
        return probe

    def _time(self, watch: _Watch, response: Response) -> None:
        from asyncchat.cli import checks  # noqa: PLC0415

        date = response.date
        skew = None if date is None else checks.clock_skew(watch.sent, watch.received, date)
        self.checks += [
            checks.judge_clock(skew),
            checks.judge_round_trip(watch.received - watch.sent),
            checks.judge_limits(response.headers),
        ]


class _Watch:
    """Notes when the last request went out and when its answer was there: waiting for a turn is not counted."""

    def __init__(self) -> None:
        self.sent = self.received = 0.0

    def __call__(self, event: object) -> None:
        from asyncchat import RequestEvent, ResponseEvent  # noqa: PLC0415

        if isinstance(event, RequestEvent):
            self.sent = time.time()
        elif isinstance(event, ResponseEvent):
            self.received = time.time()


async def _call(client: AsyncClient) -> Response:
    from asyncchat import Request  # noqa: PLC0415

    def as_json(response: Response) -> Response:
        response.json()
        return response

    return await client.call(Request("GET", "/models", params={"page": 1, "per_page": 1}), as_json)


async def _examine(connection: Connection) -> tuple[list[Check], Probe | None]:
    async with contextlib.AsyncExitStack() as stack:
        sandbox = connection.make_sandbox()
        if sandbox is not None:
            await stack.enter_async_context(sandbox)
        found = _Examination(connection)
        found.find_settings(sandbox)
        if found.base_url is None:
            found.skip_the_rest("there is no server to ask")
            return found.checks, None
        settings_failed = found.has_failed
        await found.reach()
        if found.client is None or found.has_failed:
            found.skip_the_rest("the settings failed" if settings_failed else "the server was not reached")
            return found.checks, None
        await stack.enter_async_context(found.client)
        probe = await found.ask()
        if probe is None:
            found.skip_the_rest("the API did not answer as agreed")
        return found.checks, probe
