"""What a destination holds, read back: ids and times, as verifying needs them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import attrs

from asyncchat.export.destinations.base import Batch
from asyncchat.export.report import ExportReport


@attrs.frozen
class Kept:
    """A conversation that is there.

    Attributes:
        id: Its id.
        second: When it began, in whole seconds since the epoch; None where that was kept in no such form.
        model_id: Its model; None where that was kept in no such form.
    """

    id: int
    second: int | None
    model_id: int | None


class Contents(Protocol):
    """A finished export, open for reading. Every method blocks."""

    @property
    def report(self) -> ExportReport:
        """What the export said of itself."""
        ...

    @property
    def is_synced(self) -> bool:
        """Whether it has been kept up to date since: a conversation that has changed after `as_of` may lag behind."""
        ...

    @property
    def can_mend(self) -> bool:
        """Whether rows can be put into it."""
        ...

    def damaged(self) -> list[str]:
        """Files that are not as the export left them."""
        ...

    def models(self) -> set[int]:
        """The ids of its models."""
        ...

    def conversations(self) -> Iterator[Kept]:
        """Its conversations."""
        ...

    def message_counts(self) -> Mapping[int, int]:
        """How many messages it holds of each conversation, by the conversation's id."""
        ...

    def message_ids(self, conversation_ids: Collection[int]) -> Mapping[int, set[int]]:
        """The ids of messages of some conversations."""
        ...

    def mend(self, batches: Sequence[Batch]) -> None:
        """Put rows into it that it lacks, all of them or none.

        Raises:
            ExportError: It failed, or is of a kind that rows are not put into.
        """
        ...

    def close(self) -> None:
        """Let go of it. May be called twice."""
        ...


@runtime_checkable
class Readable(Protocol):
    """A destination whose contents can be read back."""

    def contents(self) -> Contents:
        """Open the finished export that it holds.

        Raises:
            ConfigurationError: It holds none, or cannot be read.
            ExportError: Another export writes to it.
        """
        ...
