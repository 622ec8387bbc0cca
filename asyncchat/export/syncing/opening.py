"""Opens what is kept up to date."""

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
    """What a path, a URL or an object of one's own names, where it can be kept up to date.

    Raises:
        ConfigurationError: It names nothing, or something that cannot.
    """
    try:
        chosen = choose_destination(destination, format=None)
    finally:
        del destination  # a URL may hold a password, and a traceback shows the locals of its frames
    if isinstance(chosen, Copyable):
        return chosen
    raise ConfigurationError(
        f"{type(chosen).__name__} cannot be kept up to date: that needs its copy(), as folders and databases have it"
    )


@asynccontextmanager
async def opened(destination: Copyable) -> AsyncIterator[OneThread]:
    """A thread to use a destination in; what was opened in it is closed at the end, also where that is cancelled."""
    thread = OneThread(destination.name)
    try:
        yield thread
    finally:
        with anyio.CancelScope(shield=True):
            await thread.call(destination.close)
        thread.close()
