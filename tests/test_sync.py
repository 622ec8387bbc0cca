"""The blocking client: the asynchronous one from plain code."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from waiting import until

from asyncchat import (
    AsyncClient,
    Client,
    ConfigurationError,
    Conversation,
    Message,
    Model,
    NotFoundError,
    RawRow,
    Request,
)
from asyncchat.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT = 30.0


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=300, messages_mean=3) as running:
        yield running


@pytest.fixture
def chat(box: Sandbox) -> Iterator[Client]:
    with Client(box.base_url, token=box.token) as client:
        yield client


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("asyncchat-loop")]


def test_get(chat: Client) -> None:
    """`get` gives the same records as the listings."""
    model = chat.models.list().page(1).data[0]
    conversation = chat.conversations.list(per_page=1).page(1).data[0]
    assert chat.models.get(model.id) == model
    assert chat.conversations.get(conversation.id) == conversation


def test_lists(chat: Client) -> None:
    """Each listing is iterated with `for`, over more than one page."""
    assert [type(row) for row in chat.models.list(per_page=2)] == [Model] * 5
    conversations = list(chat.conversations.list(per_page=40))
    assert len({row.id for row in conversations}) == 300
    assert isinstance(conversations[0], Conversation)
    busy = next(row for row in conversations if row.recent_messages)
    assert isinstance(next(iter(chat.messages.list(busy.id))), Message)


def test_filters(chat: Client) -> None:
    """Filters are passed on."""
    model = chat.models.list().page(1).data[0]
    rows = chat.conversations.list(model_id=model.id, since="2000-01-01", sort="updated_at").collect()
    assert {row.model_id for row in rows} == {model.id}


def test_pages(chat: Client) -> None:
    """`pages()`, `page(n)` and `count()` work as their twins."""
    pager = chat.conversations.list(per_page=100)
    assert [page.page for page in pager.pages()] == [1, 2, 3]
    assert (pager.page(3).page, pager.count()) == (3, 300)


def test_raw(chat: Client) -> None:
    """`raw()` gives rows as they were sent."""
    assert isinstance(chat.models.list().raw().collect()[0], RawRow)


def test_request(chat: Client) -> None:
    """The lower door."""
    assert chat.request(Request("GET", "/models")).status == 200


def test_errors_are_the_same(chat: Client) -> None:
    """An error is raised as itself."""
    with pytest.raises(NotFoundError):
        chat.models.get(2**62)


def test_a_view(box: Sandbox, chat: Client) -> None:
    """A view has other options, and closing it closes nothing."""
    with chat.with_options(per_page=7) as view:
        assert view.per_page == 7
        assert len(view.conversations.list().page(1).data) == 7
    assert chat.per_page == 100
    assert chat.models.list().count() == 5
    assert chat.with_options(per_page=7).with_options(timeout=5).per_page == 7


def test_a_wrong_option_is_refused_at_once(chat: Client) -> None:
    """A wrong argument is refused where it is given."""
    with pytest.raises(ConfigurationError, match="per_page"):
        chat.with_options(per_page=0)
    with pytest.raises(ConfigurationError, match="concurrency"):
        chat.models.list(concurrency=0)
    with pytest.raises(ConfigurationError, match="token"):
        Client("https://host.example", token="")


def test_making_one_starts_no_thread(box: Sandbox) -> None:
    """The thread starts with the first call, and ends with the client."""
    before = len(threads())
    client = Client(box.base_url, token=box.token)
    assert len(threads()) == before
    client.models.list().count()
    assert len(threads()) == before + 1
    client.close()
    client.close()
    assert len(threads()) == before


def test_a_client_that_was_not_used_needs_no_closing() -> None:
    """Dropping an unused client is no leak; closing it is fine."""
    Client("https://host.example", token="t").close()
    del_me = Client("https://host.example", token="t")
    del del_me
    gc.collect()


def test_breaking_out_leaves_nothing(box: Sandbox, chat: Client) -> None:
    """A break sends nothing more."""
    for _row in chat.conversations.list(per_page=3):
        break
    gc.collect()
    assert chat.models.list().count() == 5  # what was written before the break has come by then
    until(lambda: box.stats()["in_flight"] == 0)
    asked = box.stats()["requests"]
    assert chat.models.list().count() == 5
    assert box.stats()["requests"] == int(str(asked)) + 1


def test_an_exception_in_the_body(box: Sandbox, chat: Client) -> None:
    """An exception of the consumer's own comes out as itself, and the client stays usable."""
    with pytest.raises(ZeroDivisionError):
        [row.id / 0 for row in chat.conversations.list(per_page=3)]
    assert chat.models.list().count() == 5


