"""Spans end, whatever becomes of the request; and what there is without OpenTelemetry's SDK, or with real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from answers import mock, model, no_tasks_left, page
from contract_shapes import ask
from opentelemetry import context, trace
from rawserver import http, serving
from telemetry import URL, Telemetry, client_of, facts, traceparent

import asyncchat
from asyncchat import (
    APIStatusError,
    APITimeoutError,
    AsyncChatError,
    AsyncClient,
    Client,
    Event,
    Request,
    RequestEvent,
    Response,
    ResponseEvent,
    RetryPolicy,
)
from asyncchat.integrations.otel import OpenTelemetryHook
from asyncchat.sandbox import Fault, Sandbox
from asyncchat.testing import json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OK = json_response(model(1))


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=30, messages_mean=2) as running:
        yield running


async def until(condition: Callable[[], bool]) -> None:
    """Give other tasks their turns."""
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


async def hang(_request: Request) -> Response:
    await asyncio.Event().wait()
    return OK


@pytest.mark.asyncio
async def test_a_cancelled_request_ends(telemetry: Telemetry) -> None:
    """A request that is cancelled is a span that has ended, with an error, and nothing is kept of it."""
    client, _ = client_of(telemetry, hang)
    tasks = [asyncio.create_task(client.models.get(number)) for number in range(1, 6)]
    await until(lambda: len(telemetry.hook._open) == len(tasks))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [facts(span)["error.type"] for span in telemetry.spans()] == ["CancelledError"] * 5
    assert telemetry.hook._open == {}


@pytest.mark.asyncio
async def test_a_deadline_ends_it(telemetry: Telemetry) -> None:
    """A request that the call's deadline cuts off is a span that has ended."""
    client, _ = client_of(telemetry, hang, deadline=0.01)
    with pytest.raises(APITimeoutError):
        await client.models.get(1)
    assert facts(telemetry.span())["error.type"] == "CancelledError"
    assert telemetry.hook._open == {}


def test_a_dropped_call_ends(telemetry: Telemetry) -> None:
    """A request whose coroutine is thrown away, as by a loop that stopped, is a span that has ended."""
    client, _ = client_of(telemetry, hang)
    loop = asyncio.new_event_loop()
    task = loop.create_task(client.models.get(1))
    while not telemetry.hook._open:
        loop.run_until_complete(asyncio.sleep(0))
    coroutine = task.get_coro()
    assert coroutine is not None
    with contextlib.suppress(RuntimeError):  # the deadline's scope cannot be left outside its task
        coroutine.close()
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()
    assert facts(telemetry.span())["error.type"] == "GeneratorExit"
    assert telemetry.hook._open == {}


@pytest.mark.asyncio
async def test_leaving_a_listing_ends_them(telemetry: Telemetry) -> None:
    """A loop over a listing that is left early leaves no span open."""

    async def pages(request: Request) -> Response:
        number = int(dict(request.params)["page"])
        if number > 1:
            return await hang(request)
        return json_response(page([model(1)], rows_per_page=1, total_pages=9, total_rows=9))

    client, transport = client_of(telemetry, pages)
    async with client.models.list(per_page=1) as pager:
        async for _row in pager:
            await until(lambda: len(transport.requests) >= 5)
            break
    await no_tasks_left()
    assert len(telemetry.spans()) == len(transport.requests) > 4
    assert telemetry.hook._open == {}


@pytest.mark.asyncio
async def test_many_calls_side_by_side(telemetry: Telemetry) -> None:
    """Of 500 calls at once, half of them failing once, each request has its own span with its own answer."""
    failed: set[str] = set()

    async def answer(request: Request) -> Response:
        await asyncio.sleep(0)
        number = int(request.path.rpartition("/")[2])
        if number % 2 and request.path not in failed:
            failed.add(request.path)
            return Response(status=503, headers={"Retry-After": "1"})
        return json_response(model(number))

    client, transport = client_of(telemetry, answer, max_concurrency=64, deadline=None)
    await asyncio.gather(*(client.models.get(number) for number in range(500)))
    told = sorted(
        (found["url.full"], found["http.response.status_code"], found.get("http.request.resend_count", 0))
        for found in map(facts, telemetry.spans())
    )
    expected = [(f"{URL}/models/{i}", 200, i % 2) for i in range(500)]
    expected += [(f"{URL}/models/{i}", 503, 0) for i in range(1, 500, 2)]
    assert told == sorted(expected)
    assert len({dict(request.headers)["traceparent"] for request in transport.requests}) == 750
    assert telemetry.hook._open == {}


def test_an_answer_alone_is_left_out(telemetry: Telemetry) -> None:
    """An answer whose request was not told makes no span."""
    telemetry.hook(ResponseEvent(method="GET", path="/models", attempt=1, status=200, size=0, elapsed=0.1, call=1))
    assert telemetry.spans() == []


