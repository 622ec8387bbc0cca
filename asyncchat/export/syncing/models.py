"""Models: brought in every round, and looked for among what is gone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from asyncchat import AsyncChatError, AsyncClient, NotFoundError, RawRow
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.copy import Copy
from asyncchat.export.fetch import models_of, read_window
from asyncchat.export.one_thread import OneThread
from asyncchat.export.questions import Manner, Reading
from asyncchat.export.report import Query
from asyncchat.export.side_by_side import side_by_side
from asyncchat.export.single import get_row
from asyncchat.export.stopping import FAILURES
from asyncchat.export.syncing.figures import Figures
from asyncchat.export.windows import Span

_FEW: Final = 100
"""So many models take one request: then all of them are read, which shows new names too."""
_AT_ONCE: Final = 8


class ModelCheck:
    """Brings the models of a copy up to date.

    Args:
        client: Where to ask.
        copy: The copy.
        thread: Where it is used.
        figures: Where it is noted what came of it.
        query: What the copy is of.
    """

    def __init__(self, client: AsyncClient, copy: Copy, thread: OneThread, figures: Figures, query: Query) -> None:
        self._client = client
        self._copy = copy
        self._thread = thread
        self._figures = figures
        self._wanted = frozenset(query.model_ids)
        self._are_few = copy.report.rows.get("models", 0) < _FEW

    async def bring(self, span: Span) -> None:
        """Put in the models that were made in a window of time; all of them, where they are few."""
        rows = await self._read(Span(None if self._are_few else span.since, span.until))

        def write() -> int:
            known = self._copy.known_ids("models", [row.id for row in rows])
            self._copy.write(Batch(kind="models", rows=rows))
            return len(rows) - len(known)

        self._figures.rows["models"] += await self._thread.call(write)

    async def bring_some(self, model_ids: Collection[int]) -> dict[int, AsyncChatError]:
        """Put in some models, where they are not there yet; one that the server has no more is left out.

        Returns:
            Those that could not be read, each with the reason.
        """
        known = await self._thread.call(lambda: self._copy.known_ids("models", model_ids))
        rows: list[RawRow] = []
        failed: dict[int, AsyncChatError] = {}

        async def read(model_id: int) -> None:
            try:
                rows.append((await get_row(self._client, "models", model_id))[0])
            except NotFoundError:
                pass
            except FAILURES as exc:
                failed[model_id] = exc

        await side_by_side(read, sorted(set(model_ids) - known), limit=_AT_ONCE)
        await self._thread.call(lambda: self._copy.write(Batch(kind="models", rows=rows)))
        self._figures.rows["models"] += len(rows)
        return failed

    async def prune(self, until: int) -> None:
        """Mark models that the server has no more.

        Args:
            until: The second up to which all of them are visible.
        """
        there = {row.id for row in await self._read(Span(None, until + 1))}
        stored = await self._thread.call(self._copy.models)
        gone = [each for each in sorted(stored - there) if not await self._is_there(each)]
        await self._thread.call(lambda: self._copy.mark_deleted("models", gone))

    async def _is_there(self, model_id: int) -> bool:
        try:
            await self._client.models.get(model_id)
        except NotFoundError:
            return False
        return True

    async def _read(self, span: Span) -> list[RawRow]:
        rows: dict[int, RawRow] = {}
        spans = [span]
        while spans:
            found = await read_window(models_of(self._client), spans.pop(), Manner())
            if isinstance(found, Reading):
                self._figures.judge(found)
                rows |= {row.id: row for row in found.rows if not self._wanted or row.id in self._wanted}
            else:
                spans += found
        return list(rows.values())
