"""`asyncchat webhook secret`."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click


@click.command(name="secret")
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
