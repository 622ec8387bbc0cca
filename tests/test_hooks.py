"""Hooks: who is told, in which order and where; and that what they count is what the server counted."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from answers import hang, mock, model, page

from asyncchat import (
    AsyncClient,
    Client,
    CountingHook,
    Event,
    FailureEvent,
    LimitEvent,
    PauseEvent,
    Request,
    RequestEvent,
    Response,
    ResponseEvent,
    RetryEvent,
    RetryPolicy,
)
from asyncchat.export import export
from asyncchat.sandbox import Fault, Sandbox
from asyncchat.testing import json_response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RETRY = RetryPolicy(attempts=6, backoff=0.001, patience=60)
FAULTS = [Fault("status", status=502, probability=0.15), Fault("truncated", probability=0.1)]
OK = json_response(model(1))


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=120, messages_mean=1, faults=FAULTS) as running:
        yield running


def agree(told: list[Event], box: Sandbox) -> None:
    """What was told is what the server counted."""
    stats: Any = box.stats()
    kinds = Counter(type(event) for event in told)
    assert kinds[RequestEvent] == stats["requests"]
    assert kinds[FailureEvent] == stats["by_fault"].get("truncated", 0)
    assert kinds[ResponseEvent] == stats["requests"] - kinds[FailureEvent]
    assert kinds[RetryEvent] == sum(stats["by_fault"].values()) > 0
    calls = {event.call for event in told if not isinstance(event, PauseEvent | LimitEvent)}
    assert kinds[RequestEvent] == len(calls) + kinds[RetryEvent]


@pytest.mark.asyncio
async def test_a_client_tells_what_the_server_counts(box: Sandbox) -> None:
    """Requests, answers, failures and retries of a client are as many as the server counted."""
    told: list[Event] = []
    async with AsyncClient(box.base_url, token=box.token, hooks=[told.append], retry=RETRY) as chat:
        assert len(await chat.conversations.list(per_page=1).collect()) == 120
    agree(told, box)


def test_the_blocking_client_tells_the_same(box: Sandbox) -> None:
    """So are those of the blocking client."""
    told: list[Event] = []
    with Client(box.base_url, token=box.token, hooks=[told.append], retry=RETRY) as chat:
        assert len(chat.conversations.list(per_page=1).collect()) == 120
    agree(told, box)


@pytest.mark.asyncio
async def test_an_export_tells_the_same(box: Sandbox, tmp_path: Path) -> None:
    """So are those of an export, and its report has the same figures."""
    told: list[Event] = []
    box.clear_faults()
    box.faults(Fault("status", status=502, path="/conversations/{conversation_id}/messages", nth=5, times=4))
    async with AsyncClient(box.base_url, token=box.token, hooks=[told.append]) as chat:
        report = await export(chat, tmp_path / "out")
    agree(told, box)
    kinds = Counter(type(event) for event in told)
    assert (report.requests, report.retries) == (kinds[RequestEvent], kinds[RetryEvent])


class Rare(CountingHook):
    """Keeps what it is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep it."""
        self.told.append(event)


@pytest.mark.asyncio
async def test_a_counting_hook_counts_what_the_server_counts(box: Sandbox) -> None:
    """A hook that only counts has as many requests as the server, and hears of nothing but retries and their like."""
    hook, other = Rare(), list[Event]()
    async with AsyncClient(box.base_url, token=box.token, hooks=[hook], retry=RETRY) as chat:
        assert len(await chat.conversations.list(per_page=1).collect()) == 120
        stats: Any = box.stats()
        assert (hook.requests, hook.in_flight) == (stats["requests"], 0)
        assert {type(event) for event in hook.told} == {RetryEvent}
        await chat.with_options(hooks=[other.append]).models.list(per_page=1)
    assert {RequestEvent, ResponseEvent} <= {type(event) for event in other}, "a listener beside it hears all"
    assert {type(event) for event in hook.told} == {RetryEvent}


@pytest.mark.asyncio
async def test_a_counting_hook_counts_what_is_cancelled_out() -> None:
    """A request that is cancelled is under way no longer."""
    hook = CountingHook()
    client, _ = mock(hang, hooks=[hook])
    task = asyncio.create_task(client.models.get(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (hook.requests, hook.in_flight) == (1, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (hook.requests, hook.in_flight) == (1, 0)


@pytest.mark.asyncio
async def test_a_counting_hook_that_raises_harms_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """What a hook raises that counts is logged, each time; the call and the next hook go on."""

    class Broken(CountingHook):
        def __init__(self) -> None:
            """Forget what it derives from."""

    hook = CountingHook()
    client, _ = mock([OK], hooks=[Broken(), hook])
    assert (await client.models.get(1)).id == 1
    assert (hook.requests, hook.in_flight) == (1, 0)
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "a hook failed to count what was sent",
        "a hook failed to count what was ended",
    ]


@pytest.mark.asyncio
async def test_a_view_adds_hooks() -> None:
    """A view's hooks are called after the client's, and only for the view's calls."""
    told: list[str] = []
    client, _ = mock([OK, OK], hooks=[lambda _: told.append("client")])
    await client.with_options(hooks=[lambda _: told.append("view")]).models.get(1)
    assert told == ["client", "view"] * 2
    told.clear()
    await client.models.get(1)
    assert told == ["client"] * 2


