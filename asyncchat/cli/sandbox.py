"""`asyncchat sandbox`."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, Final

import click

from asyncchat.cli.behaviours import behaviour_options
from asyncchat.cli.render import safe
from asyncchat.cli.running import Stop

if TYPE_CHECKING:
    from asyncchat.sandbox import Fault, Sandbox, WebhookReport


_LARGE: Final = 500_000
"""Rows from which generating takes so long that it is told."""
_GLANCE_SECONDS: Final = 0.1


def _read_faults(_context: click.Context, _option: click.Parameter, lines: tuple[str, ...]) -> list[Fault]:
    from asyncchat.sandbox import Fault  # noqa: PLC0415 - heavy, and not needed for --help

    try:
        return [Fault.parse(line) for line in lines]
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from None


@click.command(name="sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 picks a free one.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same chats.")
@click.option("--models", type=click.IntRange(min=1), default=5, show_default=True, help="How many models.")
@click.option(
    "--conversations", type=click.IntRange(min=0), default=1000, show_default=True, help="How many conversations."
)
@click.option(
    "--messages-mean",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Messages in a conversation, on average.",
)
@click.option("--database", default=":memory:", show_default=True, help="An SQLite file that keeps what is generated.")
@click.option("--token", default="sandbox-token", show_default=True, help="The token that it takes. Not a real one.")
@click.option("--clock", type=float, metavar="EPOCH", help="Time stands there until told on; two runs are then alike.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    callback=_read_faults,
    help="What goes wrong, as in status,status=502,path=/conversations,page=2,nth=3. May be repeated.",
)
@click.option("--webhook", metavar="URL", help="Send keyword notifications there.")
@click.option(
    "--webhook-count", type=click.IntRange(min=0), default=10, show_default=True, help="How many notifications."
)
@click.option(
    "--webhook-rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Notifications a second.  [default: as fast as they are taken]",
)
@behaviour_options
def sandbox_command(webhook: str | None, webhook_count: int, webhook_rate: float | None, **flags: Any) -> int:
    """Serve the whole API with made-up chats, until Ctrl-C.

    Below /v1 it is the API; /_sandbox/truth tells what an export must find, /_sandbox/stats what was asked.
    """
    from asyncchat.sandbox import Campaign, Sandbox  # noqa: PLC0415 - heavy, and not needed for --help

    try:
        sandbox = Sandbox(**flags)
        if webhook is not None:
            Campaign(url=webhook, count=webhook_count, rate=webhook_rate)  # refuses what makes no sense
    except (TypeError, ValueError) as exc:
        raise click.UsageError(str(exc)) from None
    stop = Stop()
    stop.listen()
    _start(sandbox, stop)
    try:
        click.echo(banner(sandbox))
        if webhook is not None:
            click.echo(told(_send(sandbox, webhook, webhook_count, webhook_rate)))
        stop.wait()
    finally:
        sandbox.stop()
    click.echo(f"stopped after {sandbox.stats()['requests']:,} requests")
    return 0


def _start(sandbox: Sandbox, stop: Stop) -> None:
    """Start it in another thread: a signal does not wait until a large account is generated.

    Raises:
        KeyboardInterrupt: A signal came before it was ready.
    """
    if sandbox.conversations * (1 + sandbox.messages_mean) >= _LARGE:
        click.echo(f"generating {sandbox.conversations:,} conversations ...", err=True)
    started: Future[None] = Future()

    def run() -> None:
        try:
            sandbox.start()
        except Exception as exc:  # noqa: BLE001 - it is raised where it is waited for
            started.set_exception(exc)
        else:
            started.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    while not wait([started], timeout=_GLANCE_SECONDS).done:
        if stop.asked:
            raise KeyboardInterrupt
    try:
        started.result()
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None
    except OSError as exc:
        raise click.ClickException(exc.strerror or str(exc)) from None


def _send(sandbox: Sandbox, url: str, count: int, rate: float | None) -> WebhookReport:
    try:
        return sandbox.send_webhooks(url, count=count, rate=rate)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None


def told(report: WebhookReport) -> str:
    """What became of the notifications, in one line."""
    answers = ", ".join(f"{count:,} x {answer}" for answer, count in report.by_answer.items()) or "none"
    taken = f"{len(report.acknowledged):,} acknowledged, {len(report.given_up):,} given up"
    times = f"half within {report.p50 * 1000:.0f} ms, the slowest {report.slowest * 1000:.0f} ms"
    return f"Webhooks: {report.sent:,} sent, {taken}; answers: {answers}; {times}"


def banner(sandbox: Sandbox) -> str:
    """What to know of a running sandbox, and what to paste next."""
    return "\n".join(
        (
            f"Sandbox of seed {sandbox.seed} at {sandbox.base_url}",
            (
                f"  {sandbox.models:,} models, {sandbox.conversations:,} conversations, "
                f"{sandbox.messages_mean:g} messages in each on average"
            ),
            "",
            f"  export ASYNCCHAT_BASE_URL={sandbox.base_url}",
            f"  export ASYNCCHAT_API_TOKEN={safe(sandbox.token)}",
            *([] if sandbox.auth == "bearer" else [f"  export ASYNCCHAT_AUTH={safe(sandbox.auth)}"]),
            "  asyncchat export ./chat-export",
            "",
            f"  truth      {sandbox.origin}/_sandbox/truth",
            f"  stats      {sandbox.origin}/_sandbox/stats",
            f"  behaviour  {sandbox.origin}/_sandbox/behaviour",
            f"  contract   {sandbox.origin}/openapi.json",
            "Ctrl-C stops it.",
        )
    )
