"""One exporter at a time, in this process and in others, and no lock that outlives its holder."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from database_rows import QUERY, held, truth, write_all

from asyncchat import ConfigurationError, ExportError
from asyncchat.export.destinations import postgres
from asyncchat.export.destinations.database import Database
from asyncchat.export.destinations.filelock import FileLock
from asyncchat.export.destinations.urls import make_database

_HOLDER = """
import json
import sys
from asyncchat.export import Query
from asyncchat.export.destinations.urls import make_database
database = make_database(sys.argv[1])
query = Query.from_dict(json.loads(sys.argv[2]))
database.open(query, fresh=False) if database.copy(query) is None else None
print("open", flush=True)
sys.stdin.read()
database.close()
"""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_LOCK_WAIT", "10ms")


@contextmanager
def holder(url: str, query: dict[str, Any] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Another process that has a database open until its input ends."""
    asked = json.dumps(QUERY.to_dict() if query is None else query)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-c", _HOLDER, url, asked],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process


def opened(url: str) -> Database:
    made = make_database(url)
    assert isinstance(made, Database)
    return made


def test_another_exporter_in_this_process(database: str) -> None:
    """A second exporter is told that there is one, and its failing does not unlock the first one's."""
    first, second = opened(database), opened(database)
    first.open(QUERY, fresh=False)
    for _ in range(2):
        with pytest.raises(ExportError, match=r"another export \(.*\d+\) is writing to .*: wait for it"):
            second.open(QUERY, fresh=True)
    first.close()
    second.open(QUERY, fresh=False)
    second.close()


def test_another_exporter_in_another_process(database: str) -> None:
    """An exporter in another process is named by its number; when it has ended, or was killed, the next one goes."""
    mine = opened(database)
    with holder(database) as process:
        with pytest.raises(ExportError, match="another export") as caught:
            mine.open(QUERY, fresh=False)
        assert database.startswith("postgresql") or f"(process {process.pid})" in str(caught.value)
        process.communicate()
    mine.open(QUERY, fresh=False)
    mine.close()


def test_an_exporter_that_was_killed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed exporter holds nothing: the same command goes on at once."""
    monkeypatch.setattr(postgres, "_LOCK_WAIT", "5s")
    with holder(database) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        mine = opened(database)
        write_all(mine)
        mine.close()
    assert held(database) == truth()


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_no_lock_is_left_behind(scheme: str, tmp_path: Path) -> None:
    """After an export there is the database's file alone, a moment before there is the lock too."""
    database = opened(f"{scheme}:///{tmp_path / 'chats.db'}")
    write_all(database)
    assert ".chats.db.asyncchat-lock" in {path.name for path in tmp_path.iterdir()}
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["chats.db"]


def test_the_finished_export_is_readable_meanwhile(tmp_path: Path, postgres_url: str) -> None:
    """While a fresh export is written, others read the finished one: not in DuckDB, which locks others out."""
    for url in (f"sqlite:///{tmp_path / 'chats.db'}", postgres_url):
        database = opened(url)
        write_all(database, edition="old")
        database.open(QUERY, fresh=True)
        database.commit(["1"])
        database._session.begin()
        assert held(url) == truth("old")
        database.close()


# ---- the file


def test_a_lock_that_is_removed_while_another_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that its holder removed between our opening and locking it is no lock: a new one is made."""
    path = tmp_path / "lock"
    first, second, third = FileLock(path), FileLock(path), FileLock(path)
    first.acquire("x")
    flock, waiting = fcntl.flock, [True]

    def late(descriptor: int, operation: int) -> None:
        if waiting and waiting.pop():
            first.release()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    second.acquire("x")
    with pytest.raises(ExportError, match=f"process {os.getpid()}"):
        third.acquire("x")
    second.release()
    third.acquire("x")
    third.release()
    assert not path.exists()


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    """Where no file can be made, the message names it and says why."""
    lock = FileLock(tmp_path / "none" / "lock")
    with pytest.raises(ConfigurationError, match="No such file or directory"):
        lock.acquire("x")
    lock.release()
