"""What a copy says of itself: committed together with its rows, and told to who wants to know of them."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime

import attrs

from asyncchat.export.destinations.copy import Copy
from asyncchat.export.one_thread import OneThread
from asyncchat.export.report import KINDS, ExportReport
from asyncchat.export.syncing.figures import Figures
from asyncchat.export.syncing.landing import Landing
from asyncchat.export.syncing.report import ConversationChange, OnChange
from asyncchat.export.syncing.state import SyncState
from asyncchat.export.work import is_of_window


class Keeping:
    """Commits what was read, and tells of it.

    Args:
        copy: The copy.
        thread: Where it is used.
        figures: What was read since the last commit.
        on_change: Is told of each conversation that has changed; None: nobody is.

    Attributes:
        state: How far the copy is.
    """

    def __init__(self, copy: Copy, thread: OneThread, figures: Figures, on_change: OnChange | None) -> None:
        self.state = SyncState.after(copy.report) if copy.state is None else SyncState.from_text(copy.state)
        self._copy = copy
        self._thread = thread
        self._figures = figures
        self._on_change = on_change

    @property
    def trusts(self) -> bool:
        """Whether recent messages are believed from now on."""
        return self.state.trusts and not self._figures.lied

    async def commit(self, state: SyncState, landing: Landing, *, has_counted_all: bool = False) -> None:
        """Make all of it durable that was read so far.

        Args:
            state: How far the copy is now, but for what the figures and the landing know.
            landing: What is owed.
            has_counted_all: Whether all conversations were counted, so that windows of the export are in no doubt.
        """
        figures = self._figures
        untold = [change.id for change in figures.changes] if self._on_change is not None else []
        doubts = tuple(dict.fromkeys([*figures.doubts, *filter(None, landing.owed.values())]))
        gone = set(figures.deleted)
        unclosed = {each: span for each, span in landing.unclosed.items() if each not in gone}
        self.state = attrs.evolve(
            state.with_unclosed(unclosed),
            trusts=self.trusts,
            conversations=tuple(sorted(landing.owed)),
            untold=(*state.untold, *untold),
            doubts=doubts,
        )
        kept = [
            each
            for each in self._copy.report.uncertified
            if each not in state.doubts and not (has_counted_all and is_of_window(each))
        ]
        text, report = self.state.to_text(), self._report(uncertified=(*kept, *doubts))
        await self._thread.call(lambda: self._copy.commit(text, report))

    def _report(self, *, uncertified: tuple[str, ...]) -> ExportReport:
        """What the copy will say of itself."""
        figures, report = self._figures, self._copy.report
        rows = {kind: report.rows[kind] + figures.rows[kind] for kind in KINDS if kind in report.rows}
        figures.rows.clear()
        as_of = datetime.fromtimestamp(self.state.until, UTC)
        return attrs.evolve(report, as_of=as_of, rows=rows, uncertified=uncertified)

    async def tell(self) -> None:
        """Tell of what has been committed. Who is killed before that is told by the next run."""
        for change in self._figures.take_changes():
            await self._tell_one(change)
        if self.state.untold:
            self.state = attrs.evolve(self.state, untold=())
            text, report = self.state.to_text(), self._copy.report
            await self._thread.call(lambda: self._copy.commit(text, report))

    async def tell_untold(self) -> None:
        """Tell of what an earlier run has committed and not told."""
        if self._on_change is not None and self.state.untold:
            for each in self.state.untold:
                await self._tell_one(ConversationChange(id=each))
            self.state = attrs.evolve(self.state, untold=())

    async def _tell_one(self, change: ConversationChange) -> None:
        told = None if self._on_change is None else self._on_change(change)
        if inspect.isawaitable(told):
            await told
