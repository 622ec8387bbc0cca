"""`export`: from a server into a destination, once and whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final

import anyio
import attrs

from asyncchat import AsyncChatError, AsyncClient
from asyncchat.export.destinations.base import Destination
from asyncchat.export.destinations.choose import choose_destination
from asyncchat.export.engine import Engine
from asyncchat.export.ledger import Ledger
from asyncchat.export.progress import Tally
from asyncchat.export.report import KINDS, ExportReport, Observer, Query
from asyncchat.export.sink import DestinationSink
from asyncchat.export.start import LAG, check_seconds, draw_plan, make_query
from asyncchat.export.stopping import PATIENCE

RESUMABLE: Final = "What was read is kept: the same export goes on from there (without fresh=True)"
"""The note of an error that ended an export which has rows already."""


async def export(
    client: AsyncClient,
    destination: str | os.PathLike[str] | Destination,
    *,
    format: str = "jsonl",  # noqa: A002 - the field's name for it
    since: datetime | date | str | None = None,
    until: datetime | date | str | None = None,
    models: Iterable[int] = (),
    messages: bool = True,
    fresh: bool = False,
    lag: float = LAG,
    patience: float = PATIENCE,
    csv_raw: bool = False,
    source: str | None = None,
    observer: Observer | None = None,
) -> ExportReport:
    """Export models, conversations and messages, and prove that nothing is missing.

    A run that was stopped, by whatever it was, is gone on with by the same call. Where the destination holds this very
    export whole, nothing is done.

    Args:
        client: Where to read from.
        destination: A folder, which is made if it is not there; `sqlite:///file`, `duckdb:///file` or
            `postgresql://user:password@host/database`; or a `Destination` of your own.
        format: Of the part files in a folder, one of `FORMATS`: with "jsonl", "jsonl.gz" and "jsonl.zst" each row is a
            line, as the server sent it, with `conversation_id` put before in messages; with "csv" and "parquet" it has
            columns, and one with what fits into none.
        since: Only conversations created at or after it: an aware datetime, a date (midnight UTC) or a text.
        until: Only conversations created at or before it; None: all up to the last closed second of the server's clock,
            which a later `until` is cut to as well.
        models: Ids of models: only these, and their conversations. Empty: all.
        messages: Whether messages are exported.
        fresh: Whether to begin anew, whatever export the destination holds. A finished one stays until the new one is
            finished, and is replaced then; where the new one is stopped, the call without `fresh` goes on with it.
        lag: Seconds to keep behind the server's clock, for rows that become visible late.
        patience: Seconds for which a server that answers nothing is waited for. 0: none.
        csv_raw: Whether CSV holds texts as they are, also those that a spreadsheet would run as formulas.
        source: What the report calls the server; None: the client's base URL.
        observer: Is called with each `Progress`, in the event loop.

    Returns:
        What was brought. Where something could not be proved complete, `certified` is false and `uncertified` names it.

    Raises:
        ConfigurationError: An argument is wrong, or the destination cannot take this export.
        ExportError: The destination failed, another export writes to it, or the server ignores the filters.
        AsyncChatError: The server refused, or stopped answering. What was read is kept, and a note says so.
    """
    try:
        chosen = choose_destination(destination, format=format, csv_raw=csv_raw)
    finally:
        del destination  # a URL may hold a password, and a traceback shows the locals of its frames
    lag, patience = check_seconds(lag, "lag"), check_seconds(patience, "patience")
    query = make_query(
        client, format=chosen.format, since=since, until=until, models=models, messages=messages, source=source
    )
    run = ExportRun(client, chosen, query, lag=lag, patience=patience, observer=observer)
    return await run.whole(fresh=fresh)


class ExportRun:
    """One run of an export into a destination.

    Args:
        client: Where to read from.
        destination: Where to write to.
        query: What is asked.
        lag: Seconds to keep behind the server's clock.
        patience: Seconds for which a server that answers nothing is waited for.
        observer: Is told how far it has come.
    """

    def __init__(
        self,
        client: AsyncClient,
        destination: Destination,
        query: Query,
        *,
        lag: float,
        patience: float,
        observer: Observer | None,
    ) -> None:
        self._client = client
        self._query = query
        self._name = destination.name
        self._lag = lag
        self._patience = patience
        self._observer = observer
        self._sink = DestinationSink(destination, self._take_mark)
        self._ledger = Ledger()
        self._tally = Tally(None, self._ledger)

    async def whole(self, *, fresh: bool) -> ExportReport:
        """Open the destination, bring what is missing in it, and close it."""
        try:
            opened = await self._sink.open(self._query, fresh=fresh)
            if opened.report is not None:
                return attrs.evolve(opened.report, reused=True)
            self._ledger = Ledger.replay(opened.marks)
            return await self._bring(resumed=bool(opened.marks))
        finally:
            await self._sink.close()

    async def _bring(self, *, resumed: bool) -> ExportReport:
        self._tally = tally = Tally(self._observer, self._ledger)
        watched = self._client.with_options(hooks=[tally])
        engine = Engine(
            watched, self._query, ledger=self._ledger, sink=self._sink, tally=tally, patience=self._patience
        )
        try:
            if self._ledger.plan is None:
                await engine.begin(await draw_plan(watched, self._query, lag=self._lag))
            await engine.run()
        except BaseException as exc:
            await self._keep(exc)
            raise
        await self._sink.checkpoint()
        report = make_report(self._name, self._query, self._ledger, seconds=tally.seconds, resumed=resumed)
        return await self._sink.finish(report)

    async def _keep(self, exc: BaseException) -> None:
        """Commit what was read until something stopped it, if it is worth going on from."""
        if not self._ledger.windows_done or not self._sink.is_sound:
            return
        with (
            anyio.CancelScope(shield=True),
            contextlib.suppress(AsyncChatError),
        ):  # the first failure is the one to tell
            await self._sink.checkpoint()
            if isinstance(exc, AsyncChatError):
                exc.add_note(RESUMABLE)

    def _take_mark(self) -> str:
        return self._ledger.take_mark(self._tally.seconds)


def make_report(name: str, query: Query, ledger: Ledger, *, seconds: float, resumed: bool) -> ExportReport:
    """What an export brought that has come to its end.

    Args:
        name: What the destination is called.
        query: What was asked.
        ledger: Where the export stands.
        seconds: How long all runs took.
        resumed: Whether there was more than one.
    """
    assert ledger.plan is not None
    return ExportReport(
        destination=name,
        query=query,
        as_of=datetime.fromtimestamp(ledger.plan.as_of, UTC),
        rows={kind: ledger.rows[kind] for kind in (KINDS if query.messages else KINDS[:2])},
        certificates=dict(ledger.certificates),
        uncertified=tuple(ledger.doubts),
        deleted=tuple(ledger.deleted),
        probe=ledger.plan.probe,
        requests=ledger.requests,
        retries=ledger.retries,
        seconds=seconds,
        resumed=resumed,
    )
