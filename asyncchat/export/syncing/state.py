"""What a sync notes of itself in the destination, together with the rows that it speaks of."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

import attrs

from asyncchat import ExportError
from asyncchat.export.report import ExportReport
from asyncchat.export.windows import Span
from asyncchat.export.work import conversation_in

_VERSION: Final = 1
_SPANS_KEPT: Final = 20
_UNCLOSED_KEPT: Final = 10_000

SKEW: Final = 3
"""Seconds that the clocks of two machines may differ by without either having been set."""


@attrs.frozen(kw_only=True)
class SyncState:
    """How far a copy has been kept up to date.

    Attributes:
        rounds: Rounds that have come to their end.
        until: The second up to which changes have been read, but for what is owed. A conversation that has changed
            again since comes with its later change.
        clock: The server's clock when the last round began, in seconds.
        ahead: By how many seconds it was ahead of this machine's then; None before the first round.
        unsettled: Times in which a change says nothing of the messages since their beginning, see `complete_until`.
        trusts: Whether recent messages are believed; a server that was caught is not believed again.
        fractions: Whether `updated_at` was seen to have hidden fractions of seconds.
        windows: Windows of changes that are owed, each with the model it was asked for by: they could not be read.
        conversations: Conversations whose messages are owed.
        unclosed: Conversations that a refresh has brought when their last change was not closed, each with the time in
            which that change says nothing of the messages since its beginning; until a round has looked into them.
        untold: Conversations that have changed, and of which nobody has been told yet.
        doubts: What the report of the export has been made to say of what is owed.
    """

    rounds: int
    until: int
    clock: int
    unsettled: tuple[tuple[int, int], ...] = ()
    ahead: float | None = None
    trusts: bool = True
    fractions: bool = False
    windows: tuple[tuple[int | None, Span], ...] = ()
    conversations: tuple[int, ...] = ()
    unclosed: tuple[tuple[int, int, int], ...] = ()
    untold: tuple[int, ...] = ()
    doubts: tuple[str, ...] = ()

    @classmethod
    def after(cls, report: ExportReport) -> Self:
        """The state of a copy that has just been exported; messages that the export is in doubt about are owed."""
        as_of = int(report.as_of.timestamp())
        doubts = {each: conversation_in(each) for each in report.uncertified}
        return cls(
            rounds=0,
            until=as_of,
            clock=as_of,
            conversations=tuple(found for found in doubts.values() if found is not None),
            doubts=tuple(each for each, found in doubts.items() if found is not None),
        )

    def seen_at(self, clock: Clock, *, lag: float, lookback: float, latest: int | None) -> Self:
        """The state when a round begins, with the times in which changes say little.

        Whatever has a stamp from before a clock was set back has none that is later than it would be now, and new
        changes have none that is earlier than the last round, less what it was set back by. Where it was set forward,
        what has a stamp of the last seconds before that may just now become visible. By more than is read again anyway
        that is not minded.

        Args:
            clock: The server's clock.
            lag: Seconds after which all is visible.
            lookback: Seconds that are read again.
            latest: The second of the last change that an export has stored; needed before the first round.
        """
        told, went_back, went_on = self.unsettled, clock.went_back(self), clock.went_on(self)
        if self.rounds == 0 and not told:
            told = ((self.until, max(math.ceil(clock.now), self.until, latest or 0)),)
        if went_back > SKEW:
            highest = max(self.clock + math.ceil(clock.passed(self) + SKEW), latest or 0)
            told = (*told, (self.clock - math.ceil(went_back + SKEW), highest))
        if SKEW < went_on <= lookback:
            set_at = clock.now - went_on
            told = (*told, (math.floor(set_at - lag - SKEW), math.ceil(set_at + SKEW)))
        return attrs.evolve(self, unsettled=_merged(told))

    def settled_at(self, clock: Clock, *, lag: float) -> int:
        """The second up to which every message is visible, also where the clock was set forward since the last round.

        Args:
            clock: The server's clock.
            lag: Seconds after which all is visible.
        """
        return math.floor(clock.now - clock.went_on(self) - lag) - SKEW

    def with_unclosed(self, spans: Mapping[int, tuple[int, int]]) -> Self:
        """The state with these conversations as the unclosed ones; where they are many, the oldest as one time."""
        ordered = sorted((begin, end, row_id) for row_id, (begin, end) in spans.items())
        old, kept = ordered[:-_UNCLOSED_KEPT], ordered[-_UNCLOSED_KEPT:]
        folded = [(old[0][0], max(end for _, end, _ in old))] if old else []
        unclosed = tuple((row_id, begin, end) for begin, end, row_id in kept)
        return attrs.evolve(self, unclosed=unclosed, unsettled=_merged([*self.unsettled, *folded]))

    def spans(self) -> dict[int, tuple[int, int]]:
        """The times of the unclosed conversations."""
        return {row_id: (begin, end) for row_id, begin, end in self.unclosed}

    def owed(self) -> dict[int, str]:
        """Conversations whose messages are owed, each with what is said of it."""
        told = {conversation_in(doubt): doubt for doubt in self.doubts}
        return {each: told.get(each, "") for each in self.conversations}

    def to_text(self) -> str:
        """As JSON."""
        windows = [[model_id, span.since, span.until] for model_id, span in self.windows]
        return json.dumps({"v": _VERSION, **attrs.asdict(self), "windows": windows})

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read back what `to_text` has told.

        Raises:
            ExportError: It is none of this version.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            windows = tuple((model_id, Span(since, until)) for model_id, since, until in values["windows"])
            lists: dict[str, Any] = {name: tuple(values[name]) for name in ("conversations", "untold", "doubts")}
            unsettled = tuple((begin, end) for begin, end in values["unsettled"])
            lists["unclosed"] = tuple((row_id, begin, end) for row_id, begin, end in values.get("unclosed", ()))
            if values.pop("v") == _VERSION:
                return cls(**{**values, **lists, "windows": windows, "unsettled": unsettled})
        except (KeyError, TypeError, ValueError):
            pass
        raise ExportError(
            "what an earlier sync has noted of itself cannot be read by this version: export anew with fresh=True"
        )


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Spans, those that overlap as one, and the oldest as one where there are many."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    old, recent = merged[:-_SPANS_KEPT], merged[-_SPANS_KEPT:]
    return ((old[0][0], old[-1][1]), *recent) if old else tuple(recent)


@attrs.frozen(kw_only=True)
class Clock:
    """A reading of the server's clock.

    Attributes:
        now: What it told.
        ahead: By how much that was ahead of this machine's clock.
        doubt: Seconds by which this may be wrong: it is told in whole seconds, and took some time to come.
    """

    now: float
    ahead: float
    doubt: float

    @classmethod
    def of(cls, now: float, *, asked: float, told: float) -> Self:
        """A reading.

        Args:
            now: What the server's clock told.
            asked: This machine's clock before that.
            told: This machine's clock after it.
        """
        return cls(now=now, ahead=now - asked, doubt=SKEW + abs(told - asked))

    def went_back(self, state: SyncState) -> float:
        """By how many seconds it was set back since a round, 0 where that cannot be told from chance.

        A clock that has not come back to where it was is seen by its own time, any other by this machine's.
        """
        return max(0.0, state.clock - self.now, -self._moved(state))

    def went_on(self, state: SyncState) -> float:
        """By how many seconds it was set forward since a round, 0 where that cannot be told from chance."""
        return max(0.0, self._moved(state))

    def passed(self, state: SyncState) -> float:
        """Seconds since a round, by this machine's clock; 0 where that is not known."""
        return 0.0 if state.ahead is None else max(0.0, (self.now - self.ahead) - (state.clock - state.ahead))

    def _moved(self, state: SyncState) -> float:
        if state.ahead is None or int(self.now) == state.clock:  # one that stands still was not set
            return 0.0
        moved = self.ahead - state.ahead
        return moved if abs(moved) > self.doubt else 0.0


@attrs.frozen(kw_only=True)
class Round:
    """What a round of a sync is to read, decided from the clock.

    Attributes:
        number: Which one it is, from 1.
        span: Changes of this time.
        until: The second up to which the copy will be complete.
        went_back: Seconds by which the server's clock was set back since the round before, as far as known.
    """

    number: int
    span: Span
    until: int
    went_back: float

    @classmethod
    def of(cls, state: SyncState, clock: Clock, *, lag: float, lookback: float, overlap: bool) -> Self:
        """Decide what to read.

        It begins before the end of the round before, for changes that became visible late; and where the clock was set
        back, before what it tells now, since changes get stamps of that time a second time. Where the server
        keeps fractions of seconds, one second more is read than is claimed: the filter cuts them off.

        Args:
            state: How far the copy is.
            clock: The server's clock.
            lag: Seconds to keep behind it.
            lookback: Seconds to read again.
            overlap: Whether the server may keep fractions behind whole seconds.
        """
        went_back = clock.went_back(state)
        until = math.floor(clock.now - lag) - 1
        since = min(state.until - math.ceil(went_back), until) - int(lookback)
        return cls(
            number=state.rounds + 1,
            span=Span(since, until + 1 if overlap else until),
            until=until,
            went_back=went_back,
        )
