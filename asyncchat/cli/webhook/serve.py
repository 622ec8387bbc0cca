"""`asyncchat webhook serve`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from asyncchat.cli.ending import Terminated
from asyncchat.cli.options import Connection, connection_options, opened, take_connection
from asyncchat.cli.render import safe
from asyncchat.cli.running import run_async
from asyncchat.cli.webhook.look import inbox_option
from asyncchat.cli.webhook.refreshing import Refresher, make_refresher
from asyncchat.cli.webhook.targets import Handler, target

if TYPE_CHECKING:
    from asyncchat import AsyncClient
    from asyncchat.webhooks import Receiver

_TARGETS: Final = ("forward", "command", "jsonl")
_AT_ONCE: Final = 8
_TOGETHER: Final = 200
"""Events that are handed over at once where they share a refresh."""


@click.command(name="serve")
@inbox_option
@click.option("--secret-file", required=True, metavar="FILE", help="Holds the secret; two lines while it is replaced.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65_535), help="0: any free one.")
@click.option("--forward", metavar="URL", help="Post each event there; an answer of 2xx takes it.")
@click.option(
    "--exec", "command", metavar="CMD", help="Run it for each event, as JSON at its input; exit code 0 takes it."
)
@click.option("--jsonl", metavar="FILE", help="Append a line for each event; - is the standard output.")
@click.option("--sync", "destination", metavar="DEST", help="Bring the conversation up to date in that export, first.")
@click.option("--refetch", is_flag=True, help="Hand over what the API says of the conversation, not what was posted.")
@click.option(
    "--event-timeout", default=60.0, show_default=True, type=click.FloatRange(0.1), help="Seconds for an event."
)
@click.option("--header", default="X-Webhook-Secret", show_default=True, help="The header that may hold the secret.")
@connection_options
def serve_command(**flags: Any) -> int:
    """Receive notifications at /webhook/SECRET, and at /webhook with the secret in a header.

    What is acknowledged is in the inbox. There it stays if no flag says what takes it; what is not taken comes again,
    later and later. /health answers while it runs. SIGTERM and SIGINT let what is at work end.

    \b
    Try it:  asyncchat webhook secret --secret-file secret
             asyncchat webhook serve --inbox inbox.db --secret-file secret --jsonl events.jsonl
    """  # noqa: D301 - click reads the backspace
    if sum(flags[name] is not None for name in _TARGETS) > 1:
        raise click.UsageError("give one of --forward, --exec and --jsonl")
    connection = take_connection(flags)
    secrets = _read_secrets(flags["secret_file"])
    with contextlib.suppress(KeyboardInterrupt, Terminated), _warnings_told():
        run_async(_serve(flags, secrets, connection))
    return 0


def _read_secrets(name: str) -> list[str]:
    try:
        return Path(name).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as exc:
        raise click.UsageError(f"the secret's file {name} cannot be read ({exc})") from None


async def _serve(flags: dict[str, Any], secrets: list[str], connection: Connection) -> None:
    from asyncchat.webhooks import Inbox, Receiver  # noqa: PLC0415
    from asyncchat.webhooks.aiohttp import serving  # noqa: PLC0415

    async with contextlib.AsyncExitStack() as stack:
        client = await _client(flags, connection, stack)
        handler = await stack.enter_async_context(target(**{name: flags[name] for name in _TARGETS}))
        refresher = await _refresher(flags, client, stack)
        receiver = Receiver(
            stack.enter_context(Inbox(flags["path"])),
            secrets=secrets,
            header=flags["header"],
            timeout=flags["event_timeout"],
            concurrency=_AT_ONCE if refresher is None else _TOGETHER,
            verify="refetch" if flags["refetch"] else None,
            client=client,
        )
        _hand_over(receiver, refresher, handler)
        url = await stack.enter_async_context(serving(receiver, flags["host"], flags["port"]))
        click.echo(f"asyncchat: receiving at {url}/webhook/SECRET, kept in {safe(flags['path'])}", err=True)
        await asyncio.Event().wait()


def _hand_over(receiver: Receiver, refresher: Refresher | None, handler: Handler | None) -> None:
    """Register what the flags name: the export first, so that it is up to date when the other is told."""
    from asyncchat.webhooks import KeywordNotificationEvent, UnknownEvent  # noqa: PLC0415

    if refresher is not None:
        receiver.on(KeywordNotificationEvent)(refresher)
    if handler is not None:
        receiver.on(KeywordNotificationEvent)(handler)
        receiver.on(UnknownEvent)(handler)


async def _client(
    flags: dict[str, Any], connection: Connection, stack: contextlib.AsyncExitStack
) -> AsyncClient | None:
    if not flags["refetch"] and flags["destination"] is None:
        return None
    client, _ = await stack.enter_async_context(opened(connection))
    return client


async def _refresher(
    flags: dict[str, Any], client: AsyncClient | None, stack: contextlib.AsyncExitStack
) -> Refresher | None:
    if client is None or flags["destination"] is None:
        return None
    refresher = await make_refresher(client, flags["destination"], patience=flags["event_timeout"] / 2)
    stack.push_async_callback(refresher.aclose)
    return refresher


@contextlib.contextmanager
def _warnings_told() -> Iterator[None]:
    """Let what goes wrong with an event be told in a line on the standard error."""

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            click.echo(f"asyncchat: {safe(' '.join(record.getMessage().split()))}", err=True)

    logger, handler = logging.getLogger("asyncchat.webhooks"), Told(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
