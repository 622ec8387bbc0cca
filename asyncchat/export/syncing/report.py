"""What a sync brought, as values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import attrs

from asyncchat.export.report import ExportReport, Query


@attrs.frozen(kw_only=True)
class ConversationChange:
    """A conversation that has changed, and is in the destination as it is now.

    Attributes:
        id: Its id.
        is_new: Whether it was not there before.
        is_deleted: Whether the server has it no more.
        messages: The ids of its messages that are new. Empty also where a run that was killed has left it untold.
    """

    id: int
    is_new: bool = False
    is_deleted: bool = False
    messages: Sequence[int] = ()


OnChange: TypeAlias = Callable[[ConversationChange], Awaitable[None] | None]


@attrs.frozen(kw_only=True)
class SyncReport:
    """What a round of a sync brought.

    Attributes:
        destination: What was brought up to date.
        query: What it holds.
        as_of: The second of the server's clock up to which it is complete now, but for what is `uncertified`.
        since: The second up to which it was so before.
        exported: The report of the export that this was, where there was none before.
        rows: Rows that it holds, by kind; those marked as deleted are counted.
        new: Conversations that were not there before.
        changed: Conversations that were there, and have changed.
        messages: Messages that were not there before.
        ways: Conversations whose changes were looked into, by the way in which their messages were come by: "recent"
            took no request, "tail" read the end of their listing, "whole" all of it.
        audited: Conversations that were counted, though they had been added to from their recent messages.
        lied: Conversations of which that showed that recent messages had had a gap; it has been filled.
        trusts: Whether recent messages are believed in the rounds to come.
        deleted: Conversations that the server has no more: they have been marked, or taken out of files.
        certificates: How many windows and conversations were accepted, by the reason why they are known to be complete.
        uncertified: What of it could not be read or proved complete, each with its reason. What this round
            could not, the next one reads again; windows that the export could not, `prune` counts.
        clock_went_back: Seconds by which the server's clock had gone back.
        requests: Requests sent, those of an export included.
        audit_requests: Of these, how many were for the sample.
        retries: Of these, how many were further attempts.
        seconds: How long it took.
    """

    destination: str
    query: Query
    as_of: datetime
    since: datetime
    rows: Mapping[str, int]
    exported: ExportReport | None = None
    new: int = 0
    changed: int = 0
    messages: int = 0
    ways: Mapping[str, int] = attrs.field(factory=dict)
    audited: int = 0
    lied: tuple[int, ...] = ()
    trusts: bool = True
    deleted: tuple[int, ...] = ()
    certificates: Mapping[str, int] = attrs.field(factory=dict)
    uncertified: tuple[str, ...] = ()
    clock_went_back: int = 0
    requests: int = 0
    audit_requests: int = 0
    retries: int = 0
    seconds: float = 0.0

    @property
    def certified(self) -> bool:
        """Whether all that is there is proved complete."""
        return not self.uncertified

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            **{field.name: getattr(self, field.name) for field in attrs.fields(type(self))},
            "query": self.query.to_dict(),
            "as_of": self.as_of.isoformat(),
            "since": self.since.isoformat(),
            "rows": dict(self.rows),
            "exported": None if self.exported is None else self.exported.to_dict(),
            "ways": dict(self.ways),
            "lied": list(self.lied),
            "deleted": list(self.deleted),
            "certificates": dict(self.certificates),
            "uncertified": list(self.uncertified),
            "seconds": round(self.seconds, 3),
            "certified": self.certified,
        }


@attrs.frozen(kw_only=True)
class RefreshReport:
    """What a refresh brought.

    Attributes:
        destination: What was brought up to date.
        as_of: The second up to which it is complete, as the last sync has left it: a refresh does not move it.
        new: Conversations that were not there before.
        changed: Conversations that were there, and have changed.
        unchanged: Conversations of which nothing is new.
        messages: Messages that were not there before.
        ways: Conversations that were read, by the way in which their messages were come by, as in `SyncReport`.
        gone: Conversations that the server has not, or no more: those that were there are dealt with as `deleted` ones.
        outside: Conversations of other models, or of another time, than the export is of: they were left out.
        unproven: Conversations that could not be read or proved complete, each with the reason. What is there of them
            stays, and the next refresh or sync reads them again.
        requests: Requests sent.
        retries: Of these, how many were further attempts.
        seconds: How long it took.
    """

    destination: str
    as_of: datetime
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    messages: int = 0
    ways: Mapping[str, int] = attrs.field(factory=dict)
    gone: tuple[int, ...] = ()
    outside: tuple[int, ...] = ()
    unproven: Mapping[int, str] = attrs.field(factory=dict)
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0

    @property
    def refreshed(self) -> int:
        """Conversations that were new, or have changed."""
        return self.new + self.changed

    @property
    def certified(self) -> bool:
        """Whether each of the conversations was read, and proved complete."""
        return not self.unproven

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            **{field.name: getattr(self, field.name) for field in attrs.fields(type(self))},
            "as_of": self.as_of.isoformat(),
            "ways": dict(self.ways),
            "gone": list(self.gone),
            "outside": list(self.outside),
            "unproven": {str(each): reason for each, reason in self.unproven.items()},
            "seconds": round(self.seconds, 3),
            "certified": self.certified,
        }


@attrs.frozen(kw_only=True)
class SyncProgress:
    """How far a round has come.

    Attributes:
        conversations: Conversations that were looked into.
        conversations_total: How many there are to look into, as the server counted them.
        messages: Messages so far that were not there before.
        requests: Requests sent.
        paused: Why nothing is sent just now, None when something is.
    """

    conversations: int
    conversations_total: int
    messages: int
    requests: int
    paused: str | None


SyncObserver: TypeAlias = Callable[[SyncProgress], None]
