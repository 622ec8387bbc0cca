"""`refresh`: some conversations of an export, as they are now."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from asyncchat import AsyncClient, ConfigurationError, RawRow
from asyncchat.export.destinations.base import Destination
from asyncchat.export.destinations.copy import Copy, Copyable
from asyncchat.export.destinations.heads import model_of
from asyncchat.export.destinations.holding import another_export
from asyncchat.export.one_thread import OneThread
from asyncchat.export.start import check_seconds
from asyncchat.export.stopping import PATIENCE, RETRY
from asyncchat.export.syncing.belonging import is_of_models, is_of_time
from asyncchat.export.syncing.fetching import Fetched, fetch
from asyncchat.export.syncing.figures import Figures
from asyncchat.export.syncing.keeping import Keeping
from asyncchat.export.syncing.landing import Landing, Manners
from asyncchat.export.syncing.models import ModelCheck
from asyncchat.export.syncing.opening import choose_copyable, opened
from asyncchat.export.syncing.report import OnChange, RefreshReport
from asyncchat.export.syncing.setbacks import Setbacks
from asyncchat.export.syncing.state import Clock
from asyncchat.export.syncing.syncing import LOOKBACK, SYNC_LAG
from asyncchat.export.syncing.updates import Updates
from asyncchat.export.work import conversation_in

_BLOCK: Final = 500
"""Conversations that are committed together."""
_MOST_ID: Final = 2**63 - 1


async def refresh(
    client: AsyncClient,
    destination: str | os.PathLike[str] | Destination,
    conversation_ids: Iterable[int],
    *,
    lag: float = SYNC_LAG,
    patience: float = PATIENCE,
    source: str | None = None,
    on_change: OnChange | None = None,
) -> RefreshReport:
    """Bring some conversations of a synced or finished export up to date, without a round of `sync`.

    Each is asked for once. Its new messages are come by as in `sync`: from its `recent_messages` where these reach back
    to what is there, without a further request; else from the end of the listing, or all of it. Conversations are
    committed in blocks of 500, each with its messages in the transaction of its row: a run that is killed leaves what a
    later `refresh` or `sync` makes right.

    How far the export is as a whole does not move. The next `sync` looks into what this has brought once more, when
    its changes are as old as `sync` waits for: a message that became visible late is found then.

    Args:
        client: Where to read from: the server that was exported from.
        destination: What `sync` or `export` was given. In a folder every block reads all files, and writes those anew
            whose rows have changed.
        conversation_ids: Which. One that is given twice is read once, one that is not there yet is added, with its
            model; one that the server has no more gets a time in `deleted_at`, with its messages, and stays.
        lag: Seconds after which a change is visible for sure: that of `sync`.
        patience: Seconds for which a server that answers nothing is waited for. 0: none.
        source: What `sync` or `export` called the server; None: the client's base URL.
        on_change: As that of `sync`. What is told here is not told there.

    Returns:
        What came of it. Where something could not be read, `certified` is false and `unproven` names it.

    Raises:
        ConfigurationError: An argument is wrong, or the destination holds no finished export, or one of another server.
        ExportError: The destination failed, or another run writes to it.
        AsyncChatError: The server refused, or answered nothing. What was committed before is kept.
    """
    try:
        chosen = choose_copyable(destination)
    finally:
        del destination  # a URL may hold a password, and a traceback shows the locals of its frames
    ids = _check_ids(conversation_ids)
    lag, patience = check_seconds(lag, "lag"), check_seconds(patience, "patience")
    async with opened(chosen) as thread:
        copy = await _open(chosen, thread, source or client.base_url or "a transport")
        return await _Refresh(client, copy, thread, lag=lag, patience=patience, on_change=on_change).run(ids)


def _check_ids(values: Iterable[int]) -> list[int]:
    ids = list(dict.fromkeys(values))
    for each in ids:
        if isinstance(each, bool) or not isinstance(each, int) or not 0 <= each <= _MOST_ID:
            raise ConfigurationError(f"conversation_ids takes whole numbers from 0 to 2**63 - 1, not {each!r:.80}")
    return ids


async def _open(destination: Copyable, thread: OneThread, source: str) -> Copy:
    copy = await thread.call(lambda: destination.copy(None))
    if copy is None:
        raise ConfigurationError(
            f"{destination.name} holds no finished export: export or sync into it first, then refresh"
        )
    query = copy.report.query
    wanted = attrs.evolve(query, source=source, until=None)
    if query != wanted:
        raise another_export(destination.name, query, wanted)
    return copy


class _Refresh:
    """One call of `refresh`."""

    def __init__(
        self,
        client: AsyncClient,
        copy: Copy,
        thread: OneThread,
        *,
        lag: float,
        patience: float,
        on_change: OnChange | None,
    ) -> None:
        self._figures = figures = Figures(None)
        retry = attrs.evolve(RETRY, patience=patience)
        self._client = client.with_options(retry=retry, deadline=None, hooks=[figures])
        self._copy = copy
        self._thread = thread
        self._lag = lag
        self._query = copy.report.query
        self._setbacks = Setbacks()
        self._kept = Keeping(copy, thread, figures, on_change)
        self._tells = on_change is not None
        self._models = ModelCheck(self._client, copy, thread, figures, self._query)
        self._read = 0
        self._gone: set[int] = set()
        self._outside: list[int] = []
        self._unproven: dict[int, str] = {}
        figures.doubts += [each for each in self._kept.state.doubts if conversation_in(each) is None]

    async def run(self, ids: Sequence[int]) -> RefreshReport:
        """Bring conversations, a block at a time."""
        began = time.monotonic()
        if ids:
            await self._kept.tell_untold()
        for block in _blocks(ids):
            found = await fetch(self._client, block, self._setbacks)
            self._unproven |= {each: f"conversation {each}: {exc}" for each, exc in found.failed.items()}
            if found.rows or found.gone:
                await self._bring(found)
        return self._report(seconds=time.monotonic() - began)

    async def _bring(self, found: Fetched) -> None:
        """Put into the copy what was told, and commit it."""
        rows = self._ours(found.rows)
        landing = await self._land(found.clock)
        await self._bring_models(rows)
        await Updates(self._client, landing, trusts=self._kept.trusts).apply(rows)
        await self._mark_gone(found.gone, landing)
        await self._kept.commit(self._kept.state, landing)
        if self._tells:
            await self._kept.tell()
        self._read += len(rows)
        self._unproven |= {row.id: landing.owed[row.id] for row in rows if row.id in landing.owed}

    def _ours(self, rows: Sequence[RawRow]) -> list[RawRow]:
        """Conversations that the copy is of; the others are noted."""
        tests = (is_of_time(self._query), is_of_models(self._query))
        ours = [row for row in rows if all(test(row) for test in tests)]
        self._outside += sorted({row.id for row in rows} - {row.id for row in ours})
        return ours

    async def _land(self, clock: Clock) -> Landing:
        """Where rows go that were told at a time of the server's clock."""
        state = self._kept.state
        latest = await self._thread.call(self._copy.latest) if state.rounds == 0 else None
        manners = Manners(
            messages=self._query.messages,
            unsettled=state.seen_at(clock, lag=self._lag, lookback=LOOKBACK, latest=latest).unsettled,
            until=state.settled_at(clock, lag=self._lag),
            went_back=clock.went_back(state) > 0,
            number=state.rounds,
        )
        return Landing(
            self._copy,
            self._thread,
            manners=manners,
            figures=self._figures,
            setbacks=self._setbacks,
            owed=state.owed(),
            unclosed=state.spans(),
        )

    async def _bring_models(self, rows: Sequence[RawRow]) -> None:
        """Put in the models of conversations, where they are not there."""
        owners = {row.id: owner for row in rows if (owner := model_of(row.json)) is not None}
        failed = await self._models.bring_some(set(owners.values()))
        self._unproven |= {
            each: f"conversation {each}, its model {owner}: {failed[owner]}"
            for each, owner in owners.items()
            if owner in failed
        }

    async def _mark_gone(self, ids: Sequence[int], landing: Landing) -> None:
        """Mark conversations that the server has no more, of those that are there."""
        self._gone.update(ids)
        known = await self._thread.call(lambda: self._copy.known(ids, latest=0))
        for each in sorted(ids):
            if each in known and not known[each].is_deleted:
                await landing.gone(each)

    def _report(self, *, seconds: float) -> RefreshReport:
        figures, report = self._figures, self._copy.report
        vanished = set(figures.deleted) - self._gone  # while their messages were read
        return RefreshReport(
            destination=report.destination,
            as_of=report.as_of,
            new=figures.new,
            changed=figures.changed,
            unchanged=self._read - figures.new - figures.changed - len(vanished),
            messages=figures.messages,
            ways=dict(figures.ways) if self._query.messages else {},
            gone=tuple(sorted(self._gone | vanished)),
            outside=tuple(self._outside),
            unproven=self._unproven,
            requests=figures.requests,
            retries=figures.retries,
            seconds=seconds,
        )


def _blocks(ids: Sequence[int]) -> Iterator[list[int]]:
    numbers = iter(ids)
    while block := list(itertools.islice(numbers, _BLOCK)):
        yield block
