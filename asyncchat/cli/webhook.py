"""`asyncchat webhook`: a receiver of our own, and a look into its inbox."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from asyncchat.cli.render import safe
from asyncchat.cli.running import Terminated, run_async

if TYPE_CHECKING:
    from asyncchat.webhooks import Inbox, KeywordNotificationEvent, Stored, UnknownEvent

_STATES: Final = ("new", "taken", "done", "dead", "rejected")
_SHOWN: Final = 60

_inbox_option = click.option("--inbox", "path", required=True, metavar="FILE", help="The inbox, an SQLite file.")


@click.group(name="webhook", subcommand_metavar="COMMAND [ARGS]...")
def webhook_command() -> None:
    """Receive keyword notifications, and lose none."""


@webhook_command.command(name="secret")
@click.option(
    "--url", metavar="URL", help="Where the receiver can be reached, such as https://hooks.example.com/webhook."
)
@click.option("--secret-file", metavar="FILE", help="Write the secret there, for `webhook serve`.")
def secret_command(url: str | None, secret_file: str | None) -> int:
    """Make a secret, and the URL to register with the platform."""
    from asyncchat.webhooks import make_secret  # noqa: PLC0415 - heavy, and not needed for --help

    secret = make_secret()
    if secret_file is not None:
        path = Path(secret_file)
        with contextlib.suppress(FileNotFoundError):
            path.lstat()
            raise click.UsageError(f"{path} is there already: a secret is not written over another one")
        path.touch(mode=0o600)
        path.write_text(secret + "\n", encoding="utf-8")
    elif url is None:
        click.echo(secret)
    if url is not None:
        click.echo(f"{url.rstrip('/')}/{secret}")
    return 0


@webhook_command.command(name="serve")
@_inbox_option
@click.option("--secret-file", required=True, metavar="FILE", help="Holds the secret; two lines while it is replaced.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65_535), help="0: any free one.")
@click.option("--jsonl", metavar="FILE", help="Append a line for each event; - is the standard output.")
@click.option("--timeout", default=60.0, show_default=True, type=click.FloatRange(0.1), help="Seconds for an event.")
@click.option("--header", default="X-Webhook-Secret", show_default=True, help="The header that may hold the secret.")
def serve_command(**flags: Any) -> int:
    """Receive notifications at /webhook/SECRET, and at /webhook with the secret in a header.

    What is acknowledged is in the inbox. /health answers while it runs. SIGTERM and SIGINT let what is at work end.

    \b
    Try it:  asyncchat webhook secret --secret-file secret
             asyncchat webhook serve --inbox inbox.db --secret-file secret --jsonl events.jsonl
    """  # noqa: D301 - click reads the backspace
    secrets = _read_secrets(flags["secret_file"])
    with contextlib.suppress(KeyboardInterrupt, Terminated):
        run_async(_serve(flags, secrets))
    return 0


def _read_secrets(name: str) -> list[str]:
    try:
        return Path(name).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as exc:
        raise click.UsageError(f"the secret's file {name} cannot be read ({exc})") from None


async def _serve(flags: dict[str, Any], secrets: list[str]) -> None:
    from asyncchat.webhooks import Inbox, KeywordNotificationEvent, Receiver, UnknownEvent  # noqa: PLC0415
    from asyncchat.webhooks.aiohttp import serving  # noqa: PLC0415

    with Inbox(flags["path"]) as inbox, _lines(flags["jsonl"]) as write:
        receiver = Receiver(inbox, secrets=secrets, header=flags["header"], timeout=flags["timeout"])
        receiver.on(KeywordNotificationEvent)(write)
        receiver.on(UnknownEvent)(write)
        async with serving(receiver, flags["host"], flags["port"]) as url:
            click.echo(f"asyncchat: receiving at {url}/webhook/SECRET, kept in {flags['path']}", err=True)
            await asyncio.Event().wait()


@contextlib.contextmanager
def _lines(name: str | None) -> Iterator[Callable[[KeywordNotificationEvent | UnknownEvent], Awaitable[None] | None]]:
    """What appends an event to a file, durably; does nothing where none is named."""
    with contextlib.ExitStack() as stack:
        file = sys.stdout.buffer if name == "-" else None
        if name not in {None, "-"}:
            try:
                file = stack.enter_context(Path(str(name)).open("ab", buffering=0))
            except OSError as exc:
                raise click.UsageError(f"{name} cannot be written ({exc.strerror})") from None

        def write(event: KeywordNotificationEvent | UnknownEvent) -> None:
            from asyncchat.webhooks import to_json  # noqa: PLC0415

            if file is not None:
                file.write(json.dumps(to_json(event)).encode() + b"\n")
                file.flush()
                if file is not sys.stdout.buffer:
                    os.fsync(file.fileno())

        yield write


# ---- the inbox


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Inbox]:
    from asyncchat.webhooks import Inbox  # noqa: PLC0415 - heavy, and not needed for --help

    if not Path(path).is_file():
        raise click.UsageError(f"there is no inbox {path}")
    with Inbox(path) as inbox:
        yield inbox


@webhook_command.command(name="list")
@_inbox_option
@click.option("--state", type=click.Choice(_STATES), help="Only these.")
@click.option("--after", type=int, default=0, metavar="ID", help="Only those of higher numbers.")
@click.option("--most", type=click.IntRange(min=1), default=100, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each, with its body.")
def list_command(path: str, state: Any, after: int, most: int, *, as_json: bool) -> int:
    """List events, in the order in which they came."""
    with _opened(path) as inbox:
        for stored in inbox.list(state=state, after=after, most=most):
            click.echo(json.dumps(_told(stored)) if as_json else _line(stored))
    return 0


@webhook_command.command(name="show")
@_inbox_option
@click.argument("event_id", type=int, metavar="ID")
def show_command(path: str, event_id: int) -> int:
    """Show an event as JSON, with its body."""
    with _opened(path) as inbox:
        stored = inbox.get(event_id)
    if stored is None:
        raise click.UsageError(f"there is no event {event_id}")
    click.echo(json.dumps(_told(stored), indent=2))
    return 0


@webhook_command.command(name="replay")
@_inbox_option
@click.argument("ids", type=int, nargs=-1, metavar="[ID]...")
@click.option("--state", type=click.Choice(["done", "dead"]), help="All of these.")
def replay_command(path: str, ids: tuple[int, ...], state: Any) -> int:
    """Let events be handed over once more, by their numbers or all in a state."""
    if bool(ids) == (state is not None):
        raise click.UsageError("give numbers of events, or --state")
    with _opened(path) as inbox:
        count = inbox.replay(time.time(), ids=ids, state=state)
    click.echo(f"{count:,} will be handed over")
    return 0


@webhook_command.command(name="stats")
@_inbox_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def stats_command(path: str, *, as_json: bool) -> int:
    """Tell how the inbox stands."""
    with _opened(path) as inbox:
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
    text = safe(stored.body.decode("utf-8", "replace").replace("\n", " "))
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "\u2026"
    came = datetime.fromtimestamp(stored.received_at, UTC)
    error = f"  ({safe(' '.join(stored.error.split()))})" if stored.error else ""
    return f"{stored.id:>8}  {came:%Y-%m-%d %H:%M:%S}  {stored.state:<8}  {stored.count:>4}x  {shown}{error}"


def _told(stored: Stored) -> dict[str, Any]:
    names = ("id", "state", "received_at", "last_received_at", "count", "attempts", "due_at", "error")
    return {**{name: getattr(stored, name) for name in names}, "body": stored.body.decode("utf-8", "replace")}
