"""One call: retries, pauses, limits, deadline, events, closing. No network, and no time passes."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

import pytest
from answers import hang, mock, model, no_tasks_left, page

from asyncchat import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncClient,
    ConfigurationError,
    DecodeError,
    FailureEvent,
    GiveUpEvent,
    LimitEvent,
    NotFoundError,
    PauseEvent,
    RateLimitError,
    Request,
    RequestEvent,
    Response,
    ResponseEvent,
    RetryEvent,
    RetryPolicy,
    ServerError,
)
from asyncchat._transport.base import SystemClock
from asyncchat.testing import FakeClock, MockTransport, json_response

pytestmark = pytest.mark.asyncio

OK = json_response(model(1))
DOWN = Response(status=500)
BUSY = Response(status=429, headers={"Retry-After": "7"})


@pytest.fixture(autouse=True)
def _jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait is half of its bound."""
    monkeypatch.setattr(random, "random", lambda: 0.5)


async def test_a_failure_is_retried() -> None:
    """A call succeeds when one of its four attempts does, after waits that double."""
    client, transport = mock([DOWN, DOWN, DOWN, OK])
    assert (await client.models.get(1)).id == 1
    assert transport.clock.slept == [0.25, 0.5, 1.0]


async def test_attempts_end() -> None:
    """The fourth failure is raised, with how often the call was tried and how long it took."""
    client, transport = mock([DOWN] * 5)
    with pytest.raises(ServerError) as caught:
        await client.models.get(1)
    assert len(transport.requests) == 4
    error = caught.value
    assert (error.method, error.path, error.attempts, error.elapsed) == ("GET", "/models/1", 4, 1.75)


async def test_no_retry() -> None:
    """`retry=0` sends one request."""
    client, transport = mock([DOWN, OK], retry=0)
    with pytest.raises(ServerError):
        await client.models.get(1)
    assert len(transport.requests) == 1


async def test_what_is_the_callers_is_not_retried() -> None:
    """A 404 is raised at once."""
    client, transport = mock([Response(status=404), OK])
    with pytest.raises(NotFoundError):
        await client.models.get(1)
    assert transport.clock.slept == []


async def test_a_web_page_gets_two_tries() -> None:
    """A 200 that is no JSON is asked for twice, and then a DecodeError."""
    client, transport = mock([Response(status=200, body=b"<html>")] * 4)
    with pytest.raises(DecodeError) as caught:
        await client.models.get(1)
    assert (len(transport.requests), caught.value.attempts) == (2, 2)


async def test_a_cut_answer_is_read_at_the_second_try() -> None:
    """A truncated 200 followed by a whole one is a success."""
    client, _ = mock([Response(status=200, body=OK.body[:-5]), OK])
    assert (await client.models.get(1)).id == 1


async def test_another_shape_is_raised_at_once() -> None:
    """JSON in another shape is not asked for again."""
    client, transport = mock([json_response({}), OK])
    with pytest.raises(DecodeError):
        await client.models.get(1)
    assert len(transport.requests) == 1


async def test_a_post_that_was_sent_is_not_repeated() -> None:
    """A POST whose answer was lost is not sent again."""
    client, transport = mock([APIConnectionError("lost", sent=True), OK])
    with pytest.raises(APIConnectionError):
        await client.request(Request("POST", "/x"))
    assert len(transport.requests) == 1


async def test_the_lower_door() -> None:
    """`request` gives the raw answer of any path under the same policies."""
    client, _ = mock([DOWN, Response(status=304), Response(status=204)])
    assert (await client.request(Request("GET", "/x"))).status == 304
    assert (await client.request(Request("GET", "/x"))).status == 204


async def test_retry_after_is_waited_for() -> None:
    """A 429 with Retry-After is repeated after that time and up to half a second, so that not all come back at once."""
    client, transport = mock([BUSY, OK])
    await client.models.get(1)
    assert transport.clock.slept == [7.25]


async def test_a_longer_retry_after_than_allowed_is_raised() -> None:
    """A server that asks for 114 hours gets no retry: the caller has the error at once, with the time."""
    client, transport = mock([Response(status=429, headers={"Retry-After": "410400"}), OK])
    with pytest.raises(RateLimitError) as caught:
        await client.models.get(1)
    assert (caught.value.retry_after, transport.clock.slept) == (410_400.0, [])


