"""Listings over real sockets: what the server sees."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from answers import no_tasks_left
from contract_shapes import settled

from asyncchat import AsyncClient, Conversation, Event, RequestEvent
from asyncchat._codec import dump
from asyncchat.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.asyncio


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """400 conversations; an answer takes long enough for requests to meet."""
    with Sandbox(conversations=400, messages_mean=2, latency=0.02) as running:
        yield running


def client_of(box: Sandbox, **options: Any) -> AsyncClient:
    return AsyncClient(box.base_url, token=box.token, **options)


async def divide_each(chat: AsyncClient) -> None:
    async for row in chat.conversations.list(per_page=2):
        assert row.id / 0


@pytest.mark.heavy
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("concurrency", [1, 5, 16])
async def test_200_pages_keep_the_asked_number_in_flight(box: Sandbox, concurrency: int, ordered: bool) -> None:
    """A walk over 200 pages has `concurrency` requests in flight at the server, never more, and asks 200 times."""
    async with client_of(box) as chat:
        rows = await chat.conversations.list(per_page=2, concurrency=concurrency, ordered=ordered).collect()
    stats = box.stats()
    assert (len({row.id for row in rows}), stats["requests"]) == (400, 200)
    assert stats["peak_in_flight"] == concurrency


async def test_the_client_bounds_all_its_listings(box: Sandbox) -> None:
    """Listings side by side share the client's `max_concurrency`."""
    async with client_of(box, max_concurrency=6) as chat:
        pagers = [chat.conversations.list(per_page=20, concurrency=8) for _ in range(4)]
        await asyncio.gather(*(pager.collect() for pager in pagers))
    assert box.stats()["peak_in_flight"] == 6


async def test_breaking_out_leaves_nothing(box: Sandbox) -> None:
    """A break at the first row ends everything: nothing more is sent, and no task or connection is left."""
    sent: list[Event] = []
    async with client_of(box, hooks=[sent.append]) as chat:
        async for row in chat.conversations.list(per_page=2):
            assert isinstance(row, Conversation)
            break
        await no_tasks_left()
        asked = count_requests(sent)
        await chat.models.list()
        assert count_requests(sent) == asked + 1
    await settled(box, "connections_open", 0)
    assert asked <= 9


def count_requests(events: list[Event]) -> int:
    return sum(isinstance(event, RequestEvent) for event in events)


async def test_an_exception_in_the_body_leaves_nothing(box: Sandbox) -> None:
    """An exception of the consumer's own comes out as itself, and leaves no task and no request."""
    async with client_of(box) as chat:
        with pytest.raises(ZeroDivisionError):
            await divide_each(chat)
        await no_tasks_left()
        await settled(box, "in_flight", 0)
    await settled(box, "connections_open", 0)


async def test_closing_the_client_ends_a_listing(box: Sandbox) -> None:
    """A listing under way ends when its client is closed, and leaves no task and no connection."""
    chat = client_of(box)
    rows = chat.conversations.list(per_page=2).__aiter__()
    await anext(rows)
    await chat.aclose()
    with pytest.raises(Exception, match=r"closed|lost"):
        [row async for row in rows]
    await no_tasks_left()
    await settled(box, "connections_open", 0)


@pytest.mark.parametrize("rows_before", [0, 1, 7, 60])
async def test_cancelling_a_walk(box: Sandbox, rows_before: int) -> None:
    """A walk cancelled anywhere leaves no task, and the next call works."""
    seen: list[int] = []
    reached = asyncio.Event()

    async def read() -> None:
        async for row in chat.conversations.list(per_page=2):
            seen.append(row.id)
            if len(seen) >= rows_before:
                reached.set()

    async with client_of(box) as chat:
        walk = asyncio.create_task(read())
        if rows_before:
            await reached.wait()
        else:
            await settled(box, "in_flight", 1)
        walk.cancel()
        with pytest.raises(asyncio.CancelledError):
            await walk
        await no_tasks_left()
        assert (await chat.models.list()).total_rows == 5
    await settled(box, "connections_open", 0)


async def test_cancelling_a_call(box: Sandbox) -> None:
    """A call cancelled while the server works leaves the client usable."""
    async with client_of(box, max_concurrency=1) as chat:
        call = asyncio.create_task(chat.models.list().count())
        await settled(box, "in_flight", 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await chat.models.list().count() == 5


async def test_everything_is_the_truth() -> None:
    """Models, conversations and messages are what the sandbox holds, field by field."""
    async with Sandbox(conversations=60, messages_mean=5) as box, client_of(box) as chat:
        models = [dump(row) async for row in chat.models.list()]
        conversations = [dump(row) async for row in chat.conversations.list(per_page=7)]
        messages = [
            dump(row) | {"conversation_id": found["id"]}
            for found in conversations
            async for row in chat.messages.list(found["id"], per_page=3)
        ]
        for kind, rows in (("models", models), ("conversations", conversations), ("messages", messages)):
            truth = box.truth(kind)  # type: ignore[arg-type]
            assert sorted(rows, key=_id) == sorted(truth, key=_id), kind


def _id(row: Any) -> int:
    return int(row["id"])


async def test_single_reads_and_filters() -> None:
    """`get` finds by id, `model_id` and times filter as they are asked to."""
    async with Sandbox(conversations=60) as box, client_of(box) as chat:
        first = (await chat.models.list()).data[0]
        assert await chat.models.get(first.id) == first
        of_model = await chat.conversations.list(model_id=first.id).collect()
        assert {row.model_id for row in of_model} == {first.id}
        one = of_model[0]
        assert await chat.conversations.get(one.id) == one
        within = await chat.conversations.list(since=one.updated_at, until=one.updated_at, sort="updated_at").collect()
        assert one in within
        assert {row.updated_at for row in within} == {one.updated_at}


async def test_a_server_that_clamps_pages() -> None:
    """A server that gives 7 rows for 100 asked is read in full."""
    async with Sandbox(conversations=60, max_per_page=7) as box, client_of(box) as chat:
        assert len({row.id async for row in chat.conversations.list()}) == 60
        assert box.stats()["requests"] == 9
