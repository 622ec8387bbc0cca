"""Exports in databases of every kind: what is kept, what is refused, what is replaced."""

from __future__ import annotations

import gc
import signal
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import attrs
import pytest
from database_rows import (
    COUNTS,
    OTHER,
    OWNER,
    QUERY,
    batch,
    created,
    held,
    raw,
    report,
    select,
    text,
    truth,
    write_all,
)

from asyncchat import ExportError
from asyncchat.export.destinations import session as module
from asyncchat.export.destinations.base import Batch, Destination
from asyncchat.export.destinations.database import Database


def interrupted(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


# ---- what is kept


def test_an_export_comes_back(destination: Destination, database: str) -> None:
    """Every row is there once with its text, its time in UTC and its owner, and the report is told again."""
    done = write_all(destination)
    again = destination.open(QUERY, fresh=False)
    destination.close()
    assert held(database) == truth()
    assert again.report == attrs.evolve(done, reused=True)
    assert again.marks == ()
    assert select(database, "SELECT count(*) FROM asyncchat_marks") == [(0,)]


def test_marks_come_back_in_their_order(destination: Destination) -> None:
    """Marks of runs that did not finish are told in their order, whatever they say."""
    marks = ["b", "a", "\ud800\0", "", "é" * 1000, *map(str, range(100))]
    destination.open(QUERY, fresh=False)
    destination.commit(marks[:3])
    destination.commit(marks[3:4])
    destination.close()
    assert destination.open(QUERY, fresh=False).marks == marks[:4]
    destination.commit(marks[4:])
    destination.close()
    assert destination.open(QUERY, fresh=False).marks == marks


def test_what_is_not_committed_is_dropped(destination: Destination, database: str) -> None:
    """Rows written after the last commit are gone when it is closed, though the database had them."""
    destination.open(QUERY, fresh=False)
    destination.write(batch("messages", 1))
    destination.commit(["1"])
    destination.write(batch("messages", 2))
    assert isinstance(destination, Database)
    destination._session.flush()
    destination.close()
    assert destination.open(QUERY, fresh=False).marks == ["1"]
    destination.close()
    assert list(held(database)["messages"]) == [1]


def test_a_row_given_twice_is_one(destination: Destination, database: str) -> None:
    """Of a row given again, in one block or after a commit, the later one stays, and there is one."""
    destination.open(QUERY, fresh=False)
    destination.write(batch("messages", 1, 2, 1, edition="old"))
    destination.commit([])
    destination.write(batch("messages", 2, edition="older"))
    destination.write(batch("messages", 2, 3, edition="new"))
    destination.commit([])
    destination.close()
    old, new = truth("old")["messages"], truth("new")["messages"]
    assert held(database)["messages"] == {1: old[1], 2: new[2], 3: new[3]}


def test_rows_go_to_the_database_in_blocks(
    destination: Destination, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between commits no more than a block of rows is held in memory, and all come out as they went in."""
    monkeypatch.setattr(module, "_BLOCK_BYTES", 500)
    assert isinstance(destination, Database)
    destination.open(QUERY, fresh=False)
    for row_id in range(50):
        destination.write(batch("messages", row_id))
        assert destination._session._pending_bytes < 500
    destination.commit([])
    destination.close()
    assert held(database)["messages"] == {i: (text(i), created(i), OWNER) for i in range(50)}


def test_odd_values(destination: Destination, database: str) -> None:
    """Fields that are unknown are JSON in `extra`, halves of surrogate pairs and U+0000 included."""
    odd: dict[str, Any] = {"more": {"a": [1, "x\ud800y\0z", "\U0001f600", "\\ud800"]}, "platform": "p\0q"}
    destination.open(QUERY, fresh=False)
    destination.write(Batch(kind="conversations", rows=[raw("conversations", 1, **odd)]))
    destination.write(Batch(kind="messages", rows=[raw("messages", 1, message="\ud800")], conversation_id=OWNER))
    destination.commit([])
    destination.close()
    ((extra, platform),) = select(database, "SELECT CAST(extra AS TEXT), platform FROM conversations")
    assert r"\\ud800" in extra
    assert platform == "p\0q" or r"p\u0000q" in extra
    ((message, rest),) = select(database, "SELECT message, CAST(extra AS TEXT) FROM messages")
    assert message is None
    assert "ud800" in rest


def test_an_export_without_messages(destination: Destination, database: str) -> None:
    """Where messages were not asked for, there is no table that would say that there are none."""
    query = attrs.evolve(QUERY, messages=False)
    destination.open(query, fresh=False)
    destination.write(batch("models", 1))
    destination.commit([])
    destination.finish(report(destination, {"models": 1, "conversations": 0}, query))
    assert destination.open(query, fresh=False).report is not None
    destination.close()
    with pytest.raises(Exception, match=r"(?i)messages"):
        select(database, "SELECT * FROM messages")


def test_indexes_and_comments(destination: Destination, database: str) -> None:
    """A finished export has indexes, and comments where the database has them."""
    write_all(destination)
    destination.close()
    catalog = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
        "duckdb": "SELECT index_name FROM duckdb_indexes()",
        "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'",
    }
    scheme = database.partition(":")[0]
    names = {name for (name,) in select(database, catalog[scheme])}
    wanted = {
        "conversations": ["model_id", "created_at", "updated_at"],
        "messages": ["conversation_id", "created_at"],
        "models": ["created_at"],
    }
    assert {f"asyncchat_{kind}_{name}" for kind, columns in wanted.items() for name in columns} <= names
    comments = {
        "duckdb": "SELECT count(*) FROM duckdb_columns() WHERE comment <> ''",
        "postgresql": "SELECT count(*) FROM pg_description WHERE objoid = 'messages'::regclass",
    }
    if scheme in comments:
        assert select(database, comments[scheme])[0][0] > 7


def test_an_export_that_has_only_begun(destination: Destination, database: str) -> None:
    """What ended before its first commit leaves nothing, so that the next command may ask for something else."""
    destination.open(QUERY, fresh=False)
    destination.write(batch("models", 1))
    destination.close()
    if not database.startswith("postgresql"):
        assert not Path(urlsplit(database).path[1:]).exists()
    destination.open(OTHER, fresh=False)
    destination.close()
    write_all(destination)
    destination.open(OTHER, fresh=True)
    destination.close()
    assert destination.open(QUERY, fresh=False).report is not None
    destination.close()
    assert held(database) == truth()


def test_an_export_that_was_killed_when_it_had_only_begun(
    destination: Destination, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty tables that a killed export has left keep no other one out."""
    with monkeypatch.context() as patch:
        patch.setattr(Database, "_erase", lambda _: None)
        destination.open(QUERY, fresh=False)
        destination.close()
    assert held(database)["models"] == {}
    destination.open(OTHER, fresh=False)
    destination.commit(["1"])
    destination.close()
    assert destination.open(OTHER, fresh=False).marks == ["1"]


# ---- what has failed


def test_nothing_goes_on_after_a_failure(destination: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a write that was interrupted anywhere, nothing is committed until it is opened again."""
    destination.open(QUERY, fresh=False)
    destination.write(batch("models", 1))
    with monkeypatch.context() as patch:
        patch.setattr(module, "to_values", interrupted)
        with pytest.raises(KeyboardInterrupt):
            destination.write(batch("models", 2))
    with pytest.raises(ExportError, match="open it again"):
        destination.commit(["1"])
    with pytest.raises(ExportError, match="open it again"):
        destination.write(batch("models", 3))
    assert destination.open(QUERY, fresh=False).marks == []


def test_it_is_used_only_while_it_is_open(destination: Destination) -> None:
    """Before it is opened and after it is closed nothing is taken, and closing twice is nothing."""
    with pytest.raises(ExportError, match="open it again"):
        destination.write(batch("models", 1))
    destination.open(QUERY, fresh=False)
    destination.close()
    destination.close()
    with pytest.raises(ExportError, match="open it again"):
        destination.commit([])


# ---- what is replaced


def test_a_fresh_export_replaces_a_finished_one(destination: Destination, database: str) -> None:
    """Until a fresh export is finished the finished one is there unchanged; then there is only the new one."""
    write_all(destination, edition="old")
    for _ in range(2):
        destination.open(QUERY, fresh=True)
        destination.write(batch("messages", 1, edition="new"))
        destination.commit(["1"])
        destination.close()
        assert held(database) == truth("old")
    write_all(destination, edition="new", fresh=True)
    destination.close()
    assert held(database) == truth("new")
    assert destination.open(QUERY, fresh=False).report is not None
    write_all(destination, edition="newer", fresh=True)
    destination.close()
    assert held(database) == truth("newer")


def test_a_fresh_export_goes_on_without_fresh(destination: Destination, database: str) -> None:
    """A fresh export that did not finish is gone on with, where its marks are, when it is not asked to begin anew."""
    write_all(destination, edition="old")
    destination.open(QUERY, fresh=True)
    destination.write(batch("models", 1, 2, 3, edition="new"))
    destination.commit(["0"])
    destination.close()
    write_all(destination, edition="new")
    destination.close()
    assert held(database) == truth("new")


def test_a_fresh_export_drops_an_unfinished_one(destination: Destination, database: str) -> None:
    """An unfinished export is not worth keeping: a fresh one begins in its place."""
    destination.open(QUERY, fresh=False)
    destination.write(batch("models", 9))
    destination.commit(["1"])
    assert destination.open(QUERY, fresh=True).marks == []
    destination.commit(["2"])
    destination.close()
    assert held(database)["models"] == {}


def test_a_fresh_export_of_another_query(destination: Destination, database: str) -> None:
    """A fresh export may ask for something else, also for fewer tables."""
    write_all(destination)
    query = attrs.evolve(QUERY, messages=False)
    destination.open(query, fresh=True)
    destination.finish(report(destination, {"models": 0, "conversations": 0}, query))
    destination.close()
    assert select(database, "SELECT count(*) FROM models") == [(0,)]
    with pytest.raises(Exception, match=r"(?i)messages"):
        select(database, "SELECT * FROM messages")
    destination.open(QUERY, fresh=True)
    destination.finish(report(destination, {}, QUERY))
    assert COUNTS


def write_for_ever(destination: Destination, rows: Batch) -> NoReturn:
    while True:
        destination.write(rows)


def test_interrupted_by_a_signal(destination: Destination, database: str) -> None:
    """Ctrl-C in the middle of a block, in whatever code it falls, leaves nothing of what was not committed."""
    destination.open(QUERY, fresh=False)
    destination.write(batch("models", 1))
    destination.commit(["1"])
    many = batch("messages", *range(5_000))
    before = signal.signal(signal.SIGALRM, interrupted)
    gc.disable()  # an interrupt that falls into a callback of the collector, as hypothesis has one, is not raised
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_for_ever(destination, many)
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)
    assert destination.open(QUERY, fresh=False).marks == ["1"]
    destination.close()
    rows = held(database)
    assert (list(rows["models"]), rows["messages"]) == ([1], {})