@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_is_shared(status: int) -> None:
    """After a 429 or 503, no call of the client is sent before the pause has ended."""
    clock = FakeClock()
    sent: list[tuple[str, float]] = []

    def handler(request: Request) -> Response:
        sent.append((request.path, clock.monotonic()))
        first = len(sent) == 1
        return Response(status=status, headers={"Retry-After": "7"}) if first else OK

    client, _ = mock(handler, clock=clock, retry=0)
    with pytest.raises((RateLimitError, ServerError)):
        await client.models.get(1)
    await client.with_options(timeout=5).models.get(2)
    assert sent == [("/models/1", 0.0), ("/models/2", 7.0)]


async def test_a_500_pauses_nobody() -> None:
    """A failure that asks for no patience does not hold up other calls."""
    client, transport = mock([DOWN, OK], retry=0)
    with pytest.raises(ServerError):
        await client.models.get(1)
    await client.models.get(2)
    assert transport.clock.slept == []


async def test_max_rate() -> None:
    """With `max_rate=4`, requests go a quarter of a second apart."""
    clock = FakeClock()
    sent: list[float] = []

    def handler(_: Request) -> Response:
        sent.append(clock.monotonic())
        return OK

    client, _ = mock(handler, clock=clock, max_rate=4)
    for _i in range(5):
        await client.models.get(1)
    assert sent == [0.0, 0.25, 0.5, 0.75, 1.0]


async def test_concurrency_is_bounded() -> None:
    """No more requests than `max_concurrency` are in flight, and that many are."""
    running = peak = 0

    async def handler(_: Request) -> Response:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1
        return OK

    client, transport = mock(handler, max_concurrency=3)
    await asyncio.gather(*(client.models.get(i) for i in range(30)))
    assert (peak, len(transport.requests)) == (3, 30)


async def test_a_wait_holds_no_slot() -> None:
    """A call that waits for its retry lets others go."""
    order: list[str] = []

    def handler(request: Request) -> Response:
        order.append(request.path)
        return DOWN if order == ["/models/1"] else OK

    client, _ = mock(handler, max_concurrency=1)
    await asyncio.gather(client.models.get(1), client.models.get(2))
    assert order == ["/models/1", "/models/2", "/models/1"]


async def test_the_deadline_bounds_a_call() -> None:
    """A call that hangs ends with its deadline."""
    client, _ = mock(hang, deadline=0.01)
    with pytest.raises(APITimeoutError, match=r"the deadline of 0\.01 s has passed") as caught:
        await client.models.get(1)
    assert (caught.value.sent, caught.value.path) == (True, "/models/1")


async def test_the_deadline_bounds_waiting_for_a_slot() -> None:
    """A call that never got a slot says that nothing was sent."""
    client, _ = mock(hang, max_concurrency=1)
    first = asyncio.create_task(client.models.get(1))
    await asyncio.sleep(0)
    with pytest.raises(APITimeoutError) as caught:
        await client.with_options(deadline=0.01).models.get(2)
    assert not caught.value.sent
    first.cancel()
    await no_tasks_left()


async def test_no_retry_beyond_the_deadline() -> None:
    """A wait that would pass the deadline is not begun: the error comes at once."""
    client, transport = mock([BUSY, OK], deadline=5)
    with pytest.raises(RateLimitError):
        await client.models.get(1)
    assert transport.clock.slept == []


async def test_a_hook_that_raises_harms_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """What a hook raises is logged; the call and the next hook go on."""
    told: list[Any] = []

    def hook(_: Any) -> None:
        raise TimeoutError("the hook's own")

    client, _ = mock([OK], hooks=[hook, told.append])
    assert (await client.models.get(1)).id == 1
    assert [type(event) for event in told] == [RequestEvent, ResponseEvent]
    assert ["the hook's own" in record.exc_text for record in caplog.records if record.exc_text] == [True, True]


