"""Databases in a file, SQLite and DuckDB: what stands in the way of writing it, and what each has of its own."""

from __future__ import annotations

import contextlib
import json
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_rows import OWNER, QUERY, batch, created, held, raw, report, select, text, truth, write_all
from unprivileged import forbidden

from asyncchat import ConfigurationError, ExportError
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.database import Database
from asyncchat.export.destinations.duckdb import DuckDBDestination, keepable
from asyncchat.export.destinations.sqlite import SQLiteDestination
from asyncchat.export.destinations.urls import make_database

FILES = pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])


def opened(scheme: str, path: Path) -> Database:
    made = make_database(f"{scheme}:///{path}")
    assert isinstance(made, Database)
    return made


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# ---- in the way


def write_thousands(database: Database) -> None:
    for first in range(1000, 100_000, 1000):
        database.write(batch("messages", *range(first, first + 1000)))
        database.commit([str(first)])


@FILES
def test_a_full_disk(scheme: str, tmp_path: Path) -> None:
    """A disk that fills up keeps what was committed, says so, and with room the same command goes on."""
    path = tmp_path / "chats.db"
    database = opened(scheme, path)
    database.open(QUERY, fresh=False)
    database.write(batch("messages", *range(70)))
    database.commit(["2"])
    size = max(file.stat().st_size for file in tmp_path.iterdir())
    with no_file_above(size + 20_000), pytest.raises(ExportError, match=r"what was committed stays: .* goes on"):
        write_thousands(database)
    with pytest.raises(ExportError, match="open it again"):
        database.commit([])
    database.close()
    marks = database.open(QUERY, fresh=False).marks
    database.close()
    ids = [*range(70), *(first + i for mark in map(int, marks[1:]) for first in (mark,) for i in range(1000))]
    assert held(f"{scheme}:///{path}")["messages"] == {i: (text(i), created(i), OWNER) for i in ids}
    database.open(QUERY, fresh=False)
    database.write(batch("messages", 100_000))
    database.commit([])
    database.close()


@FILES
@pytest.mark.parametrize("exists", [False, True])
def test_a_place_that_may_not_be_written(scheme: str, tmp_path: Path, exists: bool) -> None:
    """A folder that may not be written is refused in one line, and what is in it stays."""
    folder = tmp_path / "folder"
    folder.mkdir()
    database = opened(scheme, folder / "chats.db")
    if exists:
        write_all(database)
        database.close()
    with forbidden(folder), pytest.raises(ConfigurationError, match=r"cannot be written .*Permission denied") as caught:
        database.open(QUERY, fresh=True)
    assert "\n" not in str(caught.value)
    assert [path.name for path in folder.iterdir()] == (["chats.db"] if exists else [])


@FILES
def test_a_file_that_may_not_be_written(scheme: str, tmp_path: Path) -> None:
    """A file that may not be written, in a folder that may, is refused in one line."""
    folder = tmp_path / "folder"
    folder.mkdir()
    database = opened(scheme, folder / "chats.db")
    write_all(database)
    database.close()
    folder.chmod(0o777)
    refused = pytest.raises((ConfigurationError, ExportError), match=r"cannot be (written|opened)")
    with forbidden(folder / "chats.db"), refused as caught:
        database.open(QUERY, fresh=True)
    assert "\n" not in str(caught.value)
    assert held(f"{scheme}:///{folder / 'chats.db'}") == truth()


@FILES
def test_a_file_of_something_else(scheme: str, tmp_path: Path) -> None:
    """A file that is no database is refused and not touched."""
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 1000)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        opened(scheme, path).open(QUERY, fresh=True)
    assert path.read_text() == "dear diary, " * 1000
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


@FILES
def test_a_folder_in_its_place(scheme: str, tmp_path: Path) -> None:
    """A folder is no database, and a folder that is not there is not made."""
    with pytest.raises(ConfigurationError, match="is no file"):
        opened(scheme, tmp_path).open(QUERY, fresh=False)
    with pytest.raises(ConfigurationError, match="there is no folder"):
        opened(scheme, tmp_path / "a" / "b").open(QUERY, fresh=False)
    assert list(tmp_path.iterdir()) == []


# ---- SQLite


def test_full_text_search(tmp_path: Path) -> None:
    """Messages are found by their words once the export is finished, also after a fresh one has taken its place."""
    database, url = SQLiteDestination(tmp_path / "chats.db"), f"sqlite:///{tmp_path / 'chats.db'}"
    search = "SELECT rowid FROM messages_fts WHERE messages_fts MATCH '{}' ORDER BY rowid"
    for edition in ("first", "second"):
        write_all(database, edition=edition, fresh=True)
        database.close()
        assert select(url, search.format(f'"12 {edition}é"')) == [(12,)]
    assert select(url, search.format("firsté")) == []
    assert len(select(url, search.format("secondé"))) == 140


def test_a_foreign_search_table(tmp_path: Path) -> None:
    """A table that is called as ours of full texts is not touched."""
    path = tmp_path / "chats.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE MESSAGES_FTS (a)")
    with pytest.raises(ConfigurationError, match="messages_fts"):
        SQLiteDestination(path).open(QUERY, fresh=False)