def test_closing_a_pager(chat: Client) -> None:
    """Leaving `with pager` ends its iterations."""
    with chat.conversations.list(per_page=3) as pager:
        rows = iter(pager)
        next(rows)
    with pytest.raises(Exception, match="the listing was closed"):
        list(rows)


def test_a_closed_client_refuses(box: Sandbox) -> None:
    """After `with`, a call is a ConfigurationError."""
    with Client(box.base_url, token=box.token) as client:
        client.models.list().count()
    with pytest.raises(ConfigurationError, match="closed"):
        client.models.list().count()


def test_closing_while_it_is_read(box: Sandbox) -> None:
    """A client closed in the middle of a loop ends the loop with an error, not for ever."""
    client = Client(box.base_url, token=box.token)
    rows = iter(client.conversations.list(per_page=3))
    next(rows)
    client.close()
    with pytest.raises(ConfigurationError, match="closed"):
        list(rows)


THREADS = 64


def test_many_threads(box: Sandbox, chat: Client) -> None:
    """One client serves 64 threads at once, each with iterations and calls of its own, within its own limits."""

    def read(number: int) -> tuple[int, int, int]:
        rows = sum(1 for _ in chat.conversations.list(per_page=50 + number))
        return rows, chat.models.list().count(), chat.models.get(models[number % 5].id).id

    models = chat.models.list().collect()
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(read, range(THREADS)))
    assert found == [(300, 5, models[number % 5].id) for number in range(THREADS)]
    assert max(entry.in_flight for entry in box.requests()) <= 32


def test_many_threads_start_one_loop(box: Sandbox) -> None:
    """64 threads whose first calls come together share one loop."""
    before = len(threads())
    start = threading.Barrier(THREADS)

    def first(_: int) -> int:
        start.wait(WAIT)
        return client.models.list().count()

    with Client(box.base_url, token=box.token) as client, ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(first, range(THREADS))) == [5] * THREADS
        assert len(threads()) == before + 1


@pytest.mark.asyncio
async def test_inside_a_running_loop(chat: Client) -> None:
    """It works where a loop runs already, as in a notebook."""
    assert len(list(chat.models.list())) == 5


def test_on_its_own_loop_it_raises(box: Sandbox) -> None:
    """A call from the client's own loop would wait for itself for ever: it raises instead, and so does closing."""
    caught: list[str] = []

    def hook(_: Any) -> None:
        for call in (client.models.list().count, client.close):
            try:
                call()
            except ConfigurationError as error:
                caught.append(str(error))

    with Client(box.base_url, token=box.token, hooks=[hook]) as client:
        assert client.models.list().count() == 5
    assert len(caught) == 4
    assert all("use asyncchat.AsyncClient there" in text for text in caught)


def test_a_forgotten_client_warns(box: Sandbox) -> None:
    """A client that is dropped in use gives a ResourceWarning, and its thread ends."""
    before = len(threads())
    clients = [Client(box.base_url, token=box.token)]
    clients[0].models.list().count()
    with pytest.warns(ResourceWarning, match="use `with Client"):
        clients.clear()
    until(lambda: len(threads()) == before)


@pytest.mark.asyncio
async def test_it_sees_what_the_asynchronous_client_sees(box: Sandbox, chat: Client) -> None:
    """Both clients give equal rows."""
    async with AsyncClient(box.base_url, token=box.token) as other:
        assert await other.models.list().collect() == chat.models.list().collect()
