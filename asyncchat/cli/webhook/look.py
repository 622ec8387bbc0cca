"""A look into an inbox: `asyncchat webhook list`, `show`, `replay`, `stats`."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from asyncchat.cli.render import safe

if TYPE_CHECKING:
    from asyncchat.webhooks import Inbox, Stored

_STATES: Final = ("new", "taken", "done", "dead", "rejected")
_SHOWN: Final = 60

inbox_option = click.option("--inbox", "path", required=True, metavar="FILE", help="The inbox, an SQLite file.")


def _to_seconds(_context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read a point in time."""
    if value is None:
        return None
    from asyncchat import ConfigurationError, to_instant  # noqa: PLC0415 - heavy, and not needed for --help

    try:
        return to_instant(value, str(parameter.name)).timestamp()
    except ConfigurationError as exc:
        failure = str(exc)
    raise click.UsageError(failure)


@contextlib.contextmanager
def opened_inbox(path: str) -> Iterator[Inbox]:
    """The inbox in a file, which must be there."""
    from asyncchat.webhooks import Inbox  # noqa: PLC0415 - heavy, and not needed for --help

    if not Path(path).is_file():
        raise click.UsageError(f"there is no inbox {path}")
    with Inbox(path) as inbox:
        yield inbox


@click.command(name="list")
@inbox_option
@click.option("--state", type=click.Choice(_STATES), help="Only these.")
@click.option("--keyword", metavar="TEXT", help="Only notifications of it.")
@click.option(
    "--since", callback=_to_seconds, metavar="WHEN", help="Only what came at or after it: 2025-05-05, or a time."
)
@click.option("--until", callback=_to_seconds, metavar="WHEN", help="Only what came before it.")
@click.option("--after", type=int, default=0, metavar="ID", help="Only those of higher numbers.")
@click.option("--most", type=click.IntRange(min=1), default=100, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each, with its body.")
def list_command(path: str, *, as_json: bool, **which: Any) -> int:
    """List events, in the order in which they came: number, time, state, how often, conversation and keyword."""
    with opened_inbox(path) as inbox:
        for stored in inbox.list(**which):
            click.echo(json.dumps(_told(stored)) if as_json else _line(stored))
    return 0


@click.command(name="show")
@inbox_option
@click.argument("event_id", type=int, metavar="ID")
def show_command(path: str, event_id: int) -> int:
    """Show an event as JSON, with its body."""
    with opened_inbox(path) as inbox:
        stored = inbox.get(event_id)
    if stored is None:
        raise click.UsageError(f"there is no event {event_id}")
    click.echo(json.dumps(_told(stored), indent=2))
    return 0


@click.command(name="replay")
@inbox_option
@click.argument("ids", type=int, nargs=-1, metavar="[ID]...")
@click.option("--state", type=click.Choice(["done", "dead"]), help="All of these.")
def replay_command(path: str, ids: tuple[int, ...], state: Any) -> int:
    """Let events be handed over once more, by their numbers or all in a state."""
    if bool(ids) == (state is not None):
        raise click.UsageError("give numbers of events, or --state")
    with opened_inbox(path) as inbox:
        count = inbox.replay(time.time(), ids=ids, state=state)
    click.echo(f"{count:,} will be handed over")
    return 0


@click.command(name="stats")
@inbox_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def stats_command(path: str, *, as_json: bool) -> int:
    """Tell how the inbox stands."""
    with opened_inbox(path) as inbox:
        stats = inbox.stats()
    if as_json:
        told = {"states": dict(stats.states), "duplicates": stats.duplicates, "oldest_due": stats.oldest_due}
        click.echo(json.dumps({**told, "size": stats.size}))
        return 0
    for state in _STATES:
        click.echo(f"  {state:<12}{stats.states.get(state, 0):>10,}")
    click.echo(f"  {'duplicates':<12}{stats.duplicates:>10,}")
    click.echo(f"  {'bytes':<12}{stats.size:>10,}")
    return 0


def _line(stored: Stored) -> str:
    came = datetime.fromtimestamp(stored.received_at, UTC)
    error = f"  ({safe(' '.join(stored.error.split()))})" if stored.error else ""
    what = safe(_summary(stored.body))
    shown = what if len(what) <= _SHOWN else what[: _SHOWN - 1] + "\u2026"
    return f"{stored.id:>7} {came:%Y-%m-%d %H:%M:%S} {stored.state:<8} {stored.count:>4}x {shown}{error}"


def _summary(body: bytes) -> str:
    """What a body is about, in a few words; its beginning where it is no event."""
    from asyncchat import WebhookError  # noqa: PLC0415 - heavy, and not needed for --help
    from asyncchat.webhooks import KeywordNotificationEvent, parse_event  # noqa: PLC0415

    try:
        event = parse_event(body)
    except WebhookError:
        return body.decode("utf-8", "replace").replace("\n", " ")
    if isinstance(event, KeywordNotificationEvent):
        return f"{event.payload.id} {event.payload.keyword}"
    return event.event


def _told(stored: Stored) -> dict[str, Any]:
    names = ("id", "state", "received_at", "last_received_at", "count", "attempts", "due_at", "error")
    return {**{name: getattr(stored, name) for name in names}, "body": stored.body.decode("utf-8", "replace")}
