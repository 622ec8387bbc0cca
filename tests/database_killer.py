"""Kills exports into a database at chosen moments: a process that forks one child for each.

Its arguments are a database's URL and a plan as JSON; the answer is one JSON line. It has no threads of its own and has
everything imported already, so a child costs milliseconds.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
from database_rows import QUERY, connection, held, select, truth, write_all

from asyncchat.export.destinations.database import Database
from asyncchat.export.destinations.tables import NAMES
from asyncchat.export.destinations.urls import make_database

_STEPS: Final = ("execute", "load")


@attrs.frozen(kw_only=True)
class Kill:
    """When a child dies.

    Attributes:
        step: At which call of the database, counted from 0; None: at a moment.
        after: Whether after that call instead of before it.
        seconds: The moment, when there is no step.
    """

    step: int | None = None
    after: bool = False
    seconds: float = 0.0


def opened(url: str) -> Database:
    made = make_database(url)
    assert isinstance(made, Database)
    return made


def arm(database: Database, kill: Kill) -> Callable[[], int]:
    """Let this process die as told; returns what counts the calls of the database so far."""
    calls = 0
    if kill.step is None and kill.seconds:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends a process as hard as SIGKILL, and can be set on a timer
        signal.setitimer(signal.ITIMER_REAL, kill.seconds)

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal calls
            number, calls = calls, calls + 1
            if number == kill.step and not kill.after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args)
            if number == kill.step:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for name in _STEPS:
        setattr(database._store, name, watched(getattr(database._store, name)))
    return lambda: calls


def break_commits() -> None:
    """Commit marks before the rows that they stand for, as no destination may."""
    commit = Database.commit

    def early(self: Database, marks: Sequence[str]) -> None:
        kept, self._session._pending = self._session._pending, {}
        commit(self, marks)
        self._session._pending = kept
        commit(self, [])

    setattr(Database, "commit", early)  # noqa: B010 - mypy refuses the plain form


def in_child(work: Callable[[], int]) -> int:
    """Run something in a fork; returns what it returned, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 250
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def export(url: str, kill: Kill, *, edition: str, fresh: bool) -> int:
    """Export in a child that dies as told; returns 0 if it came to its end first."""

    def work() -> int:
        database = opened(url)
        arm(database, kill)
        write_all(database, edition=edition, fresh=fresh)
        return 0

    return in_child(work)


def count_steps(url: str, *, fresh: bool) -> int:
    """How many calls of the database an export makes that nobody kills."""
    database = opened(url)
    counted = arm(database, Kill())
    write_all(database, edition="old", fresh=fresh)
    database.close()
    return counted()


def clear(url: str) -> None:
    """Drop everything."""
    with contextlib.closing(connection(url)) as server:
        for name in ["messages_fts", *NAMES]:
            server.execute(f"DROP TABLE IF EXISTS {name}")


def is_whole(url: str, edition: str) -> bool:
    """Whether a database holds exactly the rows of an edition, and no marks."""
    return held(url) == truth(edition) and select(url, "SELECT count(*) FROM asyncchat_marks") == [(0,)]


def trial(url: str, kill: Kill, *, fresh: bool) -> str:
    """Kill an export and run the same command again until it is done; returns what was wrong, "" for nothing."""
    edition = "new" if fresh else "old"
    code = export(url, kill, edition=edition, fresh=fresh)
    if code not in {0, -signal.SIGKILL, -signal.SIGALRM}:
        return f"{kill}: ended with {code}"
    if fresh and not (is_visible(url, "old") or is_whole(url, "new")):
        return f"{kill}: between the old and the new export"
    code = in_child(lambda: finished(url, edition))
    if code:
        return f"{kill}: the second run ended with {code}"
    if fresh and code == 0 and held(url) == truth("old"):  # it was killed before the fresh one had begun
        code = export(url, Kill(), edition=edition, fresh=True)
    return "" if is_whole(url, edition) else f"{kill}: rows differ"


def is_visible(url: str, edition: str) -> bool:
    return held(url) == truth(edition)


def finished(url: str, edition: str) -> int:
    database = opened(url)
    write_all(database, edition=edition)
    again = database.open(QUERY, fresh=False)
    database.close()
    return 0 if again.report is not None else 1


def run(url: str, kills: list[Kill], *, fresh: bool) -> list[str]:
    """Try every kill on an empty database, or on one that holds a finished export; returns what was wrong."""
    wrong = []
    for kill in kills:
        clear(url)
        if fresh:
            write_all(database := opened(url), edition="old")
            database.close()
        wrong.append(trial(url, kill, fresh=fresh))
    return [text for text in wrong if text]


def answer(url: str, task: dict[str, Any]) -> Any:
    """What a plan asks for."""
    fresh = task["fresh"]
    if task["is_broken"]:
        break_commits()
    if task["count"]:
        count_steps(url, fresh=False)
        count_steps(url, fresh=True)  # the first one of each loads code: its time tells nothing
        if not fresh:
            clear(url)
        began = time.perf_counter()
        return count_steps(url, fresh=fresh), time.perf_counter() - began
    return run(url, [Kill(**kill) for kill in task["kills"]], fresh=fresh)


def ask(url: str, task: dict[str, Any]) -> Any:
    """Have a plan carried out in a process of its own."""
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, __file__, url],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def steps(url: str, *, fresh: bool) -> tuple[int, float]:
    """Calls and seconds of an export that nobody kills."""
    count, seconds = ask(url, {"count": True, "fresh": fresh, "is_broken": False})
    return int(count), float(seconds)


def failures(url: str, kills: list[Kill], *, fresh: bool, is_broken: bool = False) -> list[str]:
    """What is wrong after exports were killed and run again."""
    task = {"count": False, "fresh": fresh, "is_broken": is_broken, "kills": [attrs.asdict(kill) for kill in kills]}
    wrong: list[str] = ask(url, task)
    return wrong


if __name__ == "__main__":
    for driver in {"duckdb": ["duckdb", "pyarrow"], "postgresql": ["psycopg"]}.get(sys.argv[1].split(":")[0], []):
        importlib.import_module(driver)  # here, so that not every child has to
    print(json.dumps(answer(sys.argv[1], json.load(sys.stdin))))  # noqa: T201 - the answer
