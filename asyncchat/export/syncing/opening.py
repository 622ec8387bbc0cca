"""Opens databases that are kept up to date."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from asyncchat import ConfigurationError
from asyncchat.export.destinations.base import Destination
from asyncchat.export.destinations.choose import choose_destination
from asyncchat.export.destinations.copy import Copyable
from asyncchat.export.one_thread import OneThread


def choose_copyable(destination: str | os.PathLike[str] | Destination) -> Copyable:
    """The database that a URL or an object of one's own names.

    Raises:
        ConfigurationError: It names none, or something else.
    """
    try:
        chosen = choose_destination(destination, format="jsonl", csv_raw=False)
    finally:
        del destination  # a URL may hold a password, and a traceback shows the locals of its frames
    if isinstance(chosen, Copyable):
        return chosen
    raise ConfigurationError(
        f"{chosen.name} is no database: rows in files are not changed, so give sqlite:///FILE, duckdb:///FILE or "
        "postgresql://HOST/DATABASE"
    )


@asynccontextmanager
async def opened(destination: Copyable) -> AsyncIterator[OneThread]:
    """A thread to use a database in; what was opened in it is closed at the end, also where that is cancelled."""
    thread = OneThread(destination.name)
    try:
        yield thread
    finally:
        with anyio.CancelScope(shield=True):
            await thread.call(destination.close)
        thread.close()
