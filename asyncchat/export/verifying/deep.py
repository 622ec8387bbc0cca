"""Compares rows with what a destination keeps of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import anyio.to_thread

from asyncchat import RawRow
from asyncchat.export.destinations.contents import Contents
from asyncchat.export.destinations.digests import DigestTable
from asyncchat.export.report import KINDS


class Deep:
    """The digests of all rows that a destination keeps.

    Args:
        contents: What it keeps.
        as_of: The second up to which it claims to be complete: what has changed since may be otherwise.
    """

    def __init__(self, contents: Contents, as_of: int) -> None:
        self._contents = contents
        self._as_of = as_of
        self._tables: dict[str, DigestTable] = {}

    async def load(self) -> None:
        """Read every row that is kept."""
        kinds = KINDS if self._contents.report.query.messages else KINDS[:2]
        for kind in kinds:
            self._tables[kind] = await anyio.to_thread.run_sync(lambda: DigestTable(self._contents.digests(kind)))  # noqa: B023

    async def changed(self, kind: str, rows: Sequence[RawRow], conversation_id: int | None = None) -> list[RawRow]:
        """Of some rows those that are kept in another form, though they have not changed since.

        Args:
            kind: Theirs.
            rows: As the server has them.
            conversation_id: Whose messages they are.
        """
        table = self._tables[kind]
        known = [row for row in rows if table.get(row.id) is not None and self._is_settled(row)]
        told = await anyio.to_thread.run_sync(lambda: self._contents.digests_of(kind, known, conversation_id))
        return [row for row in known if told[row.id] != table.get(row.id)]

    def _is_settled(self, row: RawRow) -> bool:
        return math.floor((row.updated_at or row.created_at).timestamp()) <= self._as_of
