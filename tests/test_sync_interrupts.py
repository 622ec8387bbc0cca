"""Ctrl-C in every kind of blocking call: a real SIGINT, sent when the server has the request."""

from __future__ import annotations

import re
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scripts import environment, run

from asyncchat import Client
from asyncchat.sandbox import Sandbox
from asyncchat.testing import MockTransport, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND = 5.0
"""Seconds in which the call must be over: generous, for machines under load. The time that it took is reported."""

PREPARE = """
import json, os, re, signal, sys, threading, time
from queue import SimpleQueue
from asyncchat import Client, Request
from asyncchat.blocking import export, export_batches, probe_server
from threadserver import talking

ROW = {"id": 1, "name": "m", "created_at": "2025-05-05T05:05:05+0700"}
hanging, sent, gone = [], [], threading.Semaphore(0)

def answer(target):
    counts = {"rows_per_page": 1, "total_pages": 9, "total_rows": 9}
    page = re.search(r"[?&]page=(\\d+)", target)
    if page is None:
        return ROW
    return {"data": [ROW | {"id": int(page[1])}], "page": int(page[1]), **counts}

def talk(peer):
    while True:
        target = peer.head().split(b" ")[1].decode()
        if hanging and re.search(hanging[0], target):
            if not sent:
                sent.append(time.monotonic())
                os.kill(os.getpid(), signal.SIGINT)
            assert peer.sock.recv(1) == b""  # the client has hung up
            gone.release()
            return
        body = json.dumps(answer(target)).encode()
        head = f"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
        peer.send(head.encode() + body)
"""

CALLS = {
    "get": "chat.models.get(1)",
    "page": "chat.models.list().page(3)",
    "count": "chat.models.list().count()",
    "collect": "chat.models.list().collect()",
    "request": "chat.request(Request('GET', '/models'))",
    "rows": "list(chat.models.list())",
    "pages": "list(chat.models.list().pages())",
    "raw": "list(chat.models.list().raw())",
    "view": "list(chat.with_options(timeout=None).models.list())",
    "export": "export(chat, sys.argv[1])",
    "export_batches": "list(export_batches(chat))",
    "probe_server": "probe_server(chat)",
}
HANGING = dict.fromkeys(("collect", "rows", "pages", "raw", "view"), "page=[2-9]")
"""Requests that get no answer: of a listing, those after the first."""

CALL = """
with talking(talk) as server, Client(server.base_url, token="t0ken", deadline=None, timeout=None) as chat:
    assert chat.models.get(1).id == 1
    hanging.append({hanging!r})
    try:
        {call}
    except KeyboardInterrupt:
        print(f"interrupted after {{time.monotonic() - sent[0]:.6f}} s")
    gone.acquire()
    hanging.clear()
    print(chat.models.get(1).id, len(list(chat.models.list())))
    (loop,) = [thread for thread in threading.enumerate() if thread.name.startswith("asyncchat-loop")]
assert not loop.is_alive()
"""


def seconds_in(told: str) -> float:
    """How long an interrupt took, as a program told."""
    (found,) = re.findall(r"interrupted after ([0-9.]+) s", told)
    return float(found)


@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_ends_the_call(name: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """KeyboardInterrupt comes out at once, the server sees the request hung up, and the client goes on."""
    code = PREPARE + CALL.format(call=CALLS[name], hanging=HANGING.get(name, "."))
    done = run(code, str(tmp_path / "out"), PYTHONPATH=with_tests())
    first, second = done.stdout.splitlines()
    assert second == "1 9"
    assert done.stderr == ""
    took = seconds_in(first)
    record_property("seconds to KeyboardInterrupt", took)
    print(f"{name}: KeyboardInterrupt {took * 1e3:.1f} ms after SIGINT")  # noqa: T201 - shown by -rP
    assert took < BOUND


def with_tests() -> str:
    return f"{environment()['PYTHONPATH']}:{Path(__file__).parent}"


CLOSE = """
released = SimpleQueue()

def hook(event):
    if hanging and not sent:
        while not chat._bridge._closed:
            os.sched_yield()
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
        released.get()

with talking(talk) as server:
    chat = Client(server.base_url, token="t0ken", hooks=[hook])
    chat.models.get(1)
    hanging.append("nothing hangs, but the loop")
    busy = threading.Thread(target=lambda: chat.models.get(1))
    threading.excepthook = lambda told: print(told.exc_type.__name__)
    try:
        busy.start()
        chat.close()
        raise AssertionError("closed")
    except KeyboardInterrupt:
        print(f"interrupted after {time.monotonic() - sent[0]:.6f} s")
    released.put(None)
    chat.close()
    busy.join()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("asyncchat-loop")]
"""


def test_an_interrupt_ends_closing() -> None:
    """KeyboardInterrupt comes out of `close` while the loop is busy, and `close` can be called again."""
    done = run(PREPARE + CLOSE, PYTHONPATH=with_tests())
    assert seconds_in(done.stdout) < BOUND
    assert done.stderr == ""


ANYWHERE = """
import random, signal, sys, threading
from asyncchat import Client

moment = random.Random(7)
interrupted, armed = 0, False
chat = Client()

def interrupt(*_):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)

def fresh():
    with Client() as other:
        other.models.list().count()

calls = {
    "count": lambda: chat.models.list().count(),
    "rows": lambda: list(chat.conversations.list(per_page=7)),
    "fresh": fresh,
}
call, times, most = calls[sys.argv[1]], int(sys.argv[2]), float(sys.argv[3])
chat.models.list().count()
for _ in range(times):
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, moment.uniform(1e-6, most))
        call()
        armed = False
    except KeyboardInterrupt:
        interrupted += 1
    assert chat.models.list().count() == 5
signal.setitimer(signal.ITIMER_REAL, 0)
chat.close()
print("interrupted" if interrupted > times / 10 else interrupted)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no setitimer here")
@pytest.mark.parametrize(("name", "most"), [("count", 0.002), ("rows", 0.02), ("fresh", 0.006)])
def test_an_interrupt_anywhere(name: str, most: float) -> None:
    """Wherever an interrupt hits, nothing hangs and the client goes on."""
    with Sandbox(conversations=60, messages_mean=3) as box:
        done = run(ANYWHERE, name, "200", str(most), box=box)
    assert done.stdout == "interrupted\n"


def test_an_interrupt_while_the_thread_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that had begun ends, and the next call starts another."""
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def interrupted(self: threading.Thread) -> None:
        start(self)
        started.append(self)
        raise KeyboardInterrupt

    answer = json_response({"id": 1, "name": "m", "created_at": "2025-05-05T05:05:05+0700"})
    with Client(transport=MockTransport(lambda _: answer)) as chat:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", interrupted)
            with pytest.raises(KeyboardInterrupt):
                chat.models.get(1)
        started[0].join(30)
        assert not started[0].is_alive()
        assert chat.models.get(1).id == 1
