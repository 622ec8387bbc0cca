"""`asyncchat webhook serve --sync`: each conversation that is told of is brought up to date in an export."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from asyncchat.cli.webhook.targets import FailedError
from asyncchat.errors import ExportBusyError

if TYPE_CHECKING:
    from asyncchat import AsyncClient
    from asyncchat.export import RefreshReport
    from asyncchat.webhooks import KeywordNotificationEvent

Refresh: TypeAlias = "Callable[[Sequence[int]], Awaitable[RefreshReport]]"


async def make_refresher(client: AsyncClient, destination: str, *, patience: float) -> Refresher:
    """The handler for a destination, which must hold an export from the client's server.

    Args:
        client: Where to read from.
        destination: A folder, or a database's URL.
        patience: Seconds for which a server that answers nothing is waited for.

    Raises:
        ConfigurationError: It holds none.
        AsyncChatError: It cannot be used.
    """
    from asyncchat.export import refresh  # noqa: PLC0415 - heavy, and not needed for --help

    refresher = Refresher(lambda ids: refresh(client, destination, ids, patience=patience))
    with contextlib.suppress(ExportBusyError):  # another run writes to it: that passes
        await refresher.refresh([])
    return refresher


class Refresher:
    """A handler that refreshes an event's conversation; those that come while others are refreshed go together.

    Args:
        refresh: Is given the ids of conversations.
    """

    def __init__(self, refresh: Refresh) -> None:
        self.refresh = refresh
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, event: KeywordNotificationEvent) -> None:
        """Wait until the conversation of an event has been refreshed, after the event came.

        Raises:
            FailedError: It could not be read.
            AsyncChatError: None could.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(event.payload.id, []).append(future)
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())
        await future

    async def aclose(self) -> None:
        """Let the refresh that is under way come to its end."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, {}
                try:
                    report = await self.refresh(list(batch))
                except Exception as exc:  # noqa: BLE001 - it is for those who wait
                    errors: dict[int, Exception] = dict.fromkeys(batch, exc)
                else:
                    errors = {each: FailedError(reason) for each, reason in report.unproven.items()}
                for each, futures in batch.items():
                    _settle(futures, errors.get(each))
        finally:
            self._task = None


def _settle(futures: Sequence[asyncio.Future[None]], error: Exception | None) -> None:
    for future in futures:
        if future.done():  # who waited took too long
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
