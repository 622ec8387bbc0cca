"""Reads windows of changed conversations."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Final

import attrs

from asyncchat import AsyncClient, NotFoundError, RawRow
from asyncchat.export.fetch import Listing, changes_of, read_window
from asyncchat.export.questions import Manner, Reading
from asyncchat.export.side_by_side import work_off
from asyncchat.export.stopping import FAILURES
from asyncchat.export.syncing.figures import Figures
from asyncchat.export.syncing.news import changed_second
from asyncchat.export.syncing.setbacks import Setbacks
from asyncchat.export.windows import Certificate, Span

_AT_ONCE: Final = 8
_SLICE_ROWS: Final = 10_000
"""Conversations that are kept in memory, and committed, together."""
_MOST_PARTS: Final = 16


class Changes:
    """Reads which conversations have changed in a window of time.

    A window of `updated_at` that lies in the past only loses rows, namely those that change again: their change is in a
    later window. So what is proved by equal counts of a window of `created_at` is proved here too.

    Args:
        client: Where to ask.
        manner: How this server's windows are read.
        figures: Where certificates and doubts are noted.
        setbacks: What counts failures.
    """

    def __init__(self, client: AsyncClient, manner: Manner, figures: Figures, setbacks: Setbacks) -> None:
        self._client = client
        self._manner = attrs.evolve(manner, pages=max(1, _SLICE_ROWS // client.per_page))
        self._figures = figures
        self._setbacks = setbacks

    async def slices(self, model_id: int | None, span: Span) -> AsyncIterator[Span]:
        """Cut a window into ones that are read at once, the oldest first. Those without rows are left out."""
        listing, waiting = changes_of(self._client, model_id), [span]
        while waiting:
            part = waiting.pop()
            count = await listing(part).count()
            is_large = count > _SLICE_ROWS or count >= self._manner.cap
            if is_large and part.divisible(overlap=self._manner.overlap):
                parts = max(2, min(_MOST_PARTS, math.ceil(count / _SLICE_ROWS)))
                waiting += reversed(part.split(parts, oldest=0, overlap=self._manner.overlap))
            elif count:
                self._figures.total += count
                yield part

    async def read(self, model_id: int | None, span: Span) -> tuple[dict[int, RawRow], list[Span]]:
        """The conversations that changed in a window, and what of it could not be read or proved complete."""
        listing, waiting = changes_of(self._client, model_id), [span]
        rows: dict[int, RawRow] = {}
        owed: list[Span] = []

        async def read_one(part: Span) -> None:
            try:
                found = await self._read(listing, part)
            except FAILURES as exc:
                self._setbacks.note(exc)
                self._figures.doubts.append(f"window {part}: {exc}")
                owed.append(part)
                return
            self._setbacks.clear()
            if not isinstance(found, Reading):
                waiting.extend(found)
                return
            self._figures.judge(found)
            self._figures.walks += found.certificate in {Certificate.STEADY_WALK, Certificate.CONFIRMED}
            if found.certificate is None:
                owed.append(part)
            for row in found.rows:
                if row.id not in rows or changed_second(rows[row.id]) <= changed_second(row):
                    rows[row.id] = row

        await work_off(read_one, lambda: waiting.pop() if waiting else None, limit=_AT_ONCE)
        return rows, owed

    async def _read(self, listing: Listing, span: Span) -> Reading | tuple[Span, ...]:
        async def is_in(conversation_id: int) -> bool:
            """Whether a conversation has not changed again since."""
            try:
                found = await self._client.conversations.get(conversation_id)
            except NotFoundError:
                return False
            return span.holds(found.updated_at)

        steps = self._figures.certificates[Certificate.STEP.value] > 0
        return await read_window(listing, span, attrs.evolve(self._manner, steps=steps), is_there=is_in)
