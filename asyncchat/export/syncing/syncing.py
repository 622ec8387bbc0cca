"""`sync`: an export that stays true."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Final, TypeAlias, cast

import attrs

from asyncchat import AsyncClient, ConfigurationError
from asyncchat.export.destinations.base import Destination
from asyncchat.export.destinations.copy import Copy, Copyable
from asyncchat.export.exporting import ExportRun
from asyncchat.export.one_thread import OneThread
from asyncchat.export.report import ExportReport, Progress, Query
from asyncchat.export.start import check_seconds, make_query
from asyncchat.export.stopping import PATIENCE
from asyncchat.export.syncing.figures import Figures
from asyncchat.export.syncing.opening import choose_copyable, opened
from asyncchat.export.syncing.report import OnChange, SyncProgress, SyncReport
from asyncchat.export.syncing.rounds import Settings, SyncRound

SYNC_LAG: Final = 120.0
"""Seconds that a sync keeps behind the server's clock, for changes that become visible late."""
LOOKBACK: Final = 300.0
"""Seconds of changes that a round reads again, for those that became visible later still."""
AUDIT: Final = 0.02
"""The share of conversations that a round counts, of those whose new messages were not asked for."""

Observe: TypeAlias = Callable[[Progress | SyncProgress], None]


async def sync(
    client: AsyncClient,
    destination: str | os.PathLike[str] | Destination,
    *,
    since: datetime | date | str | None = None,
    models: Iterable[int] = (),
    messages: bool = True,
    lag: float = SYNC_LAG,
    lookback: float = LOOKBACK,
    audit: float = AUDIT,
    seed: int = 1,
    prune: bool = False,
    patience: float = PATIENCE,
    source: str | None = None,
    on_change: OnChange | None = None,
    observer: Observe | None = None,
) -> SyncReport:
    """Bring an export up to date with the server; where there is no finished one, export first.

    What has changed is found by windows of `updated_at`, each proved complete. New messages are taken from the
    conversations' own `recent_messages` where these reach back to what is there, without a request; else the end of
    the listing is read, or all of it. Rows, and how far the copy is, are committed together: a run that is stopped or
    killed is gone on with by the same call. What could not be read is named, and read again in the next round.

    After it the destination holds every conversation as it was at `as_of` or later, but for those that have changed
    again since: they come with the next round.

    In a folder files are never changed. At the end of a round those without a row that has changed are kept, the others
    are written anew, and all of them are put in the place of the old ones at once: a round that is stopped leaves the
    export as it was. Before that every file is read: a round takes about as long as reading all that is there.

    Args:
        client: Where to read from.
        destination: As for `export`: a folder, whose files keep the format that they were exported in ("jsonl" where it
            holds no export yet); `sqlite:///file`, `duckdb:///file` or `postgresql://user:password@host/database`.
        since: Only conversations created at or after it.
        models: Ids of models: only these, and their conversations. Empty: all.
        messages: Whether messages are kept.
        lag: Seconds to keep behind the server's clock, for changes that become visible late.
        lookback: Seconds of changes that are read again, for those that became visible later still, and for a clock
            that is set back by less.
        audit: The share of conversations whose messages are counted, of those whose new messages were not asked for;
            as many of earlier rounds are counted too. Where one lacks a message, recent messages are not believed any
            more, all that were are counted, and what is missing is read. 0: none, 1: all.
        seed: Another one draws other conversations.
        prune: Whether to look for conversations and models that the server has no more, with a request for each 1,000
            conversations. In a database they and their messages get a time in `deleted_at`, and stay; files lose them.
        patience: Seconds for which a server that answers nothing is waited for. 0: none.
        source: What reports call the server; None: the client's base URL.
        on_change: Is called with each `ConversationChange` when it has been committed, and awaited where it gives an
            awaitable. One that was not told of, as the run was killed or this raised, is told of by the next run.
        observer: Is called with each `Progress` of an export and `SyncProgress` of a round, in the event loop.

    Returns:
        What the round brought. Where something could not be read, `certified` is false and `uncertified` names it.

    Raises:
        ConfigurationError: An argument is wrong, or the destination holds another export.
        ExportError: The destination failed, another run writes to it, or the server ignores the filters.
        AsyncChatError: The server refused, or stopped answering. What was committed before is kept.
    """
    try:
        chosen = choose_copyable(destination)
    finally:
        del destination  # a URL may hold a password, and a traceback shows the locals of its frames
    settings = Settings(
        lag=check_seconds(lag, "lag"),
        lookback=check_seconds(lookback, "lookback"),
        audit=_check_share(audit),
        seed=seed,
        prune=prune,
        patience=check_seconds(patience, "patience"),
        on_change=on_change,
    )
    kind = cast("Destination", chosen).format
    query = make_query(client, format=kind, since=since, until=None, models=models, messages=messages, source=source)
    async with opened(chosen) as thread:
        return await _Sync(client, chosen, thread, query, settings=settings, observer=observer).run()


def _check_share(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigurationError(f"audit takes a share from 0 to 1, not {value!r:.40}")
    return float(value)


class _Sync:
    """One call of `sync`."""

    def __init__(
        self,
        client: AsyncClient,
        destination: Copyable,
        thread: OneThread,
        query: Query,
        *,
        settings: Settings,
        observer: Observe | None,
    ) -> None:
        self._client = client
        self._destination = destination
        self._thread = thread
        self._query = query
        self._settings = settings
        self._observer = observer

    async def run(self) -> SyncReport:
        """Export, if that is still to be done, and bring what has changed."""
        exported = None
        copy = await self._thread.call(lambda: self._destination.copy(self._query))
        if copy is None:
            exported = await self._export()
            copy = await self._thread.call(lambda: self._destination.copy(self._query))
        assert copy is not None
        return await self._round(copy, exported)

    async def _export(self) -> ExportReport:
        run = ExportRun(
            self._client,
            cast("Destination", self._destination),
            self._query,
            lag=self._settings.lag,
            patience=self._settings.patience,
            observer=self._observer,
        )
        return await run.whole(fresh=False)

    async def _round(self, copy: Copy, exported: ExportReport | None) -> SyncReport:
        figures = Figures(self._observer)
        report = await SyncRound(self._client, copy, self._thread, self._settings, figures).run()
        if exported is None:
            return report
        return attrs.evolve(
            report,
            exported=exported,
            requests=report.requests + exported.requests,
            retries=report.retries + exported.retries,
            seconds=report.seconds + exported.seconds,
        )