def test_a_blocking_client_that_is_closed_ends_them(telemetry: Telemetry) -> None:
    """Closing a blocking client while threads wait for answers leaves no span open."""
    waiting = threading.Semaphore(0)

    def begun(event: Event) -> None:
        if isinstance(event, RequestEvent):
            waiting.release()

    def read(number: int) -> None:
        with contextlib.suppress(AsyncChatError):
            chat.models.get(number)

    with Sandbox(conversations=1, faults=[Fault("silence")]) as box, ThreadPoolExecutor(4) as pool:
        chat = Client(box.base_url, token=box.token, hooks=[telemetry.hook, begun])
        calls = [pool.submit(read, number) for number in range(4)]
        assert all(waiting.acquire(timeout=30) for _ in calls)
        chat.close()
        for call in calls:
            call.result(timeout=30)
    ends = [facts(span)["error.type"] for span in telemetry.spans()]
    assert len(ends) == 4
    assert set(ends) <= {"CancelledError", "APIConnectionError"}  # whichever the call hears of first
    assert telemetry.hook._open == {}


# ---- without the SDK, without the API


SETUP_COMES_LAST = """
import asyncio
from answers import mock, model
from asyncchat.integrations.otel import OpenTelemetryHook
from asyncchat.testing import json_response

client, _ = mock([json_response(model(1))], hooks=[OpenTelemetryHook()])

from opentelemetry import metrics, trace
from telemetry import Telemetry

telemetry = Telemetry()
trace.set_tracer_provider(telemetry.tracers)
metrics.set_meter_provider(telemetry.meters)
asyncio.run(client.models.get(1))
print(len(telemetry.spans()), *telemetry.metrics())
"""


def test_the_global_providers_may_be_set_later() -> None:
    """A hook without providers uses the global ones, also when they are set after it was made."""
    path = os.pathsep.join([str(Path(asyncchat.__file__).parent.parent), str(Path(__file__).parent)])
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error", "-c", SETUP_COMES_LAST],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1 http.client.request.duration\n", "")


@pytest.mark.asyncio
async def test_with_the_api_alone() -> None:
    """Where no SDK is set up, nothing is recorded or sent, and a trace that came from outside is passed on."""
    client, transport = mock([OK, OK], base_url=URL, hooks=[OpenTelemetryHook()])
    await client.models.get(1)
    remote = trace.SpanContext(0x1234, 0x5678, is_remote=True, trace_flags=trace.TraceFlags(1))
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(remote)))
    try:
        await client.models.get(1)
    finally:
        context.detach(token)
    first, second = (dict(request.headers) for request in transport.requests)
    assert "traceparent" not in first
    assert second["traceparent"] == f"00-{0x1234:032x}-{0x5678:016x}-01"


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without OpenTelemetry, importing the module says in one line what to install."""
    monkeypatch.delitem(sys.modules, "asyncchat.integrations.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        import asyncchat.integrations.otel  # noqa: F401, PLC0415
    assert str(caught.value) == "asyncchat.integrations.otel needs more: pip install 'asyncchat[otel]'"
    assert caught.value.name == "opentelemetry"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# ---- over sockets


@pytest.mark.asyncio
async def test_every_path_of_the_contract_has_its_template(telemetry: Telemetry, box: Sandbox) -> None:
    """Each path of the API's contract is a template of its own."""
    paths = list((await ask(box, "/openapi.json", origin=box.origin, headers={})).body["paths"])
    async with AsyncClient(box.base_url, token=box.token, hooks=[telemetry.hook], retry=0) as chat:
        for path in paths:
            with contextlib.suppress(APIStatusError):
                await chat.request(Request("GET", re.sub(r"\{\w+\}", "1", path)))
    assert [facts(span)["url.template"] for span in telemetry.spans()] == [f"/v1{path}" for path in paths]
    assert len(paths) == 6


@pytest.mark.asyncio
async def test_the_header_arrives(telemetry: Telemetry) -> None:
    """The server gets the `traceparent` of the span."""
    async with serving(http(b"{}")) as server:
        async with AsyncClient(server.base_url, token="t", hooks=[telemetry.hook]) as chat:
            await chat.request(Request("GET", "/x"))
        (head,) = server.heads
    assert f"traceparent: {traceparent(telemetry.span())}" in head.decode().splitlines()


def test_the_blocking_client(telemetry: Telemetry) -> None:
    """Of the blocking client, which threads share, each request is in the span of the thread that asked for it."""
    faults = [Fault("status", status=500, path="/models/{model_id}", times=3, nth=1)]
    ids: dict[int, int] = {}

    def read(number: int) -> None:
        with telemetry.tracer.start_as_current_span(f"work {number}") as work:
            ids[work.get_span_context().trace_id] = number
            chat.models.get(number)

    with (
        Sandbox(models=8, conversations=1, faults=faults) as box,
        Client(box.base_url, token=box.token, hooks=[telemetry.hook], retry=RetryPolicy(backoff=0.001)) as chat,
        ThreadPoolExecutor(4) as pool,
    ):
        numbers = [model.id for model in chat.with_options(hooks=[]).models.list()]
        telemetry.exporter.clear()
        list(pool.map(read, numbers))
        by_status = box.stats()["by_status"]
    told = [(facts(span)["url.full"].rpartition("/")[2], span) for span in telemetry.spans()]
    assert len(told) == 11
    assert by_status == {"200": 9, "500": 3}
    for number, span in told:
        known = span.get_span_context()
        assert known is not None
        assert ids[known.trace_id] == int(number)
    assert telemetry.hook._open == {}
