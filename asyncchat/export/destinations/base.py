"""What a destination of an export is."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Protocol

import attrs

from asyncchat import RawRow
from asyncchat.export.report import ExportReport, Query


@attrs.frozen(kw_only=True)
class Batch:
    """Rows of one kind that were accepted together. None of them has been given before in this export.

    Attributes:
        kind: "models", "conversations" or "messages".
        rows: The rows, as they were sent.
        conversation_id: Whose messages they are; None for the other kinds.
    """

    kind: str
    rows: Sequence[RawRow]
    conversation_id: int | None = None

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.rows)

    @property
    def size(self) -> int:
        """Their bytes, as they were sent."""
        return sum([len(row.json) for row in self.rows])


@attrs.frozen(kw_only=True)
class Packed:
    """Rows of one kind as they will be written.

    Attributes:
        kind: "models", "conversations" or "messages".
        count: How many rows.
        text: The rows; a view is theirs only while it is written.
    """

    kind: str
    count: int
    text: bytes | memoryview

    @property
    def size(self) -> int:
        """Bytes that they take."""
        return len(self.text)


@attrs.frozen(kw_only=True)
class Opened:
    """What a destination held when it was opened.

    Attributes:
        report: The report of the finished export of this very query, None when there is none.
        marks: The marks that were committed for this query by runs that did not finish, in their order.
    """

    report: ExportReport | None = None
    marks: Sequence[str] = ()


class Packing(abc.ABC):
    """What a destination derives from that has rows wait in a form of its own.

    It is made of rows as soon as they have come, in the event loop, while the processor has them at hand still: some
    megabytes later, in the destination's thread, that takes longer, and rows take more memory.
    """

    @abc.abstractmethod
    def pack(self, batch: Batch) -> Batch | Packed:
        """What is to be written in the place of a batch."""


class Destination(Protocol):
    """Where an export goes. What is written is kept from `commit` on, all of it or nothing of it.

    An export opens it, writes batches, commits them now and then together with marks (lines of text that say what has
    been read; the next run goes on from them), finishes and closes it. Every method blocks, and is called in a thread,
    by one at a time, though not always by the same one.
    """

    @property
    def name(self) -> str:
        """What it is called in messages and reports: without a password."""
        ...

    @property
    def format(self) -> str:
        """How it keeps rows: a part of the query, since another format is another export."""
        ...

    def open(self, query: Query, *, fresh: bool) -> Opened:
        """Lock it against other exporters, drop what was not committed, and tell what is there.

        Args:
            query: What will be exported.
            fresh: Whether to begin anew: a finished export stays until the new one is finished, and is replaced then.

        Raises:
            ConfigurationError: It cannot take this export, or holds another one.
            ExportError: Another export writes to it, or what it holds is damaged.
        """
        ...

    def write(self, batch: Batch) -> None:
        """Take rows. They need not be durable before `commit`."""
        ...

    def commit(self, marks: Sequence[str]) -> None:
        """Make all that was written since the last time durable, together with the marks."""
        ...

    def finish(self, report: ExportReport) -> ExportReport:
        """Make the export a finished one; called after the last commit.

        Returns:
            The report, with what only the destination knows, such as its files.
        """
        ...

    def close(self) -> None:
        """Let go of it. What was not committed is dropped. May be called twice, and after any failure."""
        ...
