"""The receiver of blocking code: the asynchronous one's twin, with threads, forks and an orderly end."""

from __future__ import annotations

import contextlib
import inspect
import os
import pickle
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from scripts import run
from test_webhook_events import body

from asyncchat import AsyncClient, ConfigurationError, WebhookError
from asyncchat import webhooks as asynchronous
from asyncchat.blocking import Receiver
from asyncchat.testing import MockTransport
from asyncchat.webhooks import Inbox, Incoming, KeywordNotificationEvent

SECRET = "s" * 30
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def post(receiver: Receiver, *parts: bytes, secret: str = SECRET, **headers: str) -> int:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return receiver.receive(Incoming(method="POST", headers=told, secrets=[secret]), parts).status


def test_it_is_a_twin(tmp_path: Path) -> None:
    """The same arguments, and the same way to register handlers."""
    wanted, found = (inspect.signature(kind.__init__) for kind in (asynchronous.Receiver, Receiver))
    assert list(found.parameters.values()) == list(wanted.parameters.values())
    receiver = Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET)
    assert inspect.signature(receiver.on) == inspect.signature(asynchronous.Receiver(receiver.inbox, secrets=SECRET).on)
    receiver.close()


@pytest.mark.parametrize(
    ("parts", "options", "status"),
    [
        ([body()], {}, 200),
        ([b"x" * 200_000, b"x" * 200_000], {}, 413),
        ([body()], {"secret": "wrong"}, 404),
        ([b"[]"], {}, 400),
        ([body()], {"content_length": "9999"}, 400),
        ([body()], {"content_encoding": "br"}, 415),
    ],
)
def test_answers(tmp_path: Path, parts: list[bytes], options: dict[str, str], status: int) -> None:
    """Those of the asynchronous one."""
    with Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET) as receiver:
        assert post(receiver, *parts, **options) == status


def test_from_many_threads(tmp_path: Path) -> None:
    """Threads share it; handlers run in threads of its own, inside what surrounds them."""
    told: SimpleQueue[tuple[int, bool, str]] = SimpleQueue()
    around = threading.local()

    @contextlib.contextmanager
    def surrounding() -> Any:
        around.value = "inside"
        yield
        around.value = "outside"

    with Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET) as receiver:
        receiver.surround(surrounding)

        @receiver.on(KeywordNotificationEvent)
        def handle(event: KeywordNotificationEvent) -> None:
            told.put((event.payload.id, threading.current_thread() is threading.main_thread(), around.value))

        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(lambda number: post(receiver, body(id=number)), range(200))) == {200}
        assert sorted(told.get(timeout=30) for _ in range(200)) == [(n, False, "inside") for n in range(200)]


def test_closing(tmp_path: Path) -> None:
    """A handler that is at work comes to its end; afterwards the receiver refuses."""
    begun, go_on = threading.Event(), threading.Event()
    receiver = Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET)

    @receiver.on(KeywordNotificationEvent)
    def handle(event: KeywordNotificationEvent) -> None:
        begun.set()
        go_on.wait()

    post(receiver, body())
    begun.wait()
    closing = threading.Thread(target=receiver.close)
    closing.start()
    go_on.set()
    closing.join()
    with Inbox(tmp_path / "in.db") as inbox:
        assert inbox.stats().states == {"done": 1}
    with pytest.raises(ConfigurationError, match="this receiver is closed"):
        post(receiver, body())
    receiver.close()


def test_from_its_own_loop(tmp_path: Path) -> None:
    """An asynchronous handler that calls it would wait for itself: it is told what to use."""
    told: SimpleQueue[str] = SimpleQueue()
    with Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET) as receiver:

        @receiver.on(KeywordNotificationEvent)
        async def handle(event: KeywordNotificationEvent) -> None:
            try:
                post(receiver, body(id=2))
            except ConfigurationError as exc:
                told.put(str(exc))

        post(receiver, body())
        assert "use asyncchat.webhooks.Receiver there" in told.get(timeout=30)


def test_its_secret_is_out_of_sight(tmp_path: Path) -> None:
    """Neither its attributes show it, nor a traceback with its locals; it cannot be pickled."""
    receiver = Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET)
    assert SECRET not in repr(vars(receiver)) + repr(vars(receiver._bridge)) + repr(receiver._bridge._make)
    with pytest.raises(TypeError):
        pickle.dumps(receiver)
    receiver.close()
    try:
        receiver.keep(body())
    except ConfigurationError as exc:
        shown = traceback.TracebackException.from_exception(exc, capture_locals=True)
    assert SECRET not in "".join(shown.format())


@needs_fork
def test_in_forked_children(tmp_path: Path) -> None:
    """Children of a process that has used it receive and hand over, each with a loop of its own."""
    code = """
import os, sys, time
from asyncchat.blocking import Receiver
from asyncchat.webhooks import Inbox, Incoming, KeywordNotificationEvent
sys.path.insert(0, sys.argv[2])
from test_webhook_events import body
receiver = Receiver(Inbox(sys.argv[1]), secrets="s" * 30)

@receiver.on(KeywordNotificationEvent)
def handle(event):
    with open("told", "ab", buffering=0) as file:
        file.write(b"%d\\n" % event.payload.id)

def post(number):
    return receiver.receive(Incoming(method="POST", headers={}, secrets=["s" * 30]), [body(id=number)]).status

assert post(0) == 200
children = []
for number in range(1, 4):
    pid = os.fork()
    if pid == 0:
        assert post(number) == 200
        receiver.close()
        os._exit(0)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
assert post(9) == 200
while sorted(open("told").read().split()) != ["0", "1", "2", "3", "9"]:
    time.sleep(0.01)
"""
    run(code, str(tmp_path / "in.db"), str(Path(__file__).parent), cwd=tmp_path)


def test_a_program_that_forgets_it(tmp_path: Path) -> None:
    """A site closes no receiver: its interpreter ends without a word."""
    code = """
import sys
from asyncchat.blocking import Receiver
from asyncchat.webhooks import Inbox, Incoming
receiver = Receiver(Inbox(sys.argv[1]), secrets="s" * 30)
print(receiver.receive(Incoming(method="POST", headers={}, secrets=["s" * 30]), [b'{"event": "x"}']).status)
"""
    done = run(code, str(tmp_path / "in.db"), PYTHONWARNINGS="default")
    assert (done.stdout, done.stderr) == ("200\n", "")


def test_an_inbox_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, and it goes on by itself when it is over."""

    def fails(self: Inbox, bodies: Any, now: float) -> None:
        raise WebhookError("it is full")

    with Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET) as receiver:
        with monkeypatch.context() as patch:
            patch.setattr(Inbox, "add", fails)
            assert post(receiver, body()) == 503
        assert post(receiver, body()) == 200


def test_it_reads_back_with_an_async_clients_options(tmp_path: Path) -> None:
    """Its arguments reach the asynchronous one: `verify` needs a client here too."""
    make: Callable[..., Receiver] = Receiver
    with Inbox(tmp_path / "in.db") as inbox, pytest.raises(ConfigurationError, match="give client"):
        make(inbox, secrets=SECRET, verify="refetch")
    with Inbox(tmp_path / "in.db") as inbox:
        chat = AsyncClient(transport=MockTransport([]))
        make(inbox, secrets=SECRET, verify="refetch", client=chat).close()