def test_the_blocking_client_calls_them_in_its_thread() -> None:
    """The hooks of the blocking client run in its background thread, whichever thread calls."""
    threads: set[str] = set()
    _, transport = mock([OK, OK])
    with Client(transport=transport, hooks=[lambda _: threads.add(threading.current_thread().name)]) as chat:
        chat.models.get(1)
        other = threading.Thread(target=chat.models.get, args=(1,))
        other.start()
        other.join()
    assert len(threads) == 1
    assert threads.pop().startswith("asyncchat-loop")


@pytest.mark.asyncio
async def test_the_asynchronous_client_calls_them_in_the_calls_task() -> None:
    """The hooks of the asynchronous client run in the task of the call; those of pages in tasks of their own."""
    tasks: list[Any] = []

    def pages(request: Request) -> Response:
        number = int(dict(request.params)["page"])
        return json_response(page([model(number)], page=number, rows_per_page=1, total_pages=3, total_rows=3))

    client, _ = mock(pages, hooks=[lambda _: tasks.append(asyncio.current_task())])
    await client.models.list().page(1)
    assert tasks == [asyncio.current_task()] * 2
    tasks.clear()
    await client.models.list(per_page=1).collect()
    assert len(set(tasks)) == 3


@pytest.mark.asyncio
async def test_the_events_of_a_call_come_in_order() -> None:
    """Of each call, a request is followed by its answer or failure before the next; calls side by side mix."""
    told: list[Any] = []
    answers = iter([Response(status=502), *[OK] * 60])

    async def answer(_request: Request) -> Response:
        await asyncio.sleep(0)
        return next(answers)

    client, _ = mock(answer, hooks=[told.append])
    await asyncio.gather(*(client.models.get(1) for _ in range(50)))
    calls = [event.call for event in told]
    assert calls != sorted(calls)
    for call in set(calls):
        kinds = [type(event) for event in told if event.call == call]
        assert kinds in (
            [RequestEvent, ResponseEvent],
            [RequestEvent, ResponseEvent, RetryEvent, RequestEvent, ResponseEvent],
        )


@pytest.mark.asyncio
async def test_every_request_is_ended() -> None:
    """Of 40 calls that are cancelled at different turns of the loop, each request that was told has its end told."""
    told: list[Any] = []

    async def answer(_request: Request) -> Response:
        for _ in range(5):
            await asyncio.sleep(0)
        return Response(status=503)

    client, _ = mock(answer, hooks=[told.append])
    for turns in range(40):
        task = asyncio.create_task(client.models.get(1))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    begun = [event.call for event in told if isinstance(event, RequestEvent)]
    ended = [event.call for event in told if isinstance(event, ResponseEvent | FailureEvent)]
    assert begun == ended
    assert len(begun) > 40
    assert {event.error for event in told if isinstance(event, FailureEvent)} == {"CancelledError"}
