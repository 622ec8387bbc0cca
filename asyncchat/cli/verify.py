"""`asyncchat verify`."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from asyncchat.cli.ending import ended_early
from asyncchat.cli.options import Connection, connection_options, opened, take_connection
from asyncchat.cli.render import show_progress, verdict, verify_stand
from asyncchat.cli.running import run_async

if TYPE_CHECKING:
    from asyncchat.export import VerifyReport

_DIFFERENT = 3


@click.command(name="verify")
@click.argument("destination", metavar="DEST")
@click.option("--no-messages", is_flag=True, help="Leave the messages out: they take a request for each conversation.")
@click.option("--deep", is_flag=True, help="Read every row, and compare it with what is kept of it.")
@click.option("--repair", is_flag=True, help="Put in what is missing, and replace files that are damaged.")
@click.option("--source", metavar="NAME", help="What the export calls the server, if that is not --base-url.")
@click.option("--patience", type=float, metavar="SECONDS", help="Wait for a server that is down.  [default: 300]")
@connection_options
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, with every id.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def verify_command(**flags: Any) -> int:
    """Check the export in DEST against the server: is a row missing, or one there that the server has not?

    DEST is what `asyncchat export` was given. Conversations are counted by windows of time, messages by conversation;
    where counts differ, ids are compared. What has come since the export is no difference; what was deleted is one.
    Nothing is changed without --repair. Exit code 3: something is missing, extra, damaged, or could not be told.

    \b
    Try it:  asyncchat export ./chat-export --sandbox
             asyncchat verify ./chat-export --sandbox
    """  # noqa: D301 - click reads the backspace
    as_json, quiet = flags.pop("as_json"), flags.pop("quiet")
    connection = take_connection(flags)
    changed = "what was missing is put in as a whole, or not at all" if flags["repair"] else "nothing was changed"
    with ended_early(changed):
        report = run_async(_verify(connection, flags, silent=quiet or as_json))
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    elif not quiet:
        click.echo(verdict(report))
    elif not (report.intact or report.mended):
        changed = f", {report.changed} otherwise" if report.changed else ""
        click.echo(f"asyncchat: {report.missing} rows missing, {report.extra} extra{changed}: see --json", err=True)
    return 0 if report.intact or report.mended else _DIFFERENT


async def _verify(connection: Connection, flags: dict[str, Any], *, silent: bool) -> VerifyReport:
    from asyncchat.export import verify  # noqa: PLC0415 - heavy, and not needed for --help

    drawn = contextlib.nullcontext() if silent else show_progress(sys.stderr, verify_stand)
    async with opened(connection) as (client, source):
        with drawn as observer:
            return await verify(
                client,
                flags["destination"],
                messages=not flags["no_messages"],
                deep=flags["deep"],
                repair=flags["repair"],
                **({} if flags["patience"] is None else {"patience": flags["patience"]}),
                source=flags["source"] or source,
                observer=observer,
            )
