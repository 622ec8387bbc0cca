"""Conversations against the server: counted by windows of time, and read where the counts differ."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from asyncchat import RawRow
from asyncchat.export.fetch import IsThere, Listing, read_window
from asyncchat.export.questions import Manner, Reading
from asyncchat.export.side_by_side import side_by_side
from asyncchat.export.verifying.deep import Deep
from asyncchat.export.verifying.findings import Findings
from asyncchat.export.verifying.stored import Stored
from asyncchat.export.windows import Span

AT_ONCE: Final = 32

_WINDOW_ROWS: Final = 1_000
"""Conversations that are counted at once."""
_READ_ROWS: Final = 200
"""So few that they are read, and no longer counted by halves."""


async def read_rows(
    listing: Listing, span: Span, manner: Manner, findings: Findings, *, is_there: IsThere | None = None
) -> dict[int, RawRow]:
    """Every row in a window, by id."""
    found = await read_window(listing, span, manner, is_there=is_there)
    if isinstance(found, Reading):
        return findings.rows_of(found)
    rows: dict[int, RawRow] = {}
    for part in found:
        rows |= await read_rows(listing, part, manner, findings, is_there=is_there)
    return rows


class WindowCheck:
    """Compares the conversations of a listing.

    Args:
        listing: Makes the listing of a window.
        stored: What the destination holds of it, by time.
        known: The ids of all conversations that it holds: also those whose time it keeps in another form.
        manner: How the server's windows are read.
        findings: Where differences are noted.
        is_there: Tells whether there is a conversation of that id.
        deep: Compares rows with what is kept of them; None: only ids are compared.
    """

    def __init__(
        self,
        listing: Listing,
        stored: Stored,
        *,
        known: Collection[int],
        manner: Manner,
        findings: Findings,
        is_there: IsThere,
        deep: Deep | None = None,
    ) -> None:
        self._deep = deep
        self._listing = listing
        self._stored = stored
        self._known = known
        self._manner = manner
        self._findings = findings
        self._is_there = is_there
        self._agreed: list[Span] = []
        self._leaves = self._counted = 0
        self._changed: set[int] = set()

    async def compare(self, span: Span) -> None:
        """Compare all within a span."""
        await side_by_side(self._compare, self._stored.windows(span, _WINDOW_ROWS), limit=AT_ONCE)

    async def has_gaps(self, span: Span) -> bool:
        """Whether the server has rows in a span that were in none of its windows, so that fractions are behind seconds.

        Rows can only go from a span that lies in the past: more than were counted before have not come since.
        """
        return self._leaves > 1 and await self._listing(span).count() > self._counted

    async def doubt(self, gone: Collection[int], unnamed: Collection[datetime]) -> None:
        """Read windows whose counts agreed, though something else has shown that they differ.

        Args:
            gone: Ids of conversations that the server has not.
            unnamed: When conversations began that the server has, and the destination has only messages of.
        """

        def is_doubtful(span: Span) -> bool:
            return any(map(span.holds, unnamed)) or not self._stored.ids(span).isdisjoint(gone)

        if gone or unnamed:
            await side_by_side(self._read, list(filter(is_doubtful, self._agreed)), limit=AT_ONCE)

    async def _compare(self, span: Span) -> None:
        """Count a window; where the counts differ, halve it, and read it at last."""
        if self._deep is not None:
            self._findings.windows += 1
            await self._read(span)
            self._findings.tell()
            return
        there, here = await self._listing(span).count(), self._stored.count(span)
        self._findings.windows += 1
        self._findings.tell()
        if there == here:
            self._agreed.append(span)
            self._note_leaf(there)
            return
        halves = self._stored.halves(span) if max(there, here) > _READ_ROWS else None
        if halves is None:
            await self._read(span)
            return
        for half in halves:
            await self._compare(half)

    def _note_leaf(self, count: int) -> None:
        self._leaves += 1
        self._counted += count

    async def _read(self, span: Span) -> None:
        found = await read_rows(self._listing, span, self._manner, self._findings, is_there=self._is_there)
        self._note_leaf(len(found))
        claimed = self._stored.ids(Span(span.since, min(span.until, self._findings.as_of)))
        extra = [row_id for row_id in sorted(claimed - found.keys()) if not await self._is_there(row_id)]
        named = self._findings.missing_ids("conversations")  # in a second that two windows share, by the other one
        unknown = [row for row_id, row in found.items() if row_id not in self._known and row_id not in named]
        missing = self._findings.claimed(unknown)
        rows = [] if self._deep is None else [row for row in found.values() if row.id not in self._changed]
        changed = [] if self._deep is None else await self._deep.changed("conversations", rows)
        self._changed.update(row.id for row in changed)
        self._findings.note("conversations", f"window {span}", missing=missing, extra=extra, changed=changed)
