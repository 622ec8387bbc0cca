"""`asyncchat export`."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from asyncchat.cli.ending import EndedError, ended_early
from asyncchat.cli.options import Connection, connection_options, opened, take_connection
from asyncchat.cli.render import export_stand, show_progress, summary, where_it_is_told
from asyncchat.cli.running import run_async
from asyncchat.cli.wording import wording
from asyncchat.errors import APIConnectionError, RateLimitError, ServerError

if TYPE_CHECKING:
    from asyncchat.export import ExportReport

_UNCERTIFIED = 3
_TEMPORARY = 75  # EX_TEMPFAIL of sysexits.h: later it may go well

_FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet")


@click.command(name="export")
@click.argument("destination", metavar="DEST")
@click.option("--format", type=click.Choice(_FORMATS), default="jsonl", show_default=True, help="Of the part files.")
@click.option("--since", metavar="WHEN", help="Only conversations created at or after it: 2025-05-05, or a full time.")
@click.option("--until", metavar="WHEN", help="Only conversations created at or before it.")
@click.option("--model", "models", type=int, multiple=True, metavar="ID", help="Only this model. May be repeated.")
@click.option("--no-messages", is_flag=True, help="Leave the messages out.")
@click.option("--fresh", is_flag=True, help="Begin anew. What is finished is replaced when the new export is finished.")
@click.option("--lag", type=float, metavar="SECONDS", help="Stay behind the server's clock.  [default: 2]")
@click.option("--patience", type=float, metavar="SECONDS", help="Wait for a server that is down.  [default: 300]")
@click.option("--csv-raw", is_flag=True, help="With csv: keep cells that a spreadsheet would run as formulas.")
@connection_options
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def export_command(**flags: Any) -> int:
    """Export models, conversations and messages to DEST, and prove that nothing is missing.

    DEST is a folder, which gets part files and manifest.json, or one of sqlite:///FILE, duckdb:///FILE and
    postgresql://USER@HOST/DATABASE. However a run ends, by Ctrl-C, a lost server or a lost machine, the same command
    goes on from there. Exit code 75: the server was away for too long.

    \b
    Try it:  asyncchat export ./chat-export --sandbox
    """  # noqa: D301 - click reads the backspace
    as_json, quiet = flags.pop("as_json"), flags.pop("quiet")
    connection = take_connection(flags)
    goes_on = f"the same command{' without --fresh' if flags['fresh'] else ''} goes on from what was read"
    report = _run(_export(connection, flags, silent=quiet or as_json), goes_on)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    elif not quiet:
        click.echo(summary(report))
    elif not report.certified:
        click.echo(f"asyncchat: not all is proved complete: see {where_it_is_told(report)}", err=True)
    return 0 if report.certified else _UNCERTIFIED


def _run(main: Coroutine[Any, Any, ExportReport], goes_on: str) -> ExportReport:
    """Run an export; what ends it early says that the same command goes on."""
    try:
        with ended_early(goes_on):
            return run_async(main)
    except (APIConnectionError, RateLimitError, ServerError) as exc:
        if hasattr(exc, "__notes__"):  # rows are kept: the server was there, and is away for a time
            raise EndedError(wording(exc), _TEMPORARY) from None
        raise


async def _export(connection: Connection, flags: dict[str, Any], *, silent: bool) -> ExportReport:
    from asyncchat.export import export  # noqa: PLC0415 - heavy, and not needed for --help

    drawn = contextlib.nullcontext() if silent else show_progress(sys.stderr, export_stand)
    async with opened(connection) as (client, source):
        with drawn as observer:
            return await export(
                client,
                flags["destination"],
                format=flags["format"],
                since=flags["since"],
                until=flags["until"],
                models=flags["models"],
                messages=not flags["no_messages"],
                fresh=flags["fresh"],
                csv_raw=flags["csv_raw"],
                **{name: flags[name] for name in ("lag", "patience") if flags[name] is not None},
                source=source,
                observer=observer,
            )
