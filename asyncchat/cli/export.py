"""`asyncchat export`."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from asyncchat.cli.options import Connection, connection_options, take_connection
from asyncchat.cli.render import safe, show_progress, summary
from asyncchat.cli.running import run_async

if TYPE_CHECKING:
    from asyncchat.export import ExportReport

_UNCERTIFIED = 3


@click.command(name="export")
@click.argument("destination", metavar="DEST")
@click.option("--format", type=click.Choice(["jsonl"]), default="jsonl", show_default=True, help="Of the part files.")
@click.option("--since", metavar="WHEN", help="Only conversations created at or after it: 2025-05-05, or a full time.")
@click.option("--until", metavar="WHEN", help="Only conversations created at or before it.")
@click.option("--model", "models", type=int, multiple=True, metavar="ID", help="Only this model. May be repeated.")
@click.option("--no-messages", is_flag=True, help="Leave the messages out.")
@connection_options
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def export_command(**flags: Any) -> int:
    """Export models, conversations and messages into the folder DEST.

    Each kind becomes JSON Lines files; manifest.json is written last and says what is there and whether it is proved
    complete. An interrupted export leaves nothing behind.

    \b
    Try it:  asyncchat export ./chat-export --sandbox
    """  # noqa: D301 - click reads the backspace
    as_json, quiet = flags.pop("as_json"), flags.pop("quiet")
    connection = take_connection(flags)
    report = run_async(_export(connection, flags, silent=quiet or as_json))
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    elif not quiet:
        click.echo(summary(report))
    elif not report.certified:
        click.echo(f"asyncchat: not all is proved complete: see {safe(report.destination)}/manifest.json", err=True)
    return 0 if report.certified else _UNCERTIFIED


async def _export(connection: Connection, flags: dict[str, Any], *, silent: bool) -> ExportReport:
    from asyncchat.export import export  # noqa: PLC0415 - heavy, and not needed for --help

    async with contextlib.AsyncExitStack() as stack:
        sandbox = connection.make_sandbox()
        if sandbox is not None:
            await stack.enter_async_context(sandbox)
        client = await stack.enter_async_context(connection.make_client(sandbox))
        observer = None if silent else stack.enter_context(show_progress(sys.stderr))
        return await export(
            client,
            flags["destination"],
            format=flags["format"],
            since=flags["since"],
            until=flags["until"],
            models=flags["models"],
            messages=not flags["no_messages"],
            source=f"sandbox of seed {sandbox.seed}" if sandbox else None,
            observer=observer,
        )
