"""What an export was, as values: its query, its progress, its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Self, TypeAlias

import attrs

from asyncchat import __version__
from asyncchat.export.probing.traits import Probe

KINDS: Final = ("models", "conversations", "messages")

MANIFEST_FORMAT: Final = "asyncchat-export/1"


@attrs.frozen(kw_only=True)
class Query:
    """What is exported. Two exports with equal queries are exports of the same thing.

    Attributes:
        source: What the server is called: its base URL, unless told otherwise.
        format: The format of the part files.
        since: Conversations created at or after it, as the API writes it; None for all.
        until: Conversations created at or before it; None for all.
        model_ids: Only these models and their conversations; empty for all.
        messages: Whether messages are exported.
    """

    source: str
    format: str
    since: str | None
    until: str | None
    model_ids: tuple[int, ...]
    messages: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**attrs.asdict(self), "model_ids": list(self.model_ids)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` has told.

        Raises:
            KeyError, TypeError, ValueError: It is none of this version.
        """
        return cls(**{**values, "model_ids": tuple(values["model_ids"])})


@attrs.frozen(kw_only=True)
class Progress:
    """How far an export has come. Where it goes on from an earlier run, that run's figures are counted in.

    Attributes:
        rows: Rows accepted so far, by kind.
        conversations_total: How many conversations there are, as the server counted them at the start.
        conversations_done: Conversations that are there, with their messages if those are wanted.
        windows: Windows of time accepted so far.
        windows_left: Windows that are read or wait, as far as known: they may be split into more.
        uncertified: Windows and conversations that could not be proved complete.
        requests: Requests sent.
        retries: Of these, how many were further attempts.
        in_flight: Requests that wait for their answer just now.
        rows_per_second: The pace of this run, from its beginning on.
        seconds_left: How long the rest will take at the pace of this run; None while that cannot be told.
        paused: Why nothing is sent just now, None when something is.
    """

    rows: Mapping[str, int]
    conversations_total: int
    conversations_done: int
    windows: int
    windows_left: int
    uncertified: int
    requests: int
    retries: int
    in_flight: int
    rows_per_second: float
    seconds_left: float | None
    paused: str | None


Observer: TypeAlias = Callable[[Progress], None]


@attrs.frozen(kw_only=True)
class Part:
    """A file of an export.

    Attributes:
        file: Its path below the destination.
        rows: Lines in it.
        size: Bytes of it.
        sha256: Of its bytes, in hexadecimal.
    """

    file: str
    rows: int
    size: int
    sha256: str


@attrs.frozen(kw_only=True)
class ExportReport:
    """What an export brought.

    Attributes:
        destination: Where it is.
        query: What was asked.
        as_of: The export holds what had been created up to this second of the server's clock.
        rows: Rows by kind.
        parts: The files, where the destination has such.
        certificates: How many windows and conversations were accepted, by the reason why they are known to be complete.
        uncertified: What could not be proved complete, each with its reason.
        deleted: Ids of conversations that were gone before their messages were read.
        probe: What was found out about the server before.
        requests: Requests sent, by all runs that it took.
        retries: Of these, how many were further attempts.
        seconds: How long those runs took.
        resumed: Whether it went on from an earlier run that had been stopped.
        reused: Whether the destination held this very export already, and nothing was done.
    """

    destination: str
    query: Query
    as_of: datetime
    rows: Mapping[str, int]
    certificates: Mapping[str, int]
    parts: tuple[Part, ...] = ()
    uncertified: tuple[str, ...] = ()
    deleted: tuple[int, ...] = ()
    probe: Probe | None = None
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0
    resumed: bool = False
    reused: bool = False

    @property
    def certified(self) -> bool:
        """Whether everything is proved complete."""
        return not self.uncertified

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(part.size for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: what the manifest holds, and `destination` and `reused`."""
        return {**self.manifest(), "destination": self.destination, "reused": self.reused}

    def manifest(self) -> dict[str, Any]:
        """As the manifest says it."""
        return {
            "format": MANIFEST_FORMAT,
            "asyncchat": __version__,
            "query": self.query.to_dict(),
            "as_of": self.as_of.isoformat(),
            "certified": self.certified,
            "uncertified": list(self.uncertified),
            "certificates": dict(self.certificates),
            "deleted": list(self.deleted),
            "rows": dict(self.rows),
            "probe": None if self.probe is None else self.probe.to_dict(),
            "parts": [attrs.asdict(part) for part in self.parts],
            "requests": self.requests,
            "retries": self.retries,
            "seconds": round(self.seconds, 3),
            "resumed": self.resumed,
        }

    @classmethod
    def from_manifest(cls, destination: str, manifest: Mapping[str, Any]) -> ExportReport:
        """Read back what a manifest says.

        Raises:
            KeyError, TypeError, ValueError: It is none of this format.
        """
        if manifest["format"] != MANIFEST_FORMAT:
            raise ValueError("another format")
        return cls(
            destination=destination,
            query=Query.from_dict(manifest["query"]),
            as_of=datetime.fromisoformat(manifest["as_of"]),
            rows=dict(manifest["rows"]),
            parts=tuple(Part(**part) for part in manifest["parts"]),
            certificates=dict(manifest["certificates"]),
            uncertified=tuple(manifest["uncertified"]),
            deleted=tuple(manifest["deleted"]),
            probe=None if manifest.get("probe") is None else Probe.from_dict(manifest["probe"]),
            requests=manifest["requests"],
            retries=manifest["retries"],
            seconds=manifest["seconds"],
            resumed=manifest.get("resumed", False),
            reused=True,
        )
