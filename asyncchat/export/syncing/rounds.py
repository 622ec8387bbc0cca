"""A round of a sync: what has changed is read and put into the copy, and how far that is comes with it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import attrs

from asyncchat import AsyncClient, RawRow
from asyncchat.export.destinations.copy import Copy
from asyncchat.export.one_thread import OneThread
from asyncchat.export.questions import Manner
from asyncchat.export.report import Query
from asyncchat.export.start import make_second, read_clock
from asyncchat.export.stopping import RETRY
from asyncchat.export.syncing.belonging import is_of_time
from asyncchat.export.syncing.changes import Changes
from asyncchat.export.syncing.figures import Figures
from asyncchat.export.syncing.filtering import TRIED, try_filter
from asyncchat.export.syncing.keeping import Keeping
from asyncchat.export.syncing.landing import Landing, Manners
from asyncchat.export.syncing.models import ModelCheck
from asyncchat.export.syncing.news import changed_second
from asyncchat.export.syncing.prune import Prune
from asyncchat.export.syncing.report import OnChange, SyncReport
from asyncchat.export.syncing.sample import Sample
from asyncchat.export.syncing.setbacks import Setbacks
from asyncchat.export.syncing.state import SKEW, Clock, Round, SyncState
from asyncchat.export.syncing.updates import Updates
from asyncchat.export.windows import Span, changed

_BACKLOG_LEAST: Final = 5
"""Conversations of earlier rounds that are counted at least: each is counted once, so that quiet rounds catch up."""

_local_clock = time.time


@attrs.frozen(kw_only=True)
class Settings:
    """How rounds are made.

    Attributes:
        lag: Seconds to keep behind the server's clock.
        lookback: Seconds to read again.
        audit: The share of conversations that are counted, of those whose messages were not asked for.
        seed: Draws which.
        prune: Whether conversations that the server has no more are looked for.
        patience: Seconds for which a server that answers nothing is waited for.
        on_change: Is told of each conversation that has changed.
    """

    lag: float
    lookback: float
    audit: float
    seed: int
    prune: bool
    patience: float
    on_change: OnChange | None


class SyncRound:
    """One round.

    Args:
        client: Where to read from.
        copy: What is kept up to date.
        thread: Where the copy is used.
        settings: How.
        figures: Where it is noted what came of it.
    """

    def __init__(
        self, client: AsyncClient, copy: Copy, thread: OneThread, settings: Settings, figures: Figures
    ) -> None:
        retry = attrs.evolve(RETRY, patience=settings.patience)
        self._client = client.with_options(retry=retry, deadline=None, hooks=[figures])
        self._copy = copy
        self._thread = thread
        self._settings = settings
        self._figures = figures
        self._setbacks = Setbacks()
        self._has_counted_all = False
        self._manner = attrs.evolve(Manner.of(copy.report.probe), stamp_of=changed)
        self._query: Query = copy.report.query
        self._kept = Keeping(copy, thread, figures, settings.on_change)

    async def run(self) -> SyncReport:
        """Read everything that has changed.

        Raises:
            ExportError: The server does not look at the filters.
            AsyncChatError: The server refused, or stopped answering. What was committed before is kept.
        """
        began, since = time.monotonic(), self._kept.state.until
        await self._kept.tell_untold()
        clock = await self._read_clock()
        if self._kept.state.rounds == 0:
            moved = await self._thread.call(lambda: self._copy.moved(TRIED))
            self._kept.state = attrs.evolve(self._kept.state, fractions=await try_filter(self._client, moved))
        plan = self._plan(clock, await self._thread.call(self._copy.latest) if self._kept.state.rounds == 0 else None)
        self._landing, self._sample, self._updates = self._make_updates(plan)
        if plan.went_back:  # this is seen only once: a run that is killed must not forget it
            until = self._kept.state.until - math.ceil(plan.went_back)
            state = attrs.evolve(
                self._kept.state, until=min(until, plan.until), clock=int(clock.now), ahead=clock.ahead
            )
            await self._commit(state, list(self._kept.state.windows))
        start = self._kept.state.until
        models = ModelCheck(self._client, self._copy, self._thread, self._figures, self._query)
        await models.bring(plan.span)
        owed = await self._read_owed()
        for model_id in self._query.model_ids or (None,):
            owed += await self._read_changes(model_id, plan, owed)
        await self._updates.settle()
        await self._audit()
        if self._settings.prune:
            prune = Prune(self._client, self._copy, self._thread, self._manner, self._figures)
            await self._apply(await prune.run(make_second(self._query.since), plan.until))
            self._has_counted_all = not prune.is_uncertain
            await models.prune(plan.until)
        is_steady = await self._look_at_clock(clock)
        until = plan.until if is_steady else min(start, plan.until)
        await self._commit(attrs.evolve(self._kept.state, rounds=plan.number, until=until), owed)
        await self._kept.tell()
        return self._report(since=since, went_back=round(plan.went_back), seconds=time.monotonic() - began)

    async def _read_clock(self) -> Clock:
        before = _local_clock()
        now = await read_clock(self._client)
        after = _local_clock()
        return Clock.of(now, asked=before, told=after)

    def _plan(self, clock: Clock, latest: int | None) -> Round:
        settings = self._settings
        self._manner = attrs.evolve(self._manner, overlap=self._manner.overlap or self._kept.state.fractions)
        plan = Round.of(
            self._kept.state, clock, lag=settings.lag, lookback=settings.lookback, overlap=self._manner.overlap
        )
        self._kept.state = self._kept.state.seen_at(clock, lag=settings.lag, lookback=settings.lookback, latest=latest)
        return plan

    def _make_updates(self, plan: Round) -> tuple[Landing, Sample, Updates]:
        manners = Manners(
            messages=self._query.messages,
            unsettled=self._kept.state.unsettled,
            until=plan.until,
            went_back=plan.went_back > 0,
            number=plan.number,
        )
        landing = Landing(
            self._copy,
            self._thread,
            manners=manners,
            figures=self._figures,
            setbacks=self._setbacks,
            owed=self._kept.state.owed(),
            unclosed=self._kept.state.spans(),
        )
        counting = self._client.with_options(hooks=[self._figures.audit])
        sample = Sample(counting, landing, rate=self._settings.audit, seed=self._settings.seed)
        return landing, sample, Updates(self._client, landing, trusts=self._kept.state.trusts, check=sample.draw)

    async def _look_at_clock(self, began: Clock) -> bool:
        """Note the server's clock, as it is now where pages were walked; returns whether closed windows stayed closed.

        They do unless it was set back meanwhile by more than the lag: then changes get stamps of that time again.
        """
        self._kept.state = attrs.evolve(self._kept.state, clock=int(began.now), ahead=began.ahead)
        if not self._figures.walks:
            return True
        clock = await self._read_clock()
        is_steady = clock.went_back(self._kept.state) <= max(self._settings.lag - SKEW, SKEW)
        if not is_steady:
            self._figures.doubts.append(
                "the server's clock was set back meanwhile: the same changes are read once more"
            )
        state = self._kept.state.seen_at(clock, lag=self._settings.lag, lookback=self._settings.lookback, latest=None)
        self._kept.state = attrs.evolve(state, clock=int(clock.now), ahead=clock.ahead)
        return is_steady

    # ---- what has changed

    async def _read_owed(self) -> list[tuple[int | None, Span]]:
        """Read windows that earlier rounds could not; returns those that still cannot be."""
        changes = Changes(self._client, self._manner, self._figures, self._setbacks)
        owed: list[tuple[int | None, Span]] = []
        for model_id, span in self._kept.state.windows:
            rows, rest = await changes.read(model_id, span)
            await self._apply(rows.values())
            owed += [(model_id, each) for each in rest]
        return owed

    async def _read_changes(
        self, model_id: int | None, plan: Round, owed: list[tuple[int | None, Span]]
    ) -> list[tuple[int | None, Span]]:
        changes = Changes(self._client, self._manner, self._figures, self._setbacks)
        found: list[tuple[int | None, Span]] = []
        async for span in changes.slices(model_id, plan.span):
            rows, rest = await changes.read(model_id, span)
            found += [(model_id, each) for each in rest]
            await self._apply(rows.values())
            if self._copy.commits_cheaply and not self._query.model_ids and span.until < plan.until:
                until = max(self._kept.state.until, span.until - (1 if self._manner.overlap else 0))
                if plan.went_back == 0:
                    await self._commit(attrs.evolve(self._kept.state, until=until), [*owed, *found])
                    await self._kept.tell()
        return found

    async def _apply(self, rows: Iterable[RawRow]) -> None:
        """Put conversations into the copy that belong to it.

        Those that have changed after the time that is closed come with a later round: messages that were written before
        that change might not be visible yet.
        """
        wanted, until = is_of_time(self._query), self._landing.manners.until
        await self._updates.apply([row for row in rows if wanted(row) and changed_second(row) <= until])

    async def _audit(self) -> None:
        """Count some of the conversations that have long been believed, and all of them where one has been caught."""
        if not self._query.messages:
            return
        caught = not self._kept.trusts
        share = max(_BACKLOG_LEAST, math.ceil(self._settings.audit * self._figures.ways["recent"]))
        most = None if caught else share if self._settings.audit else 0
        ids = await self._thread.call(lambda: self._copy.doubtful(most))
        await self._sample.count(ids)
        if not caught and not self._kept.trusts:
            await self._sample.count(await self._thread.call(self._copy.doubtful))

    # ---- commits

    async def _commit(self, state: SyncState, owed: list[tuple[int | None, Span]]) -> None:
        """Make all of it durable that was read so far."""
        state = attrs.evolve(state, windows=tuple(owed))
        await self._kept.commit(state, self._landing, has_counted_all=self._has_counted_all)

    def _report(self, *, since: int, went_back: int, seconds: float) -> SyncReport:
        figures, report = self._figures, self._copy.report
        return SyncReport(
            destination=report.destination,
            query=self._query,
            as_of=report.as_of,
            since=datetime.fromtimestamp(since, UTC),
            rows=report.rows,
            new=figures.new,
            changed=figures.changed,
            messages=figures.messages,
            ways=dict(figures.ways) if self._query.messages else {},
            audited=figures.audited,
            lied=tuple(figures.lied),
            trusts=self._kept.trusts,
            deleted=tuple(figures.deleted),
            certificates=dict(figures.certificates),
            uncertified=report.uncertified,
            clock_went_back=went_back,
            requests=figures.requests,
            audit_requests=figures.audit.requests,
            retries=figures.retries,
            seconds=seconds,
        )
