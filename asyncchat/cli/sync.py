"""`asyncchat sync`."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import click

from asyncchat.cli.from_webhooks import refuse_rounds, work_off
from asyncchat.cli.options import Connection, connection_options, opened, take_connection
from asyncchat.cli.render import safe, show_progress
from asyncchat.cli.render_sync import look_line, moment, round_line, sync_stand, sync_summary
from asyncchat.cli.repeating import AWAY, keep_on, run_to_end
from asyncchat.errors import ExportBusyError

if TYPE_CHECKING:
    from asyncchat.export import SyncReport

_UNCERTIFIED: Final = 3
_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


class _Told(Protocol):
    """What is shown of a round."""

    @property
    def certified(self) -> bool: ...

    @property
    def uncertified(self) -> tuple[str, ...]: ...

    def to_dict(self) -> dict[str, Any]: ...


R = TypeVar("R", bound=_Told)


def _to_seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read a time such as 30s, 5m, 1h or 1d."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", value or "")
    if value is None:
        return None
    if match is None or int(match[1]) == 0:
        raise click.BadParameter(
            f"{value!r} is no time: give a number and s, m, h or d, such as 5m", ctx=context, param=parameter
        )
    return int(match[1]) * _UNITS[match[2]]


@click.command(name="sync")
@click.argument("destination", metavar="DEST")
@click.option("--every", callback=_to_seconds, metavar="TIME", help="A round every 30s, 5m, 1h ... until stopped.")
@click.option("--from-webhooks", metavar="INBOX", help="Bring only what events in this inbox, an SQLite file, tell of.")
@click.option("--prune", is_flag=True, help="Mark what the server has no more, or take it out of files.")
@click.option("--since", metavar="WHEN", help="Only conversations created at or after it: 2025-05-05, or a full time.")
@click.option("--model", "models", type=int, multiple=True, metavar="ID", help="Only this model. May be repeated.")
@click.option("--no-messages", is_flag=True, help="Leave the messages out.")
@click.option("--lag", type=float, metavar="SECONDS", help="Stay behind the server's clock.  [default: 120]")
@click.option("--lookback", type=float, metavar="SECONDS", help="Read again what changed so late.  [default: 300]")
@click.option("--audit", type=float, metavar="SHARE", help="Of conversations to count, as a check.  [default: 0.02]")
@click.option("--patience", type=float, metavar="SECONDS", help="Wait for a server that is down.  [default: 300]")
@connection_options
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON; with --every a line for each round.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def sync_command(**flags: Any) -> int:
    """Bring the export in DEST up to date with the server; the first time, export everything into it.

    DEST is a folder, or sqlite:///FILE, duckdb:///FILE or postgresql://USER@HOST/DATABASE. A round asks for what has
    changed since the one before, and seldom for more: new messages come with their conversations. In a folder, whose
    files keep their format, those with a row that has changed are written anew. However it ends, the same command goes
    on. Exit code 3: something could not be read, and will be in the next round; 75: the server was away.

    With --from-webhooks no round is made: the events that are due are taken out of the inbox, their conversations are
    brought up to date, and then the events are done. What nobody was notified of comes with the next round.

    \b
    Try it:  asyncchat sync sqlite:///chat.db --sandbox
    """  # noqa: D301 - click reads the backspace
    as_json, quiet, every = flags.pop("as_json"), flags.pop("quiet"), flags.pop("every")
    inbox = flags.pop("from_webhooks")
    connection = take_connection(flags)
    if inbox is not None:
        refuse_rounds(flags)
        show_look = _shows(look_line, quiet=quiet, as_json=as_json)
        return run_to_end(work_off(connection, flags, inbox, every, show_look))
    if every is not None:
        return run_to_end(_keep_on(connection, flags, every, _shows(round_line, quiet=quiet, as_json=as_json)))
    report = run_to_end(_once(connection, flags, silent=quiet or as_json))
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    elif not quiet:
        click.echo(sync_summary(report))
    elif not report.certified:
        click.echo(f"asyncchat: not all is proved complete: {safe(report.uncertified[0])}", err=True)
    return 0 if report.certified else _UNCERTIFIED


async def _once(connection: Connection, flags: dict[str, Any], *, silent: bool) -> SyncReport:
    drawn = contextlib.nullcontext() if silent else show_progress(sys.stderr, sync_stand)
    async with opened(connection) as (client, source):
        with drawn as observer:
            return await _sync(client, flags, source, observer)


async def _keep_on(
    connection: Connection, flags: dict[str, Any], every: float, show: Callable[[SyncReport], None]
) -> int:
    async with opened(connection) as (client, source):
        await keep_on(
            lambda: _sync(client, flags, source, None), every=every, show=show, passing=(*AWAY, ExportBusyError)
        )
    return 0


async def _sync(client: Any, flags: dict[str, Any], source: str | None, observer: Any) -> SyncReport:
    from asyncchat.export import sync  # noqa: PLC0415 - heavy, and not needed for --help

    seconds = ("lag", "lookback", "audit", "patience")
    return await sync(
        client,
        flags["destination"],
        since=flags["since"],
        models=flags["models"],
        messages=not flags["no_messages"],
        prune=flags["prune"],
        **{name: flags[name] for name in seconds if flags[name] is not None},
        source=source,
        observer=observer,
    )


def _shows(line: Callable[[R], str], *, quiet: bool, as_json: bool) -> Callable[[R], None]:
    """What shows a round in one line, of JSON or as `line` says it; or only what is not complete."""

    def show(report: R) -> None:
        if not quiet:
            click.echo(json.dumps(report.to_dict()) if as_json else line(report))
            sys.stdout.flush()
        elif not report.certified:
            click.echo(f"asyncchat: {moment()} not all is proved complete: {safe(report.uncertified[0])}", err=True)

    return show
