"""How iterations and clients of blocking code end: early, by an error, forgotten, at exit."""

from __future__ import annotations

import contextvars
import gc
import itertools
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from scripts import WAIT, environment

from asyncchat import AuthenticationError, Client, ConfigurationError, DecodeError, Response
from asyncchat._sync import flow
from asyncchat.blocking import export
from asyncchat.sandbox import Fault, Sandbox
from asyncchat.testing import MockTransport, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncchat import Conversation, Event, Pager, Request

PAGES = 600
CONCURRENCY = 2
AT_MOST = flow.LEAST + flow.BATCHES * flow.LEAST + 2 * CONCURRENCY + 1
"""Pages that are asked for when a consumer has begun: those that it took, that wait for it, and that are fetched."""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=PAGES, messages_mean=1) as running:
        yield running


@pytest.fixture
def chat(box: Sandbox) -> Iterator[Client]:
    with Client(box.base_url, token=box.token) as client:
        yield client


def breaks(listing: Pager[Conversation]) -> None:
    for _ in listing:
        break


def breaks_out_of_pages(listing: Pager[Conversation]) -> None:
    for _ in listing.pages():
        break


def fails(listing: Pager[Conversation]) -> None:
    with pytest.raises(ZeroDivisionError):
        [row.id / 0 for row in listing]


def slices(listing: Pager[Conversation]) -> None:
    assert len(list(itertools.islice(listing, 3))) == 3


def forgets(listing: Pager[Conversation]) -> None:
    rows = iter(listing)
    next(rows)
    del rows


def forgets_in_a_cycle(listing: Pager[Conversation]) -> None:
    rows = iter(listing)
    next(rows)
    cycle: list[Any] = [rows]
    cycle.append(cycle)
    del rows, cycle
    gc.collect()


def closes(listing: Pager[Conversation]) -> None:
    with listing:
        rows = iter(listing)
        next(rows)


def asked(box: Sandbox) -> int:
    """Requests for the listing that the server has got."""
    return sum(entry.path.endswith("/conversations") for entry in box.requests())


@pytest.mark.parametrize(
    "ends",
    [breaks, breaks_out_of_pages, fails, slices, forgets, forgets_in_a_cycle, closes],
    ids=lambda item: item.__name__,
)
def test_an_early_end_sends_nothing_more(
    ends: Callable[[Pager[Conversation]], None], box: Sandbox, chat: Client
) -> None:
    """However an iteration ends before its time, the server gets few of its pages, and none later."""
    before = asked(box)
    ends(chat.conversations.list(per_page=1, concurrency=CONCURRENCY))
    for _ in range(5):  # what was in a socket when it ended has been read by the server before these
        chat.models.list().count()
    during = asked(box) - before
    for _ in range(20):
        chat.models.list().count()
    assert asked(box) - before == during
    assert 1 <= during <= AT_MOST


def test_garbage_in_the_clients_own_thread(box: Sandbox) -> None:
    """A half-used iteration that the collector finds in the client's thread ends there, and waits for nothing."""
    garbage: list[Any] = []

    def collect(_: Event) -> None:
        if garbage:
            garbage.clear()
            gc.collect()

    with Client(box.base_url, token=box.token, hooks=[collect]) as client:
        rows = iter(client.conversations.list(per_page=1, concurrency=CONCURRENCY))
        next(rows)
        garbage.append(rows)
        del rows
        assert client.models.list().count() == 5
        assert not garbage


def counting() -> tuple[Client, list[str]]:
    """A client of a listing with many pages that are there at once, and what it asked for."""
    sent: list[str] = []
    row = {"id": 1, "name": "m", "created_at": "2025-05-05T05:05:05+0700"}

    def answer(request: Request) -> Response:
        page = dict(request.params or {}).get("page")
        if page is None:
            return json_response(row)
        sent.append(str(page))
        counts = {"rows_per_page": 1, "total_pages": PAGES, "total_rows": PAGES}
        return json_response({"data": [row | {"id": int(str(page))}], "page": int(str(page)), **counts})

    return Client(transport=MockTransport(answer)), sent


def test_a_slow_consumer_is_not_run_over() -> None:
    """While the consumer does something else, few pages are fetched ahead; all come when it goes on."""
    chat, sent = counting()
    with chat:
        rows = iter(chat.models.list(concurrency=CONCURRENCY))
        first = [next(rows).id for _ in range(3)]
        for _ in range(PAGES):  # each lets the loop turn, in which a page could have been fetched
            chat.models.get(1)
        assert len(sent) <= AT_MOST
        assert first + [row.id for row in rows] == list(range(1, PAGES + 1))
    assert len(sent) == PAGES


def test_pages_cross_together() -> None:
    """All pages come in order, whatever the sizes in which they cross."""
    chat, _ = counting()
    with chat:
        assert [page.page for page in chat.models.list().pages()] == list(range(1, PAGES + 1))


def test_one_daemon_thread_for_each_client() -> None:
    """It starts with the first call, says what it is, and keeps no interpreter from ending."""
    before = set(threading.enumerate())
    first, second = counting()[0], counting()[0]
    with first, second:
        assert set(threading.enumerate()) == before
        for _ in range(2):
            first.models.get(1)
            second.with_options(timeout=5).models.get(1)
        started = set(threading.enumerate()) - before
        assert [(thread.name, thread.daemon) for thread in started] == [("asyncchat-loop", True)] * 2
    assert set(threading.enumerate()) == before


