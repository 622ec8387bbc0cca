"""A finished export that is kept up to date, as syncing needs it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import attrs

from asyncchat import RawRow
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.contents import Kept
from asyncchat.export.report import ExportReport, Query


@attrs.frozen(kw_only=True)
class Known:
    """What a copy holds of a conversation.

    Attributes:
        changed: The second of its `updated_at`; None where that was kept in no such form.
        recent: Its `recent_messages`, as JSON.
        is_deleted: Whether it is marked as deleted.
        messages: How many of its messages are there.
        latest: The latest of these, each as its id and the second in which it was written.
    """

    changed: int | None
    recent: str | None
    is_deleted: bool
    messages: int = 0
    latest: Sequence[tuple[int, int | None]] = ()


@attrs.frozen
class Messages:
    """The messages of a conversation that a copy holds.

    Attributes:
        there: Their ids, each with the second in which it was written.
        gone: The ids of those that are marked as deleted.
    """

    there: dict[int, int | None] = attrs.field(factory=dict)
    gone: set[int] = attrs.field(factory=set)


class Copy(Protocol):
    """A finished export, open to be kept up to date until its destination is closed. Every method blocks.

    What is written is seen by what is asked afterwards. From `commit` on it is kept, all of it or nothing of it.
    """

    @property
    def report(self) -> ExportReport:
        """What the export says of itself, as of the last commit."""
        ...

    @property
    def state(self) -> str | None:
        """What the last commit noted of itself; None before the first one."""
        ...

    @property
    def commits_cheaply(self) -> bool:
        """Whether a commit takes little; else a round makes one only, at its end."""
        ...

    def models(self) -> set[int]:
        """The ids of its models, those that are marked as deleted left out."""
        ...

    def conversations(self) -> Iterator[Kept]:
        """Its conversations, those that are marked as deleted left out."""
        ...

    def known(self, conversation_ids: Collection[int], *, latest: int) -> Mapping[int, Known]:
        """What is there of some conversations, with so many of the latest messages of each."""
        ...

    def known_ids(self, kind: str, ids: Collection[int]) -> set[int]:
        """Which rows of some ids are there, those that are marked as deleted included."""
        ...

    def digests(self, kind: str, ids: Collection[int]) -> Mapping[int, int]:
        """The digests of rows of some ids, of those that are there."""
        ...

    def digests_of(self, kind: str, rows: Sequence[RawRow], conversation_id: int | None = None) -> Mapping[int, int]:
        """The digests that rows would have if they were there, by id."""
        ...

    def messages(self, conversation_ids: Collection[int]) -> Mapping[int, Messages]:
        """The messages of some conversations."""
        ...

    def message_counts(self, conversation_ids: Collection[int]) -> Mapping[int, int]:
        """How many messages are there of some conversations; those that have none are left out."""
        ...

    def latest(self) -> int | None:
        """The second of the last change of any conversation; None where there is none."""
        ...

    def moved(self, most: int) -> Sequence[tuple[int, int]]:
        """Conversations that have changed after they were made, those first that have not since for longest.

        Each as its id and the second of that change.
        """
        ...

    def write(self, batch: Batch) -> None:
        """Put rows in, over those with the same ids, which are marked as deleted no more."""
        ...

    def mark_deleted(self, kind: str, ids: Collection[int]) -> None:
        """Mark rows as deleted, with this machine's time, or take them out; with conversations also their messages."""
        ...

    def doubt(self, conversation_ids: Collection[int], round_number: int) -> None:
        """Note conversations whose messages ought to be counted one day."""
        ...

    def prove(self, conversation_ids: Collection[int]) -> None:
        """Note that the messages of some conversations have been counted, or read."""
        ...

    def doubtful(self, most: int | None = None) -> list[int]:
        """Conversations that were noted with `doubt`, those first that have been so for longest."""
        ...

    def commit(self, state: str, report: ExportReport) -> None:
        """Make all of it durable, with what is to be noted of it."""
        ...


@runtime_checkable
class Copyable(Protocol):
    """A destination whose finished export can be kept up to date."""

    @property
    def name(self) -> str:
        """What it is called in messages: without a password."""
        ...

    def copy(self, query: Query | None) -> Copy | None:
        """Open the finished export of a query, or of whatever was asked (None); None where there is none yet.

        Raises:
            ConfigurationError: It holds another export, or cannot be used.
            ExportError: Another export writes to it.
        """
        ...

    def close(self) -> None:
        """Let go of it. What was not committed is dropped. May be called twice."""
        ...
