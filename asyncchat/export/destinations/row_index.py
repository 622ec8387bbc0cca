"""What a folder holds, and what becomes of it in a round of a sync: looked up in a database that is thrown away."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final, TypeAlias

import attrs

from asyncchat import RawRow
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.contents import Kept
from asyncchat.export.destinations.copy import Known, Messages
from asyncchat.export.destinations.heads import model_of
from asyncchat.export.destinations.id_lists import id_lists
from asyncchat.export.destinations.keys import Key, second_of
from asyncchat.export.report import KINDS

_CACHE_KIB: Final = 65_536
_HALF: Final = 2**63
"""What an unsigned number is less in SQLite, whose integers have a sign."""
_BATCH_ROWS: Final = 1_000

_TABLES: Final = f"""
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -{_CACHE_KIB};
CREATE TABLE rows (
    kind INTEGER, id INTEGER, part INTEGER, digest INTEGER, made INTEGER, owner INTEGER, changed INTEGER,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE fresh (
    kind INTEGER, id INTEGER, owner INTEGER, made TEXT, changed TEXT, json BLOB, PRIMARY KEY (kind, id)
);
CREATE TABLE dropped (part INTEGER, id INTEGER);
CREATE TABLE unproven (conversation_id INTEGER PRIMARY KEY, round INTEGER);
"""
"""A kind is its place in KINDS, a part its place in the report; rows that are in none yet are in `fresh`."""
_BY_OWNER: Final = "CREATE INDEX by_owner ON rows (kind, owner)"
_PUT: Final = "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)"
_LATEST: Final = """
    SELECT owner, id, made, messages FROM (
        SELECT owner, id, made, row_number() OVER (PARTITION BY owner ORDER BY made DESC, id DESC) AS place,
            count(*) OVER (PARTITION BY owner) AS messages
        FROM rows WHERE kind = 2 AND owner IN ({ids})
    ) WHERE place <= {most}
"""

Digests: TypeAlias = Callable[[str, Sequence[RawRow], int | None], Mapping[int, int]]


@attrs.frozen
class Stored:
    """A row in a part file: its key, and the digest of what is kept of it."""

    key: Key
    digest: int


class RowIndex:
    """The rows of part files, and those that are put over them.

    It lies in a file without a name, which goes with the process: only what SQLite's cache does not hold takes memory.

    Args:
        digests_of: The digests that rows would have in a part file.
    """

    def __init__(self, digests_of: Digests) -> None:
        self._digests_of = digests_of
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_TABLES)

    def load(self, parts: Iterable[tuple[str, Iterable[Stored]]]) -> None:
        """Take the rows of part files, each with the kind of its rows; they are known by their place among them."""
        self._database.execute("BEGIN")
        for number, (kind, rows) in enumerate(parts):
            values = (self._values(kind, number, row.key, row.digest) for row in rows)
            self._database.executemany(_PUT, values)
        self._database.execute(_BY_OWNER)
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Throw it away. May be called twice."""
        self._database.close()

    # ---- what is there

    def ids(self, kind: str) -> set[int]:
        """The ids of all rows of a kind."""
        return {row_id for (row_id,) in self._ask("SELECT id FROM rows WHERE kind = ?", KINDS.index(kind))}

    def conversations(self) -> Iterator[Kept]:
        """All conversations."""
        return (Kept(*row) for row in self._ask("SELECT id, made, owner FROM rows WHERE kind = 1"))

    def known(self, conversation_ids: Collection[int], *, latest: int) -> dict[int, Known]:
        """What is there of some conversations, with so many of the latest messages of each."""
        messages: dict[int, tuple[int, list[tuple[int, int | None]]]] = {}
        for ids in id_lists(conversation_ids if latest else ()):
            for owner, row_id, made, count in self._ask(_LATEST.format(ids=ids, most=latest)):
                messages.setdefault(owner, (count, []))[1].append((row_id, made))
        found: dict[int, Known] = {}
        for row_id, changed in self._of_ids("SELECT id, changed", "conversations", conversation_ids):
            count, last = messages.get(row_id, (0, []))
            found[row_id] = Known(changed=changed, recent=None, is_deleted=False, messages=count, latest=last)
        return found

    def known_ids(self, kind: str, ids: Collection[int]) -> set[int]:
        """Which rows of some ids are there."""
        return {row_id for (row_id,) in self._of_ids("SELECT id", kind, ids)}

    def digests(self, kind: str, ids: Collection[int]) -> dict[int, int]:
        """The digests of rows of some ids, of those that are there."""
        return {row_id: digest + _HALF for row_id, digest in self._of_ids("SELECT id, digest", kind, ids)}

    def messages(self, conversation_ids: Collection[int]) -> dict[int, Messages]:
        """The messages of some conversations."""
        found = {each: Messages() for each in conversation_ids}
        for owner, row_id, made in self._of_ids("SELECT owner, id, made", "messages", conversation_ids, by="owner"):
            found[owner].there[row_id] = made
        return found

    def message_counts(self, conversation_ids: Collection[int]) -> dict[int, int]:
        """How many messages are there of some conversations; those that have none are left out."""
        sql, rest = "SELECT owner, count(*)", "GROUP BY owner"
        return dict(self._of_ids(sql, "messages", conversation_ids, by="owner", rest=rest))

    def latest(self) -> int | None:
        """The second of the last change of any conversation; None where there is none."""
        ((found,),) = self._ask("SELECT max(changed) FROM rows WHERE kind = 1")
        return None if found is None else int(found)

    def moved(self, most: int) -> list[tuple[int, int]]:
        """Conversations that have changed after they were made, those first that have not since for longest."""
        sql = "SELECT id, changed FROM rows WHERE kind = 1 AND changed > made ORDER BY changed LIMIT ?"
        return list(self._ask(sql, most))

    # ---- what becomes of it

    def put(self, batch: Batch) -> None:
        """Put rows in, over those with the same ids; one that is there just so stays where it is."""
        told = self._digests_of(batch.kind, batch.rows, batch.conversation_id) if batch.rows else {}
        before = self.digests(batch.kind, told.keys())
        news = {row.id: row for row in batch.rows if before.get(row.id) != told[row.id]}
        self._drop(batch.kind, news.keys())
        for row in news.values():
            owner = batch.conversation_id if batch.kind == "messages" else model_of(row.json)
            key = Key(row.id, second_of(row.created_at), owner, second_of(row.updated_at))
            self._database.execute(_PUT, self._values(batch.kind, None, key, told[row.id]))
            updated = None if row.updated_at is None else row.updated_at.isoformat()
            values = (
                KINDS.index(batch.kind),
                row.id,
                batch.conversation_id,
                row.created_at.isoformat(),
                updated,
                row.json,
            )
            self._database.execute("INSERT OR REPLACE INTO fresh VALUES (?, ?, ?, ?, ?, ?)", values)

    def remove(self, kind: str, ids: Collection[int]) -> None:
        """Take rows out; with conversations also their messages."""
        self._drop(kind, ids)
        if kind == "conversations":
            owned = self._of_ids("SELECT id", "messages", ids, by="owner")
            self._drop("messages", [row_id for (row_id,) in owned])

    def _drop(self, kind: str, ids: Collection[int]) -> None:
        parts = self._of_ids("SELECT part, id", kind, ids, rest="AND part IS NOT NULL")
        self._database.executemany("INSERT INTO dropped VALUES (?, ?)", parts)
        for table in ("rows", "fresh"):
            self._of_ids("DELETE", kind, ids, table=table)

    def dropped(self) -> dict[int, set[int]]:
        """The ids of rows that are no more in a part file, or otherwise elsewhere, by the file's place."""
        found: dict[int, set[int]] = {}
        for part, row_id in self._ask("SELECT part, id FROM dropped"):
            found.setdefault(part, set()).add(row_id)
        return found

    def fresh_kinds(self) -> set[str]:
        """The kinds of the rows that were put in."""
        return {KINDS[kind] for (kind,) in self._ask("SELECT DISTINCT kind FROM fresh")}

    def fresh(self) -> Iterator[Batch]:
        """The rows that were put in, those of a conversation together."""
        rows = self._database.execute("SELECT * FROM fresh ORDER BY kind, owner, id")
        for (kind, owner), found in groupby(rows, key=lambda row: (row[0], row[2])):
            while block := [_row(*values) for _, values in zip(range(_BATCH_ROWS), found, strict=False)]:
                yield Batch(kind=KINDS[kind], rows=block, conversation_id=owner)

    # ---- what is to be counted

    def doubt(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Note conversations whose messages ought to be counted one day, each with the round."""
        self._database.executemany("INSERT OR IGNORE INTO unproven VALUES (?, ?)", pairs)

    def prove(self, conversation_ids: Collection[int]) -> None:
        """Note that the messages of some conversations have been counted, or read."""
        self._database.executemany(
            "DELETE FROM unproven WHERE conversation_id = ?", ((each,) for each in conversation_ids)
        )

    def doubtful(self, most: int | None = None) -> list[tuple[int, int]]:
        """Conversations that were noted with `doubt`, each with its round, the oldest ones first."""
        sql = "SELECT conversation_id, round FROM unproven ORDER BY round, conversation_id LIMIT ?"
        return list(self._ask(sql, -1 if most is None else most))

    # ---- statements

    def _ask(self, sql: str, *values: Any) -> list[Any]:
        return self._database.execute(sql, values).fetchall()

    def _of_ids(
        self, sql: str, kind: str, ids: Iterable[int], *, by: str = "id", table: str = "rows", rest: str = ""
    ) -> list[Any]:
        """What a statement tells of the rows of a kind that have some ids, or owners."""
        where = f"FROM {table} WHERE kind = {KINDS.index(kind)} AND {by} IN"
        return [row for block in id_lists(ids) for row in self._ask(f"{sql} {where} ({block}) {rest}")]

    def _values(self, kind: str, part: int | None, key: Key, digest: int) -> tuple[int | None, ...]:
        return KINDS.index(kind), key.id, part, digest - _HALF, key.second, key.owner, key.changed


def _row(_kind: int, row_id: int, _owner: int | None, made: str, changed: str | None, text: bytes) -> RawRow:
    updated = None if changed is None else datetime.fromisoformat(changed)
    return RawRow(id=row_id, created_at=datetime.fromisoformat(made), updated_at=updated, json=text)