def test_a_callers_context_is_seen_in_hooks() -> None:
    """Context variables, as those of tracing, reach the loop."""
    variable = contextvars.ContextVar("variable", default="none")
    seen: set[str] = set()
    chat, _ = counting()
    with chat:
        view = chat.with_options(hooks=[lambda _: seen.add(variable.get())])
        variable.set("caller")
        assert len(list(view.models.list())) == PAGES
        view.models.get(1)
    assert seen == {"caller"}


EXIT = """
import os, sys, threading
from asyncchat import Client

asked = threading.Semaphore(0)
chat = Client(hooks=[lambda event: asked.release()])
{begin}
asked.acquire()
print("done", flush=True)
"""
BEGIN = {
    "call": "threading.Thread(target=lambda: chat.models.get(1), daemon=True).start()",
    "iteration": "threading.Thread(target=lambda: list(chat.models.list()), daemon=True).start()",
    "many": "[threading.Thread(target=lambda: Client().models.get(1), daemon=True).start() for _ in range(5)]\n"
    "threading.Thread(target=lambda: chat.models.get(1), daemon=True).start()",
}


@pytest.mark.parametrize("begin", BEGIN)
def test_an_interpreter_ends_with_a_request_under_way(
    begin: str, record_property: Callable[[str, object], None]
) -> None:
    """It does not wait for the answer, and shows no traceback; what was forgotten is told by a warning."""
    with Sandbox(conversations=5, latency=2 * WAIT) as slow:
        process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-W", "always::ResourceWarning", "-c", EXIT.format(begin=BEGIN[begin])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(slow, PYTHONWARNINGS=""),
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        began = time.monotonic()
        _, told = process.communicate(timeout=WAIT)
        took = time.monotonic() - began
    record_property("seconds to exit", took)
    print(f"{begin}: exit {took:.3f} s after the last line")  # noqa: T201 - shown by -rP
    assert process.returncode == 0
    assert "Traceback" not in told
    assert "an asyncchat client was never closed" in told


def test_an_iteration_that_is_forgotten_at_exit() -> None:
    """A half-used iteration in a global keeps no interpreter from ending, and shows no traceback."""
    code = "from asyncchat import Client\nchat = Client()\nrows = iter(chat.conversations.list(per_page=1))\nnext(rows)"
    with Sandbox(conversations=50) as box:
        done = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-c", code], env=environment(box), capture_output=True, text=True, timeout=WAIT, check=True
        )
    assert done.stderr == ""


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


FAILING: dict[str, Callable[[Client, Path], object]] = {
    "chat.models.get(": lambda chat, _: chat.models.get(7),
    "chat.models.list(": lambda chat, _: list(chat.models.list()),
    "chat.conversations.list(": lambda chat, _: chat.conversations.list(per_page=1).collect(),
    "export(chat": lambda chat, folder: export(chat, folder / "out"),
}
STRUCK = {
    "chat.models.get(": Fault("status", status=401, path="/models/{model_id}"),
    "chat.models.list(": Fault("status", status=401, path="/models"),
    "chat.conversations.list(": Fault("status", status=401, path="/conversations", page=5),
    "export(chat": Fault("status", status=401, path="/conversations/{conversation_id}/messages"),
}


@pytest.mark.parametrize("call", FAILING)
def test_tracebacks(call: str, tmp_path: Path) -> None:
    """The user's line and the client's method are shown, and no group of exceptions."""
    with Sandbox(conversations=50, faults=[STRUCK[call]]) as box, Client(box.base_url, token=box.token) as chat:
        with pytest.raises(AuthenticationError) as caught:
            FAILING[call](chat, tmp_path)
        text = "".join(traceback.format_exception(caught.value))
    assert f'{Path(__file__).name}"' in text
    assert call in text
    assert "asyncchat/_sync/" in text
    assert "Group" not in text
    assert not any(isinstance(error, BaseExceptionGroup) for error in chain(caught.value))


def test_an_error_is_not_kept_alive() -> None:
    """An error that crosses is gone with its handler: neither side's frames hold it, nor it them."""
    same = {"data": [{"id": 1, "name": "m", "created_at": "2025-05-05T05:05:05+0700"}], "page": 1}
    counts = {"rows_per_page": 1, "total_pages": 3, "total_rows": 3}
    with Client(transport=MockTransport(lambda _: json_response(same | counts))) as chat:
        for call in (
            lambda: chat.models.get(-1),
            lambda: list(chat.models.list()),
            lambda: chat.models.list().collect(),
        ):
            gc.collect()
            gc.disable()
            try:
                before = errors()  # of other tests, whose reports hold them
                attempt(call)
                assert errors() <= before
            finally:
                gc.enable()


def errors() -> set[int]:
    """The errors that are alive, by their identity."""
    kinds = (ConfigurationError, DecodeError)  # by the type: objects of others may say anything of their class
    return {id(item) for item in gc.get_objects() if issubclass(type(item), kinds)}


def attempt(call: Callable[[], object]) -> None:
    """Make a call that fails; pytest's own way keeps the error."""
    try:
        call()
    except (ConfigurationError, DecodeError):
        return
    raise AssertionError("it did not fail")
