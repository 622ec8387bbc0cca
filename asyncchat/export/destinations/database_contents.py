"""The finished export in a database, read back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import attrs

from asyncchat import RawRow
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.columns import COLUMNS, Column, Type, to_values
from asyncchat.export.destinations.contents import Kept
from asyncchat.export.destinations.digests import digest_of
from asyncchat.export.destinations.holding import MAIN, kinds_held, to_text
from asyncchat.export.destinations.session import Session, guarded
from asyncchat.export.destinations.store import Values
from asyncchat.export.destinations.tables import EXPORTS
from asyncchat.export.report import ExportReport

_THERE: Final = "deleted_at IS NULL"


class DatabaseContents:
    """What a database holds, but for rows that are marked as deleted.

    Args:
        session: The database, connected.
        report: What the export said of itself.
        is_synced: Whether it has been kept up to date since.
    """

    def __init__(self, session: Session, report: ExportReport, *, is_synced: bool) -> None:
        self.report = report
        self.is_synced = is_synced
        self._session = session

    def damaged(self) -> list[str]:
        """None: a database sees to its own files."""
        return []

    def models(self) -> set[int]:
        """The ids of its models."""
        return {row_id for (row_id,) in self._ask(f"SELECT id FROM models WHERE {_THERE}")}  # noqa: S608

    def conversations(self) -> Iterator[Kept]:
        """Its conversations."""
        second = self._session.store.dialect.second.format("created_at")
        rows = self._ask(f"SELECT id, {second}, model_id FROM conversations WHERE {_THERE}")  # noqa: S608
        return (Kept(*row) for row in rows)

    def message_counts(self) -> Mapping[int, int]:
        """How many messages it holds of each conversation, by the conversation's id."""
        sql = f"SELECT conversation_id, count(*) FROM messages WHERE {_THERE} GROUP BY conversation_id"  # noqa: S608
        return dict(self._ask(sql))

    def message_ids(self, conversation_ids: Collection[int]) -> Mapping[int, set[int]]:
        """The ids of messages of some conversations."""
        sql = f"SELECT id FROM messages WHERE {_THERE} AND conversation_id = ?"  # noqa: S608
        return {each: {row_id for (row_id,) in self._ask(sql, (each,))} for each in conversation_ids}

    def digests(self, kind: str, where: str = _THERE) -> Iterator[tuple[int, int]]:
        """Id and digest of each row of a kind; or of some, by a condition."""
        columns = ", ".join(self._comparable(column) for column in COLUMNS[kind])
        rows = self._ask(f"SELECT id, {columns} FROM {kind} WHERE {where}")  # noqa: S608 - our own names
        return ((row_id, digest_of(values)) for row_id, *values in rows)

    def _comparable(self, column: Column) -> str:
        """A column in a form in which it is compared: what an offset column holds makes seconds exact."""
        if column.type is Type.TIMESTAMP:
            return self._session.store.dialect.second.format(column.name)
        return f"CAST({column.name} AS TEXT)" if column.type is Type.JSON else column.name

    def digests_of(self, kind: str, rows: Sequence[RawRow], conversation_id: int | None = None) -> Mapping[int, int]:
        """The digests that rows would have if they were kept here, by id."""
        store, found = self._session.store, {}
        for row in rows:
            values = to_values(kind, row, conversation_id, nul=store.keeps_nul)
            pairs = zip(COLUMNS[kind], values, strict=True)
            found[row.id] = digest_of([store.comparable(column.type, value) for column, value in pairs])
        return found

    def distrust(self, kind: str, ids: Collection[int]) -> bool:  # noqa: ARG002 - as the others have it
        """Nothing: rows are put over those that are there."""
        return False

    @guarded
    def mend(self, batches: Sequence[Batch]) -> None:
        """Put rows into the export, and into its report how many there are now: in one transaction.

        Raises:
            ExportError: The database failed.
        """
        session = self._session
        session.store.prepare()
        for batch in batches:
            session.take(batch)
        session.flush()
        session.begin()
        counts = {kind: session.run(f"SELECT count(*) FROM {kind}")[0][0] for kind in kinds_held(self.report.query)}  # noqa: S608
        self.report = attrs.evolve(self.report, rows=counts)
        session.run(f"UPDATE {EXPORTS} SET report = ? WHERE place = ?", (to_text(self.report), MAIN))  # noqa: S608
        session.commit()

    def close(self) -> None:
        """Let go of the database. May be called twice."""
        self._session.close()

    @guarded
    def _ask(self, sql: str, values: Values = ()) -> list[Values]:
        return self._session.run(sql, values)
