"""A user's file of blocking code: what type checkers make of it. It is checked by mypy and pyright, and never run.

Each method is assigned to a protocol, which says what it takes at least, and is given what it must refuse.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, Protocol, assert_type

from asyncchat import (
    AsyncClient,
    Client,
    Conversation,
    Message,
    Model,
    Page,
    Pager,
    RawRow,
    Request,
    Response,
    RetryPolicy,
)
from asyncchat.blocking import Batches, export, export_batches, probe_server
from asyncchat.export import Batch, ExportReport, Probe, Progress

When = dt.datetime | dt.date | str


class GetModel(Protocol):
    def __call__(self, model_id: int) -> Model: ...


class GetConversation(Protocol):
    def __call__(self, conversation_id: int) -> Conversation: ...


class ListModels(Protocol):
    def __call__(
        self,
        *,
        since: When | None = None,
        until: When | None = None,
        per_page: int | None = None,
        concurrency: int | None = None,
        ordered: bool = True,
    ) -> Pager[Model]: ...


class ListConversations(Protocol):
    def __call__(
        self,
        *,
        model_id: int | None = None,
        since: When | None = None,
        until: When | None = None,
        sort: Literal["created_at", "updated_at"] | None = None,
        per_page: int | None = None,
        concurrency: int | None = None,
        ordered: bool = True,
    ) -> Pager[Conversation]: ...


class ListMessages(Protocol):
    def __call__(
        self,
        conversation_id: int,
        *,
        per_page: int | None = None,
        concurrency: int | None = None,
        ordered: bool = True,
    ) -> Pager[Message]: ...


class Send(Protocol):
    def __call__(self, request: Request) -> Response: ...


class Options(Protocol):
    def __call__(
        self,
        *,
        timeout: float | None = ...,
        deadline: float | None = ...,
        retry: RetryPolicy | int = ...,
        per_page: int = ...,
        max_body: int = ...,
    ) -> Client: ...


def methods(chat: Client) -> None:
    get_model: GetModel = chat.models.get
    get_conversation: GetConversation = chat.conversations.get
    list_models: ListModels = chat.models.list
    list_conversations: ListConversations = chat.conversations.list
    list_messages: ListMessages = chat.messages.list
    send: Send = chat.request
    options: Options = chat.with_options
    close: Callable[[], None] = chat.close
    for method in (get_model, get_conversation, list_models, list_conversations, list_messages, send, options, close):
        assert callable(method)


def results(chat: Client) -> None:
    assert_type(chat.models.get(1), Model)
    assert_type(chat.models.get(model_id=1), Model)
    assert_type(chat.conversations.get(1), Conversation)
    assert_type(chat.models.list(), Pager[Model])
    assert_type(chat.conversations.list(), Pager[Conversation])
    assert_type(chat.messages.list(1), Pager[Message])
    assert_type(chat.messages.list(conversation_id=1), Pager[Message])
    assert_type(chat.request(Request("GET", "/x")), Response)
    assert_type(chat.with_options(timeout=1), Client)
    assert_type((chat.base_url, chat.per_page), tuple[str | None, int])
    with chat as same:
        assert_type(same, Client)


def listings(pager: Pager[Message]) -> None:
    assert_type(iter(pager), Iterator[Message])
    assert_type(list(pager), list[Message])
    assert_type(pager.pages(), Iterator[Page[Message]])
    assert_type(pager.page(2), Page[Message])
    assert_type(pager.page(number=2), Page[Message])
    assert_type(pager.count(), int)
    assert_type(pager.collect(), list[Message])
    assert_type(pager.raw(), Pager[RawRow])
    with pager as same:
        assert_type(same, Pager[Message])
    pager.page()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    pager.page("2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pager.count(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def refused_models(chat: Client) -> None:
    chat.models.get()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    chat.models.get(1, 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    chat.models.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.models.get(id=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    chat.models.list("2025-05-05")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    chat.models.list(since=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.models.list(until=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.models.list(per_page="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.models.list(concurrency="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.models.list(ordered="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.models.list(sort="created_at")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def refused_conversations(chat: Client) -> None:
    chat.conversations.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.conversations.list(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    chat.conversations.list(model_id="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.conversations.list(since=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.conversations.list(until=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.conversations.list(sort="name")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.conversations.list(per_page="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.conversations.list(concurrency="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.conversations.list(ordered="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def refused_others(chat: Client) -> None:
    chat.messages.list()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    chat.messages.list("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.messages.list(1, since="2025-05-05")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    chat.messages.list(1, per_page="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.messages.list(1, concurrency="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.messages.list(1, ordered="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.request("/x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.with_options(5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    chat.with_options(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.with_options(retry="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    chat.with_options(nothing=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    chat.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Client("https://host.example", "t")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Client(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def observe(progress: Progress) -> None:
    assert_type(progress, Progress)


def functions(chat: Client) -> None:
    assert_type(export(chat, "folder"), ExportReport)
    assert_type(export(chat, Path("folder"), since=dt.date(2025, 5, 5), messages=False, observer=observe), ExportReport)
    assert_type(probe_server(chat), Probe)
    batches = export_batches(chat, since="2025-05-05", models=[1])
    assert_type(batches, Batches)
    for batch in batches:
        assert_type(batch, Batch)
    assert_type(batches.report, ExportReport)
    export_batches(chat, since=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    export_batches(AsyncClient())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    export(chat)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    export(chat, 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    export(chat, "folder", since=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    export(chat, "folder", nothing=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    export(AsyncClient(), "folder")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    probe_server(AsyncClient())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
