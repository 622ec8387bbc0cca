"""A user's file: what type checkers make of the whole contract. It is checked by mypy and pyright, and never run."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable, Generator, Mapping
from typing import Any, assert_type

import asyncchat
from asyncchat import (
    APIConnectionError,
    APIStatusError,
    AsyncClient,
    AsyncPager,
    Auth,
    BearerAuth,
    Client,
    Conversation,
    DecodeError,
    Event,
    FailureEvent,
    GiveUpEvent,
    HeaderAuth,
    LimitEvent,
    Message,
    Model,
    Page,
    Pager,
    PauseEvent,
    QueryAuth,
    RawRow,
    Request,
    RequestEvent,
    Response,
    ResponseEvent,
    RetryEvent,
    RetryPolicy,
)
from asyncchat.integrations.otel import OpenTelemetryHook
from asyncchat.testing import FakeClock, MockTransport, json_response


class Signing:
    """An auth flow of the user's own."""

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        response = yield request.with_header("X-Signature", "s")
        if response.status == 401:
            yield request.with_param("again", "1")


def hook(event: Event) -> None:
    assert_type(event, RequestEvent | ResponseEvent | FailureEvent | RetryEvent | GiveUpEvent | PauseEvent | LimitEvent)


async def constructing() -> None:
    AsyncClient()
    AsyncClient("https://host.example/v1", token="t", auth="header:X-Token")
    own: Auth = Signing()
    for auth in (own, BearerAuth("t"), HeaderAuth("X", "t"), QueryAuth("key", "t")):
        AsyncClient("https://host.example/v1", auth=auth)
    whole = AsyncClient(
        base_url="https://host.example/v1",
        token="t",
        timeout=None,
        deadline=180.0,
        max_concurrency=32,
        max_rate=5,
        retry=RetryPolicy(attempts=4),
        per_page=100,
        max_body=2**20,
        ssl=ssl.create_default_context(),
        trust_env=False,
        allow_http=False,
        transport=MockTransport([json_response({})], clock=FakeClock()),
        hooks=[hook],
    )
    assert_type(whole.with_options(timeout=5, retry=0, deadline=None, per_page=5, hooks=[hook]), AsyncClient)
    AsyncClient(hooks=[hook, OpenTelemetryHook()])
    OpenTelemetryHook(tracer_provider=None, meter_provider=None, propagator=None)
    AsyncClient(base_url=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient("https://host.example", "t")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    AsyncClient(nothing=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def reading() -> None:
    async with AsyncClient() as chat:
        assert_type(chat, AsyncClient)
        assert_type(await chat.models.get(1), Model)
        assert_type(await chat.conversations.get(1), Conversation)
        async for model in chat.models.list(since="2025-05-05", until=dt.date(2025, 5, 6), per_page=5):
            assert_type(model, Model)
        async for row in chat.conversations.list(
            model_id=1, since=dt.datetime.now(dt.UTC), sort="updated_at", concurrency=4, ordered=False
        ):
            assert_type(row, Conversation)
        async for message in chat.messages.list(1, per_page=5, concurrency=4, ordered=False):
            assert_type(message, Message)
        chat.conversations.list(sort="name")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await chat.models.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert_type(await chat.request(Request("GET", "/x", params={"page": 1})), Response)


async def paging(chat: AsyncClient) -> None:
    pager = chat.conversations.list()
    assert_type(pager, AsyncPager[Conversation])
    assert_type(await pager, Page[Conversation])
    assert_type(await pager.page(2), Page[Conversation])
    assert_type(await pager.count(), int)
    assert_type(await pager.collect(), list[Conversation])
    async for page in pager.pages():
        assert_type(page, Page[Conversation])
        assert_type(page.data, list[Conversation])
        assert_type((page.page, page.rows_per_page, page.total_pages, page.total_rows), tuple[int, int, int, int])
    async with pager as same:
        assert_type(same, AsyncPager[Conversation])
    assert_type(pager.raw(), AsyncPager[RawRow])
    async for raw in pager.raw():
        assert_type(
            (raw.id, raw.created_at, raw.updated_at, raw.json), tuple[int, dt.datetime, dt.datetime | None, bytes]
        )
    await pager.aclose()
    for _row in pager:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


def records(
    model: Model, conversation: Conversation, message: Message, event: asyncchat.KeywordNotificationEvent
) -> None:
    assert_type((model.id, model.name, model.created_at), tuple[int, str, dt.datetime])
    assert_type(model.extra, Mapping[str, Any])
    assert_type((message.id, message.seq, message.sender), tuple[int, str, str])
    assert_type((message.message, message.created_at), tuple[str, dt.datetime])
    assert_type((conversation.id, conversation.model_id, conversation.model_name), tuple[int, int, str])
    assert_type((conversation.created_at, conversation.updated_at), tuple[dt.datetime, dt.datetime])
    assert_type((conversation.platform, conversation.platform_user_id), tuple[str, str])
    assert_type(conversation.most_recent_message, Message | None)
    assert_type(conversation.recent_messages, list[Message])
    assert_type(event.event, str)
    assert_type(event.payload, asyncchat.KeywordNotification)
    assert_type((event.payload.keyword, event.payload.updated_at), tuple[str, dt.datetime | None])
    Model(id=1, name="n", created_at=dt.datetime.now(dt.UTC))
    Model(1, "n", dt.datetime.now(dt.UTC))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    model.name = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def failing(chat: AsyncClient) -> None:
    try:
        await chat.models.get(1)
    except APIStatusError as error:
        assert_type((error.status, error.request_id, error.body), tuple[int, str | None, str])
        assert_type((error.retry_after, error.method, error.path), tuple[float | None, str | None, str | None])
    except APIConnectionError as error:
        assert_type((error.sent, error.retryable, error.attempts, error.elapsed), tuple[bool, bool, int, float])
    except DecodeError as error:
        assert_type(error.paths, tuple[str, ...])


def blocking() -> None:
    with Client("https://host.example/v1", token="t", timeout=5, retry=RetryPolicy(attempts=2), hooks=[hook]) as chat:
        assert_type(chat, Client)
        assert_type(chat.models.get(1), Model)
        assert_type(chat.conversations.get(1), Conversation)
        for model in chat.models.list(since="2025-05-05", until=dt.date(2025, 5, 6)):
            assert_type(model, Model)
        for row in chat.conversations.list(model_id=1, sort="updated_at", concurrency=4, ordered=False):
            assert_type(row, Conversation)
        for message in chat.messages.list(1, per_page=5):
            assert_type(message, Message)
        pager = chat.conversations.list()
        assert_type(pager, Pager[Conversation])
        assert_type(pager.page(2), Page[Conversation])
        assert_type(pager.count(), int)
        assert_type(pager.collect(), list[Conversation])
        assert_type(pager.raw(), Pager[RawRow])
        for page in pager.pages():
            assert_type(page, Page[Conversation])
        with pager as same:
            assert_type(same, Pager[Conversation])
        pager.close()
        assert_type(chat.request(Request("GET", "/x")), Response)
        assert_type(chat.with_options(timeout=None, retry=0), Client)
        assert_type(chat.per_page, int)
        chat.conversations.list(sort="name")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        chat.conversations.list(nothing=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        chat.models.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(nothing=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


assert_type(asyncchat.__version__, str)
assert_type(FakeClock().slept, list[float])
make: Callable[[Request], Response] = lambda request: json_response({"path": request.path})  # noqa: E731 - a user's
MockTransport(make)
