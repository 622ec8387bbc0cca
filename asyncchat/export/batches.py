"""`export_batches`: the rows of an export for a destination of one's own, batch by batch."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from datetime import date, datetime
from typing import Final

from asyncchat import AsyncClient, ConfigurationError
from asyncchat.export.destinations.base import Batch
from asyncchat.export.engine import Engine
from asyncchat.export.exporting import make_report
from asyncchat.export.ledger import Ledger
from asyncchat.export.progress import Tally
from asyncchat.export.report import ExportReport, Observer, Query
from asyncchat.export.start import LAG, check_seconds, draw_plan, make_query
from asyncchat.export.stopping import PATIENCE

_WAITING_BYTES: Final = 4 * 2**20
"""Bytes of rows that wait for the consumer before reading waits too."""


def export_batches(
    client: AsyncClient,
    *,
    since: datetime | date | str | None = None,
    until: datetime | date | str | None = None,
    models: Iterable[int] = (),
    messages: bool = True,
    lag: float = LAG,
    patience: float = PATIENCE,
    observer: Observer | None = None,
) -> ExportBatches:
    """The rows of an export as they are accepted, for `async for`: nothing is sent before the first step.

    Each row comes once. What could not be proved complete is in the report, which is there when the loop has ended.
    Nothing is kept between runs: for exports that go on after they were stopped, give `export` a `Destination`.

    Args:
        client: Where to read from.
        since: Only conversations created at or after it: an aware datetime, a date (midnight UTC) or a text.
        until: Only conversations created at or before it; None: all up to the last closed second of the server's clock.
        models: Ids of models: only these, and their conversations. Empty: all.
        messages: Whether messages are exported.
        lag: Seconds to keep behind the server's clock, for rows that become visible late.
        patience: Seconds for which a server that answers nothing is waited for. 0: none.
        observer: Is called with each `Progress`.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    lag, patience = check_seconds(lag, "lag"), check_seconds(patience, "patience")
    query = make_query(
        client, format="batches", since=since, until=until, models=models, messages=messages, source=None
    )
    return ExportBatches(client, query, lag=lag, patience=patience, observer=observer)


class ExportBatches:
    """Batches of an export: `async for batch in batches`, then `batches.report`.

    Leaving the loop early ends the export and sends nothing more. It can be iterated again, which exports again.
    """

    def __init__(
        self, client: AsyncClient, query: Query, *, lag: float, patience: float, observer: Observer | None
    ) -> None:
        self._client = client
        self._query = query
        self._lag = lag
        self._patience = patience
        self._observer = observer
        self._report: ExportReport | None = None

    @property
    def report(self) -> ExportReport:
        """What was brought, once the loop has ended.

        Raises:
            ConfigurationError: It has not.
        """
        if self._report is None:
            raise ConfigurationError("the report is there when every batch has been taken: iterate to the end first")
        return self._report

    async def __aiter__(self) -> AsyncGenerator[Batch, None]:
        """Every batch.

        Raises:
            ExportError: The server ignores the filters, or has not a model that was asked for.
            AsyncChatError: The server refused, or stopped answering.
        """
        waiting = _Waiting()
        task = asyncio.ensure_future(self._read(waiting))
        task.add_done_callback(lambda _: waiting.end())
        try:
            while (batch := await waiting.take()) is not None:
                yield batch
            self._report = await task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])

    async def _read(self, waiting: _Waiting) -> ExportReport:
        ledger = Ledger()
        tally = Tally(self._observer, ledger)
        client = self._client.with_options(hooks=[tally])
        engine = Engine(client, self._query, ledger=ledger, sink=waiting, tally=tally, patience=self._patience)
        await engine.begin(await draw_plan(client, self._query, lag=self._lag))
        await engine.run()
        return make_report("batches", self._query, ledger, seconds=tally.seconds, resumed=False)


class _Waiting:
    """Batches on their way from the engine's tasks to the consumer's loop."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._size = 0
        self._ended = False
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def put(self, batch: Batch) -> None:
        """Take rows."""
        self._batches.append(batch)
        self._size += batch.size
        self._came.set()
        if self._size >= _WAITING_BYTES:
            self._room.clear()

    async def settle(self) -> None:
        """Wait while too much waits."""
        await self._room.wait()

    def end(self) -> None:
        """Note that nothing more will come."""
        self._ended = True
        self._came.set()

    async def take(self) -> Batch | None:
        """The next batch; None when there is no more."""
        while not self._batches:
            if self._ended:
                return None
            self._came.clear()
            await self._came.wait()
        batch = self._batches.popleft()
        self._size -= batch.size
        if self._size < _WAITING_BYTES:
            self._room.set()
        return batch