def test_times_that_the_database_understands(tmp_path: Path) -> None:
    """Times are in UTC, as SQLite's functions take them, and sort as they follow each other."""
    database, url = SQLiteDestination(tmp_path / "chats.db"), f"sqlite:///{tmp_path / 'chats.db'}"
    write_all(database)
    database.close()
    found = select(url, "SELECT created_at, datetime(created_at) FROM messages WHERE id = 0")
    assert found == [("2025-05-05 03:00:00", "2025-05-05 03:00:00")]


def test_an_ordinary_file_is_left(tmp_path: Path) -> None:
    """A finished export is one file without a log beside it, also where it was made in several runs."""
    database = SQLiteDestination(tmp_path / "chats.db")
    database.open(QUERY, fresh=False)
    database.write(batch("models", 1))
    database.commit(["x"])
    database.close()
    write_all(database, fresh=True)
    database.close()
    assert select(f"sqlite:///{tmp_path / 'chats.db'}", "PRAGMA journal_mode") == [("delete",)]
    assert [path.name for path in tmp_path.iterdir()] == ["chats.db"]


def test_the_mode_of_a_file_is_kept(tmp_path: Path) -> None:
    """A file whose owner had chosen a log keeps it."""
    path = tmp_path / "chats.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    database = SQLiteDestination(path)
    write_all(database)
    database.close()
    assert select(f"sqlite:///{path}", "PRAGMA journal_mode") == [("wal",)]


def test_a_reader_that_does_not_end(tmp_path: Path) -> None:
    """Somebody who goes on reading keeps neither a fresh export from its end nor the file from being closed."""
    path = tmp_path / "chats.db"
    database = SQLiteDestination(path)
    write_all(database, edition="old")
    database.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        database.open(QUERY, fresh=True)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM messages").fetchone()
        database.finish(report(database, {}))
        database.close()
        reader.execute("ROLLBACK")
        assert reader.execute("SELECT count(*) FROM messages").fetchone() == (0,)


# ---- DuckDB


def test_duckdb_is_open_elsewhere(tmp_path: Path) -> None:
    """A file that another program has open, be it for reading, is refused with the program's number."""
    path = tmp_path / "chats.duckdb"
    database = DuckDBDestination(path)
    write_all(database)
    database.close()
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(ExportError, match=rf"another program has .* open: end it, .*{process.pid}"):
            database.open(QUERY, fresh=False)
        process.communicate()
    assert database.open(QUERY, fresh=False).report is not None
    database.close()


def test_duckdb_keeps_to_a_limit_of_memory(tmp_path: Path) -> None:
    """It does not take the memory of the whole machine, and a program that has the file open may go on reading."""
    import duckdb  # noqa: PLC0415 - tests of SQLite need it not

    path = tmp_path / "chats.duckdb"
    database = DuckDBDestination(path)
    write_all(database)
    database.close()
    with contextlib.closing(duckdb.connect(str(path))) as reader:
        database.open(QUERY, fresh=True)
        (limit,) = reader.execute("SELECT current_setting('memory_limit')").fetchone() or ("",)
        assert limit == "488.2 MiB"
        assert reader.execute("SELECT count(*) FROM messages").fetchone() == (140,)
        database.close()


@pytest.mark.parametrize("missing", ["duckdb", "pyarrow"])
def test_duckdb_without_its_extra(tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, one line says what to install, and no file is made."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigurationError, match=rf"DuckDB needs {missing}: pip install 'asyncchat\[duckdb\]'"):
        DuckDBDestination(tmp_path / "chats.db").open(QUERY, fresh=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (r'"\ud83d\ude00"', r'"\ud83d\ude00"'),
        (r'"\ud83d"', r'"\\ud83d"'),
        (r'"\uDE00\ud83d"', r'"\\uDE00\\ud83d"'),
        (r'"\\ud83d"', r'"\\ud83d"'),
        (r'"\\\ud83d"', r'"\\\\ud83d"'),
        (r'"\ud83d\ud83d\ude00"', r'"\\ud83d\ud83d\ude00"'),
        (r'"\u0000 \ud7ff"', r'"\u0000 \ud7ff"'),
    ],
)
def test_halves_of_pairs(text: str, kept: str) -> None:
    """Half of a surrogate pair becomes the text of its escape, and everything else stays."""
    assert keepable(text) == kept
    json.loads(kept).encode()


def test_times_in_duckdb(tmp_path: Path) -> None:
    """Times are real ones, to which a second can be added, and the type of JSON is JSON."""
    database, url = DuckDBDestination(tmp_path / "chats.db"), f"duckdb:///{tmp_path / 'chats.db'}"
    database.open(QUERY, fresh=False)
    database.write(Batch(kind="messages", rows=[raw("messages", 1, more={"a": 5})], conversation_id=OWNER))
    database.commit([])
    database.close()
    sql = "SELECT epoch(created_at + INTERVAL 1 SECOND), CAST(extra.more.a AS INTEGER) FROM messages"
    assert select(url, sql) == [(created(2).timestamp(), 5)]
