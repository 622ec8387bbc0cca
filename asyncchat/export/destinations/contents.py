"""What a destination holds, read back: ids and times, as verifying needs them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import attrs

from asyncchat import RawRow
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

    def digests(self, kind: str) -> Iterator[tuple[int, int]]:
        """Id and digest of each row of a kind: rows that are kept alike have the same one."""
        ...

    def digests_of(self, kind: str, rows: Sequence[RawRow], conversation_id: int | None = None) -> Mapping[int, int]:
        """The digests that rows would have if they were kept here, by id."""
        ...

    def distrust(self, kind: str, ids: Collection[int]) -> bool:
        """Hold rows for damaged that are not as they should be.

        Returns:
            Whether other rows are held for damaged with them, which have to be compared anew.
        """
        ...

    def mend(self, batches: Sequence[Batch]) -> None:
        """Put rows into it that it lacks, or that are not as they should be: all of them or none.

        Files that are damaged are left out, and what they held is among the rows.

        Raises:
            ExportError: It failed.
        """
        ...

    def close(self) -> None:
        """Let go of it. May be called twice."""
        ...


@runtime_checkable
class Readable(Protocol):
    """A destination whose contents can be read back."""

    def contents(self, *, mending: bool = False) -> Contents:
        """Open the finished export that it holds.

        Args:
            mending: Whether it is to be mended: then rows in files that are damaged count as missing.

        Raises:
            ConfigurationError: It holds none, or cannot be read.
            ExportError: Another export writes to it.
        """
        ...
