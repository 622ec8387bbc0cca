"""What a verification found, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import attrs

from asyncchat.export.report import Query


@attrs.frozen(kw_only=True)
class Difference:
    """A place where the destination and the server differ.

    Attributes:
        kind: "models", "conversations" or "messages".
        where: The window of time, or the conversation.
        missing: Ids of rows that the server has and the destination has not.
        extra: Ids of rows that the destination has and the server has not, or no more.
        changed: Ids of rows that both have, each in another form; told where that was looked for.
    """

    kind: str
    where: str
    missing: tuple[int, ...] = ()
    extra: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()


@attrs.frozen(kw_only=True)
class VerifyReport:
    """What a verification found.

    Attributes:
        destination: What was verified.
        query: What was exported into it.
        as_of: The second of the server's clock up to which it claims to be complete; later rows are not looked at.
        rows: Rows that it holds, by kind.
        windows: Windows of conversations that were counted.
        conversations: Conversations whose messages were counted.
        differences: Where it differs from the server.
        damaged: Files that are not as the export left them.
        uncertain: What the server gave no steady answer about, each with the reason.
        repaired: How many rows were put in, by kind; `differences` are those before that.
        replaced: Files that were damaged, or held rows that have changed, and are replaced.
        newer: Messages that have come since, and so are no difference; told where a conversation's were read.
        requests: Requests sent.
        retries: Of these, how many were further attempts.
        seconds: How long it took.
    """

    destination: str
    query: Query
    as_of: datetime
    rows: Mapping[str, int]
    windows: int
    conversations: int
    differences: tuple[Difference, ...] = ()
    damaged: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    repaired: Mapping[str, int] = attrs.field(factory=dict)
    replaced: tuple[str, ...] = ()
    newer: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0

    @property
    def intact(self) -> bool:
        """Whether nothing is missing, nothing extra, nothing damaged, and everything was told for sure."""
        return not (self.differences or self.damaged or self.uncertain)

    @property
    def mended(self) -> bool:
        """Whether all that was wrong were rows and files that have been put in or replaced."""
        rest = self.extra or self.uncertain or set(self.damaged) - set(self.replaced)
        wrong = self.missing + self.changed
        return not rest and sum(self.repaired.values()) >= wrong and (wrong > 0 or bool(self.replaced))

    @property
    def missing(self) -> int:
        """How many rows are missing."""
        return sum(len(difference.missing) for difference in self.differences)

    @property
    def changed(self) -> int:
        """How many rows are there in another form."""
        return sum(len(difference.changed) for difference in self.differences)

    @property
    def extra(self) -> int:
        """How many rows are there that the server has not."""
        return sum(len(difference.extra) for difference in self.differences)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            **attrs.asdict(self),
            "query": self.query.to_dict(),
            "as_of": self.as_of.isoformat(),
            "rows": dict(self.rows),
            "repaired": dict(self.repaired),
            "seconds": round(self.seconds, 3),
            "intact": self.intact,
            "mended": self.mended,
        }


@attrs.frozen(kw_only=True)
class VerifyProgress:
    """How far a verification has come.

    Attributes:
        windows: Windows of conversations counted so far.
        conversations: Conversations whose messages were counted so far.
        conversations_total: How many there are to count; 0 while the destination is read.
        differences: Places found so far where the two differ.
        requests: Requests sent.
        paused: Why nothing is sent just now, None when something is.
    """

    windows: int
    conversations: int
    conversations_total: int
    differences: int
    requests: int
    paused: str | None


VerifyObserver: TypeAlias = Callable[[VerifyProgress], None]
