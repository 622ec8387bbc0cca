"""Finds conversations that the server has no more, by counting windows of what is there."""

from __future__ import annotations

import functools

import attrs

from asyncchat import AsyncClient, RawRow
from asyncchat.export.destinations.copy import Copy
from asyncchat.export.fetch import conversations_of, is_there
from asyncchat.export.one_thread import OneThread
from asyncchat.export.questions import Manner
from asyncchat.export.syncing.figures import Figures
from asyncchat.export.syncing.report import ConversationChange
from asyncchat.export.verifying.by_window import WindowCheck
from asyncchat.export.verifying.findings import Findings
from asyncchat.export.verifying.stored import Stored
from asyncchat.export.windows import Span, created


class Prune:
    """Compares the conversations of a copy with the server.

    Args:
        client: The server.
        copy: The copy.
        thread: Where it is used.
        manner: How the server's windows are read.
        figures: Where it is noted what came of it.

    Attributes:
        is_uncertain: Whether the server gave no steady answer about a window.
    """

    def __init__(self, client: AsyncClient, copy: Copy, thread: OneThread, manner: Manner, figures: Figures) -> None:
        self._client = client
        self._copy = copy
        self._thread = thread
        self._manner = attrs.evolve(manner, stamp_of=created)
        self._figures = figures
        self.is_uncertain = False

    async def run(self, since: int | None, until: int) -> list[RawRow]:
        """Mark what is gone; returns conversations that the server has and the copy has not.

        Args:
            since: The copy is of conversations that were made from that second on.
            until: The second up to which all of them are visible.
        """
        findings = Findings(until, None, keeps_missing=True)
        kept = await self._thread.call(lambda: list(self._copy.conversations()))
        overlap = self._manner.overlap
        for model_id in self._copy.report.query.model_ids or (None,):
            stored = Stored.of(kept, model_id, overlap=overlap)
            check = WindowCheck(
                conversations_of(self._client, model_id),
                stored,
                known={each.id for each in kept},
                manner=attrs.evolve(self._manner, oldest=stored.oldest),
                findings=findings,
                is_there=functools.partial(is_there, self._client),
            )
            await check.compare(Span(since, until + 1 if overlap else until))
        self.is_uncertain = bool(findings.uncertain)
        self._figures.doubts += findings.uncertain
        gone = [each for found in findings.differences for each in found.extra]
        await self._thread.call(lambda: self._copy.mark_deleted("conversations", gone))
        for each in gone:
            self._figures.note(ConversationChange(id=each, is_deleted=True))
        return [row for batch in findings.missing for row in batch.rows]
