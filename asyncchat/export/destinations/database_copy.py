"""The finished export in a database, kept up to date."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from asyncchat import RawRow
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.contents import Kept
from asyncchat.export.destinations.copy import Known, Messages
from asyncchat.export.destinations.database_contents import DatabaseContents
from asyncchat.export.destinations.holding import MAIN, to_text
from asyncchat.export.destinations.id_lists import id_lists
from asyncchat.export.destinations.session import Session, guarded
from asyncchat.export.destinations.store import Values
from asyncchat.export.destinations.tables import EXPORTS, SYNCS, UNPROVEN
from asyncchat.export.report import ExportReport

_LATEST: Final = """
    SELECT conversation_id, id, second, messages FROM (
        SELECT conversation_id, id, {second} AS second,
            row_number() OVER (PARTITION BY conversation_id ORDER BY created_at DESC, id DESC) AS place,
            count(*) OVER (PARTITION BY conversation_id) AS messages
        FROM messages WHERE deleted_at IS NULL AND conversation_id IN ({ids})
    ) AS ranked WHERE place <= {most}
"""


class DatabaseCopy:
    """What a database holds, and what a sync changes of it in one transaction.

    Args:
        session: The database, connected and prepared for writing.
        report: What the export says of itself.
        state: What the last commit noted of itself.
    """

    commits_cheaply: Final = True

    def __init__(self, session: Session, report: ExportReport, state: str | None) -> None:
        self.report = report
        self.state = state
        self._session = session

        self._contents = DatabaseContents(session, report, is_synced=True)

    # ---- reading

    def models(self) -> set[int]:
        """The ids of its models, those that are marked as deleted left out."""
        return self._contents.models()

    def conversations(self) -> Iterator[Kept]:
        """Its conversations, those that are marked as deleted left out."""
        return self._contents.conversations()

    @guarded
    def known(self, conversation_ids: Collection[int], *, latest: int) -> Mapping[int, Known]:
        """What is there of some conversations, with so many of the latest messages of each."""
        self._session.flush()
        messages: dict[int, tuple[int, list[tuple[int, int | None]]]] = {}
        for owner, row_id, second, count in self._latest(conversation_ids, latest):
            messages.setdefault(owner, (count, []))[1].append((row_id, second))
        second = self._session.store.dialect.second.format("updated_at")
        sql = f"SELECT id, {second}, CAST(recent_messages AS TEXT), deleted_at IS NOT NULL FROM conversations"  # noqa: S608
        found: dict[int, Known] = {}
        for ids in id_lists(conversation_ids):
            for row_id, changed, recent, is_deleted in self._session.run(f"{sql} WHERE id IN ({ids})"):
                count, last = messages.get(row_id, (0, []))
                found[row_id] = Known(
                    changed=changed, recent=recent, is_deleted=bool(is_deleted), messages=count, latest=last
                )
        return found

    def _latest(self, conversation_ids: Collection[int], most: int) -> Iterator[Values]:
        if not most or not self.report.query.messages:
            return
        second = self._session.store.dialect.second.format("created_at")
        for ids in id_lists(conversation_ids):
            yield from self._session.run(_LATEST.format(second=second, ids=ids, most=most))

    @guarded
    def known_ids(self, kind: str, ids: Collection[int]) -> set[int]:
        """Which rows of some ids are there, those that are marked as deleted included."""
        self._session.flush()
        blocks = [f"SELECT id FROM {kind} WHERE id IN ({block})" for block in id_lists(ids)]  # noqa: S608
        return {row_id for sql in blocks for (row_id,) in self._session.run(sql)}

    def digests(self, kind: str, ids: Collection[int]) -> Mapping[int, int]:
        """The digests of rows of some ids, of those that are there."""
        self._flush()
        told = self._contents.digests
        return {row_id: digest for ids in id_lists(ids) for row_id, digest in told(kind, f"id IN ({ids})")}

    def digests_of(self, kind: str, rows: Sequence[RawRow], conversation_id: int | None = None) -> Mapping[int, int]:
        """The digests that rows would have if they were there, by id."""
        return self._contents.digests_of(kind, rows, conversation_id)

    @guarded
    def _flush(self) -> None:
        self._session.flush()

    @guarded
    def messages(self, conversation_ids: Collection[int]) -> Mapping[int, Messages]:
        """The messages of some conversations."""
        self._session.flush()
        second = self._session.store.dialect.second.format("created_at")
        sql = f"SELECT conversation_id, id, {second}, deleted_at IS NOT NULL FROM messages"  # noqa: S608
        found = {each: Messages() for each in conversation_ids}
        for ids in id_lists(conversation_ids):
            for owner, row_id, made, is_gone in self._session.run(f"{sql} WHERE conversation_id IN ({ids})"):
                if is_gone:
                    found[owner].gone.add(row_id)
                else:
                    found[owner].there[row_id] = made
        return found

    @guarded
    def message_counts(self, conversation_ids: Collection[int]) -> Mapping[int, int]:
        """How many messages are there of some conversations; those that have none are left out."""
        self._session.flush()
        sql = "SELECT conversation_id, count(*) FROM messages WHERE deleted_at IS NULL AND conversation_id IN"
        blocks = [f"{sql} ({ids}) GROUP BY conversation_id" for ids in id_lists(conversation_ids)]
        return {owner: count for block in blocks for owner, count in self._session.run(block)}

    @guarded
    def latest(self) -> int | None:
        """The second of the last change of any conversation; None where there is none."""
        second = self._session.store.dialect.second.format("max(updated_at)")
        ((found,),) = self._session.run(f"SELECT {second} FROM conversations")  # noqa: S608 - our own names
        return None if found is None else int(found)

    @guarded
    def moved(self, most: int) -> list[tuple[int, int]]:
        """Conversations that have changed after they were made, those first that have not since for longest.

        Each as its id and the second of that change.
        """
        second, created = (self._session.store.dialect.second.format(name) for name in ("updated_at", "created_at"))
        rows = self._session.run(
            f"SELECT id, {second} FROM conversations WHERE deleted_at IS NULL AND {second} > {created} "  # noqa: S608
            f"ORDER BY updated_at LIMIT {most}"
        )
        return [(row_id, changed) for row_id, changed in rows]

    # ---- writing

    @guarded
    def write(self, batch: Batch) -> None:
        """Put rows in, over those with the same ids, which are marked as deleted no more."""
        self._session.take(batch)

    @guarded
    def mark_deleted(self, kind: str, ids: Collection[int]) -> None:
        """Mark rows as deleted, with the time of this machine; with conversations also their messages."""
        self._session.flush()
        self._session.begin()
        moment, stamp = self._session.store.dialect.moment, datetime.now(UTC).isoformat(" ", timespec="seconds")
        columns = [(kind, "id")]
        if kind == "conversations" and self.report.query.messages:
            columns.append(("messages", "conversation_id"))
        for (table, column), block in itertools.product(columns, id_lists(ids)):
            self._session.run(
                f"UPDATE {table} SET deleted_at = {moment} WHERE {column} IN ({block}) AND deleted_at IS NULL",  # noqa: S608
                (stamp,),
            )

    @guarded
    def doubt(self, conversation_ids: Collection[int], round_number: int) -> None:
        """Note conversations whose messages ought to be counted one day."""
        self._session.begin()
        for block in id_lists(conversation_ids):
            values = ", ".join(f"({each}, {round_number})" for each in block.split(","))
            self._session.run(f"INSERT INTO {UNPROVEN} VALUES {values} ON CONFLICT (conversation_id) DO NOTHING")  # noqa: S608

    @guarded
    def prove(self, conversation_ids: Collection[int]) -> None:
        """Note that the messages of some conversations have been counted, or read."""
        self._session.begin()
        for block in id_lists(conversation_ids):
            self._session.run(f"DELETE FROM {UNPROVEN} WHERE conversation_id IN ({block})")  # noqa: S608

    @guarded
    def doubtful(self, most: int | None = None) -> list[int]:
        """Conversations that were noted with `doubt`, those first that have been so for longest."""
        bound = "" if most is None else f" LIMIT {most}"
        rows = self._session.run(f"SELECT conversation_id FROM {UNPROVEN} ORDER BY round, conversation_id{bound}")  # noqa: S608
        return [each for (each,) in rows]

    @guarded
    def commit(self, state: str, report: ExportReport) -> None:
        """Make all of it durable, with what is to be noted of it."""
        session = self._session
        session.flush()
        session.begin()
        session.run(f"DELETE FROM {SYNCS}")  # noqa: S608
        session.run(f"INSERT INTO {SYNCS} VALUES (?)", (json.dumps({"state": state}),))  # noqa: S608
        session.run(f"UPDATE {EXPORTS} SET report = ? WHERE place = ?", (to_text(report), MAIN))  # noqa: S608
        session.commit()
        self.state, self.report = state, report


def read_state(session: Session) -> str | None:
    """What the last sync noted of itself; None where there was none."""
    rows = session.run(f"SELECT CAST(state AS TEXT) FROM {SYNCS}")  # noqa: S608 - our own names
    return json.loads(rows[0][0])["state"] if rows else None
