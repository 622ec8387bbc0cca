"""The blocking client in several processes: forks, multiprocessing, a server that forks its workers."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest
from scripts import WAIT, environment, run

from asyncchat import Client
from asyncchat.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=60, messages_mean=3) as running:
        yield running


FORK = """
import os, sys
from asyncchat import Client, ConfigurationError

def child(function):
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
            os._exit(9)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

with Client() as client:
    view, pager = client.with_options(per_page=2), client.conversations.list(per_page=7)
    rows, pages = iter(pager), pager.pages()
    next(rows), next(pages)

    def reads():
        assert client.models.list().count() == len(list(view.models.list())) == 5
        assert len(list(pager)) == pager.count() == 60

    def goes_on():
        for iteration in (rows, pages):
            try:
                list(iteration)
            except ConfigurationError as error:
                assert "before the process was forked" in str(error)
            else:
                raise AssertionError("the child went on with its parent's iteration")

    def closes():
        pager.close()
        client.close()

    def forks_again():
        reads()
        child(reads)
        reads()

    def uses_nothing():
        pass

    for function in (reads, goes_on, closes, forks_again, uses_nothing):
        child(function)
        print(function.__name__, client.models.list().count())
    print(len(list(rows)), len(list(pages)))
"""


@needs_fork
def test_a_forked_child_has_a_loop_of_its_own(box: Sandbox) -> None:
    """What was made before a fork works in the child, its children, and on in the parent; iterations do not cross."""
    assert run(FORK, box=box).stdout.splitlines() == [
        *(f"{name} 5" for name in ("reads", "goes_on", "closes", "forks_again", "uses_nothing")),
        "59 8",
    ]


EXIT = """
import os, sys, threading
from asyncchat import Client

answered = []
slow = threading.Thread(target=lambda: answered.append(client.models.list().count()))
with Client(hooks=[lambda _: os.write(sending, b"1")]) as client:
    heard, sending = os.pipe()
    slow.start()
    os.read(heard, 1)
    if os.fork() == 0:
        client.conversations.list().count()
        sys.exit(3)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 3
    slow.join()
    print(*answered)
"""


@needs_fork
def test_a_child_that_ends_takes_nothing_from_its_parent() -> None:
    """A call that was under way at the fork is answered in the parent, after the child's interpreter has ended."""
    with Sandbox(conversations=5, latency=0.5) as slow:
        assert run(EXIT, box=slow).stdout == "5\n"


FORK_WHILE_BUSY = """
import os, threading
from asyncchat import Client

with Client() as client:
    stop = threading.Event()

    def read():
        while not stop.is_set():
            client.models.list().collect()

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        pid = os.fork()
        if pid == 0:
            os._exit(client.models.list().count())
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    stop.set()
    for thread in threads:
        thread.join()
print("done")
"""


@needs_fork
def test_forks_while_other_threads_read(box: Sandbox) -> None:
    """A fork in the middle of other threads' calls leaves the child no lock that is held for ever."""
    assert run(FORK_WHILE_BUSY, box=box).stdout == "done\n"


POOL = """
import multiprocessing, os
from asyncchat import Client

client = Client()

def messages(number):
    return os.getpid(), client.messages.list(number).collect()

if __name__ == "__main__":
    import sys
    client.models.list().count()
    numbers = [row.id for row in client.conversations.list()][:6]
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        found = pool.map(messages, numbers, chunksize=1)
        pool.close()
        pool.join()
    assert os.getpid() not in {pid for pid, _ in found}
    assert [rows for _, rows in found] == [messages(number)[1] for number in numbers]
    client.close()
    print("equal")
"""


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])
def test_multiprocessing(way: str, box: Sandbox, tmp_path: Path) -> None:
    """Workers of a pool use the module's client, and rows come back as they are."""
    if sys.platform == "win32" and way != "spawn":
        pytest.skip("there is no fork here")
    (tmp_path / "pool.py").write_text(POOL)
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "pool.py", way],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
        env=environment(box),
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr) == ("equal\n", "")


def test_a_client_is_not_sent_to_another_process() -> None:
    """Pickling a client, a resource or a listing says what to do instead."""
    client = Client("https://host.example", token="t0ken")
    for item in (client, client.models, client.models.list()):
        with pytest.raises(TypeError, match="make a client in each process"):
            pickle.dumps(item)


APP = """
import json, os
from asyncchat import Client

client = Client()
client.models.list().count()  # in the master, before it forks

def app(environ, start_response):
    body = json.dumps({"pid": os.getpid(), "rows": len(list(client.conversations.list(per_page=7)))}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""


@needs_fork
@pytest.mark.parametrize("kind", ["sync", "gthread"])
def test_gunicorn(kind: str, box: Sandbox, tmp_path: Path) -> None:
    """Workers that are forked from a master which has used the client: each answers, and all end in order."""
    (tmp_path / "views.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = [f"--bind=fd://{listener.fileno()}", "--worker-tmp-dir=.", f"--worker-class={kind}"]
        process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-m", "gunicorn", "--preload", "--workers=2", *where, "views:app"],
            pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(box),
            cwd=tmp_path,
        )
        try:
            answers = [ask(listener.getsockname()[1]) for _ in range(20)]
        finally:
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=WAIT)
    assert process.returncode == 0, told
    assert {answer["rows"] for answer in answers} == {60}
    assert process.pid not in {answer["pid"] for answer in answers}
    assert "Traceback" not in told


def ask(port: int) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=WAIT) as answer:
        found: dict[str, int] = json.loads(answer.read())
    return found