async def test_closing_ends_a_wait() -> None:
    """A call that waits for a pause to end, or for a slot, is told at once that its client was closed."""
    client = AsyncClient(transport=MockTransport([BUSY]), clock=SystemClock(), max_concurrency=1)
    calls = [asyncio.create_task(client.models.get(1)) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    await client.aclose()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert {str(end) for end in ends} == {str(ends[0])}
    assert "the client was closed" in str(ends[0])
    await no_tasks_left()


async def test_the_base_url_of_a_mock_is_checked_too() -> None:
    """A URL that only names where a MockTransport pretends to be is held to the same rules."""
    assert mock([], base_url="https://chat.example.com/v1/")[0].base_url == "https://chat.example.com/v1"
    with pytest.raises(ConfigurationError):
        mock([], base_url="https://user:word@chat.example.com/v1")


async def test_a_hook_adds_headers() -> None:
    """Headers that a hook puts into a RequestEvent are sent."""

    def hook(event: Any) -> None:
        if isinstance(event, RequestEvent):
            event.headers["traceparent"] = "00-1-2-01"

    client, transport = mock([OK], hooks=[hook])
    await client.models.get(1)
    assert ("traceparent", "00-1-2-01") in transport.requests[0].headers


async def test_a_lost_connection_is_told() -> None:
    """An attempt without an answer ends with a FailureEvent, and all events of a call share a number."""
    told: list[Any] = []
    client, _ = mock([APIConnectionError("lost", sent=True), OK], hooks=[told.append])
    await client.models.get(1)
    failure = FailureEvent(
        method="GET", path="/models/1", attempt=1, error="APIConnectionError", reason="lost", elapsed=0.0
    )
    assert [type(event) for event in told] == [RequestEvent, FailureEvent, RetryEvent, RequestEvent, ResponseEvent]
    assert told[1] == failure
    assert len({event.call for event in told}) == 1


async def test_a_cancelled_request_is_told() -> None:
    """An attempt that is cancelled ends with a FailureEvent."""
    told: list[Any] = []
    client, _ = mock(hang, hooks=[told.append])
    task = asyncio.create_task(client.models.get(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [getattr(event, "error", None) for event in told] == [None, "CancelledError"]


@pytest.mark.parametrize(
    ("answers", "options", "ended"),
    [
        ([DOWN] * 4, {}, "attempts"),
        ([BUSY], {"deadline": 5}, "deadline"),
        ([Response(status=429, headers={"Retry-After": "500"})], {}, "pause"),
        ([Response(status=404)], {}, None),
    ],
)
async def test_what_is_given_up_is_told(answers: list[Response], options: Any, ended: str | None) -> None:
    """The last event of a call that might still have succeeded says why it was not tried again."""
    told: list[Any] = []
    client, _ = mock(answers, hooks=[told.append], **options)
    with pytest.raises(APIStatusError):
        await client.models.get(1)
    assert getattr(told[-1], "ended", None) == ended


async def test_a_deadline_without_a_turn_is_told() -> None:
    """A call whose deadline passes while it waits for its turn says so, and that nothing was sent."""
    told: list[Any] = []
    client, _ = mock(hang, max_concurrency=1, hooks=[told.append])
    first = asyncio.create_task(client.models.get(1))
    await asyncio.sleep(0)
    with pytest.raises(APITimeoutError, match="waited for its turn"):
        await client.with_options(deadline=0.01).models.get(2)
    assert [(event.path, event.attempt, event.ended) for event in told if isinstance(event, GiveUpEvent)] == [
        ("/models/2", 0, "deadline")
    ]
    first.cancel()
    await no_tasks_left()


async def test_a_call_that_cannot_wait_for_a_pause_is_told_at_once() -> None:
    """While a pause lasts longer than a call can wait, it gets the server's error with the time, and sends nothing."""
    client, transport = mock([Response(status=429, headers={"Retry-After": "500"})], retry=0)
    for seconds in (500.0, 499.0):
        with pytest.raises(RateLimitError) as caught:
            await client.models.get(1)
        assert caught.value.retry_after == seconds
        transport.clock.advance(1)
    assert (len(transport.requests), caught.value.attempts) == (1, 0)


async def test_a_deadline_that_has_passed_is_no_status() -> None:
    """A call whose deadline is over before it begins ends with that, and with no status that nobody sent."""
    client, _ = mock(hang, deadline=1e-9)
    with pytest.raises(APITimeoutError):
        await client.models.get(1)


async def test_a_limit_that_says_when_it_resets_is_waited_for() -> None:
    """A 429 without Retry-After, whose RateLimit headers say when there is more, is repeated then."""
    told = Response(status=429, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "25"})
    client, transport = mock([told, OK])
    await client.models.get(1)
    assert transport.clock.slept == [25.25]


async def test_an_auth_flow_without_a_request() -> None:
    """A flow that yields nothing is a mistake of its author's, and said to be."""

    class Nothing:
        def auth_flow(self, request: Request) -> Any:
            yield from ()

    client = AsyncClient(transport=MockTransport([OK]), auth=Nothing())
    with pytest.raises(ConfigurationError, match="yielded no request"):
        await client.models.get(1)


@pytest.mark.parametrize(
    "wrong", [{"allow_http": "no"}, {"trust_env": "false"}, {"max_rate": float("inf")}, {"hooks": 5}]
)
async def test_arguments_that_are_refused(wrong: dict[str, Any]) -> None:
    """A text is no switch, and what is endless no rate."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        AsyncClient(transport=MockTransport([]), **wrong)


async def test_a_slow_down_is_told() -> None:
    """When a server asks for patience, hooks are told how many requests at once there may be from then on."""
    told: list[Any] = []
    client, _ = mock([Response(status=503), OK], hooks=[told.append])
    await client.models.get(1)
    assert [event for event in told if isinstance(event, LimitEvent)] == [LimitEvent(concurrency=5, rate=None)]


async def test_a_header_that_cannot_be_sent_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """A hook's bad header is logged without its value, and harms no call."""

    def hook(event: Any) -> None:
        if isinstance(event, RequestEvent):
            event.headers["X Y"] = "value"

    client, transport = mock([OK], hooks=[hook])
    await client.models.get(1)
    assert "X Y" not in dict(transport.requests[0].headers)
    assert [record.getMessage() for record in caplog.records] == [
        "a hook's header 'X Y' cannot be sent, and was left out"
    ]


async def test_the_url_of_an_event_has_no_token() -> None:
    """Hooks are told the URL with its query, and without what authorises it."""
    told: list[Any] = []
    client, _ = mock([json_response(page([]))], hooks=[told.append], auth="query:key", token="s3cr3t",
                     base_url="https://chat.example.com/v1")  # fmt: skip
    await client.models.list(per_page=5)
    assert told[0].url == "https://chat.example.com/v1/models?page=1&per_page=5"


async def test_an_attempt_gets_no_more_than_the_deadline_leaves() -> None:
    """The transport is given the attempt's timeout, and none when the deadline comes first: that ends the call."""
    given: list[float | None] = []

    class Noting(MockTransport):
        async def send(self, request: Request, *, timeout: float | None, max_body: int) -> Response:  # noqa: ASYNC109
            given.append(timeout)
            self.clock.advance(50)
            return await super().send(request, timeout=timeout, max_body=max_body)

    client = AsyncClient(transport=Noting([DOWN, OK]), timeout=60, deadline=100, retry=RetryPolicy(backoff=0))
    await client.models.get(1)
    assert given == [60, None]


async def test_the_retry_quota_ends_retries() -> None:
    """In a full outage the bucket empties: 100 calls cost 110 requests, not 400."""
    client, transport = mock(lambda _: DOWN)
    for _i in range(100):
        with pytest.raises(ServerError):
            await client.models.get(1)
    assert len(transport.requests) == 110


async def test_events() -> None:
    """Hooks are told of each request, answer, pause and retry, in order."""
    told: list[Any] = []
    client, _ = mock([BUSY, OK], hooks=[told.append])
    await client.models.get(1)
    call: Any = {"method": "GET", "path": "/models/1"}
    reason = "429 Too Many Requests. Wait, then go on more slowly (max_rate=)"
    assert told == [
        RequestEvent(**call, attempt=1),
        ResponseEvent(**call, attempt=1, status=429, size=0, elapsed=0.0),
        PauseEvent(seconds=7.25, status=429),
        LimitEvent(concurrency=5, rate=None),
        RetryEvent(**call, attempt=1, delay=7.25, error="RateLimitError", reason=reason),
        RequestEvent(**call, attempt=2),
        ResponseEvent(**call, attempt=2, status=200, size=len(OK.body), elapsed=0.0),
    ]


async def test_the_log_has_no_query(caplog: pytest.LogCaptureFixture) -> None:
    """Log lines name method, path and status, and neither query nor token."""
    client, _ = mock([DOWN, json_response(page([]))], auth="query:key", token="s3cr3t")
    with caplog.at_level(logging.DEBUG, "asyncchat"):
        await client.models.list(since="2025-05-05")
    assert [record.getMessage() for record in caplog.records] == [
        "GET /models: attempt 1",
        "GET /models: 500 in 0.000 s",
        "GET /models: retry in 0.25 s: 500 Internal Server Error. The server failed: try again later",
        "GET /models: attempt 2",
        "GET /models: 200 in 0.000 s",
    ]


async def test_log_records_are_structured(caplog: pytest.LogCaptureFixture) -> None:
    """Each record names its event and carries the event's fields."""
    client, _ = mock([DOWN, OK])
    with caplog.at_level(logging.INFO, "asyncchat"):
        await client.models.get(1)
    (record,) = caplog.records
    told = {name: getattr(record, name) for name in ("event", "method", "path", "attempt", "delay")}
    assert told == {"event": "retry", "method": "GET", "path": "/models/1", "attempt": 1, "delay": 0.25}


async def test_no_logging_is_set_up() -> None:
    """The package's logger has a handler that writes nowhere, and no level of its own."""
    logger = logging.getLogger("asyncchat")
    assert logging.NullHandler in map(type, logger.handlers)
    assert logger.level == logging.NOTSET
