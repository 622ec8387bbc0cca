"""`asyncchat webhook`: a receiver of our own, and a look into its inbox."""

from __future__ import annotations

import click

from asyncchat.cli.webhook.look import list_command, replay_command, show_command, stats_command
from asyncchat.cli.webhook.secret import secret_command
from asyncchat.cli.webhook.serve import serve_command


@click.group(name="webhook", subcommand_metavar="COMMAND [ARGS]...")
def webhook_command() -> None:
    """Receive keyword notifications, and lose none."""


for command in (secret_command, serve_command, list_command, show_command, replay_command, stats_command):
    webhook_command.add_command(command)
