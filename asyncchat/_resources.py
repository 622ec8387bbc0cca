"""The six reads of the contract, as namespaces of a client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any, Generic, TypeVar

import attrs

from asyncchat._codec import Readers, readers
from asyncchat._paging import AsyncPager
from asyncchat._policy.options import CallOptions
from asyncchat._transport.pipeline import Pipeline
from asyncchat._types import SortField
from asyncchat._wire.request import Request, check_id
from asyncchat._wire.response import Response
from asyncchat._wire.timestamps import check_range, format_filter, to_instant
from asyncchat.errors import ConfigurationError
from asyncchat.models import Conversation, Message, Model, Page, RawRow, Record

T = TypeVar("T")
R = TypeVar("R", bound=Record)

When = datetime | date | str

_MODEL = readers(Model)
_CONVERSATION = readers(Conversation)
_MESSAGE = readers(Message)


@attrs.frozen
class Caller:
    """What a resource needs of its client.

    Args:
        pipeline: Sends calls.
        options: Those of the calls that it makes.
        is_bare: Whether transport, auth and clock are the client's own.
    """

    pipeline: Pipeline
    options: CallOptions
    is_bare: bool

    @property
    def runs_user_code(self) -> bool:
        """Whether something of the user's runs in its calls, such as a hook."""
        return bool(self.options.hooks) or not self.is_bare

    def call(self, request: Request, read: Callable[[Response], T]) -> Awaitable[T]:
        """Send a request under the client's policies and read its answer."""
        return self.pipeline.call(request, read, self.options)

    def ask(self, request: Request, read: Callable[[Response], T]) -> Awaitable[Callable[[], T]]:
        """The same, giving what reads the answer."""
        return self.pipeline.ask(request, read, self.options)

    def with_options(self, **changes: Any) -> Caller:
        """The same with other options."""
        return attrs.evolve(self, options=attrs.evolve(self.options, **changes))


@attrs.define(eq=False)
class Listing(Generic[T]):
    """A listing of the API: its path and filters, and how to read a page of it."""

    _caller: Caller = attrs.field(repr=False)
    path: str
    filters: tuple[tuple[str, str], ...]
    _read: Callable[[Response], Page[T]] = attrs.field(repr=False)
    _read_raw: Callable[[Response], Page[RawRow]] = attrs.field(repr=False)

    @property
    def runs_user_code(self) -> bool:
        """Whether something of the user's runs in its calls, such as a hook."""
        return self._caller.runs_user_code

    async def fetch(self, page: int, per_page: int) -> Page[T]:
        """One page of it."""
        return await self._caller.call(self._request(page, per_page), self._read)

    async def ask(self, page: int, per_page: int) -> Callable[[], Page[T]]:
        """One page of it, which is read later."""
        return await self._caller.ask(self._request(page, per_page), self._read)

    def _request(self, page: int, per_page: int) -> Request:
        params = (("page", str(page)), ("per_page", str(per_page)), *self.filters)
        return Request.of_parts("GET", self.path, params)

    def raw(self) -> Listing[RawRow]:
        """The same listing with its rows as they were sent."""
        return Listing(self._caller, self.path, self.filters, self._read_raw, self._read_raw)


def _filters(since: When | None, until: When | None, sort: str | None = None) -> tuple[tuple[str, str], ...]:
    low = None if since is None else to_instant(since, "since")
    high = None if until is None else to_instant(until, "until")
    check_range(low, high)
    if sort not in {None, "created_at", "updated_at"}:
        raise ConfigurationError(f'sort takes "created_at" or "updated_at", not {sort!r:.40}')
    times = tuple((name, format_filter(at)) for name, at in (("since", low), ("until", high)) if at is not None)
    return times if sort is None else (*times, ("sort", sort))


class _Resource:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def _pager(
        self,
        read: Readers[R],
        path: str,
        filters: tuple[tuple[str, str], ...],
        *,
        per_page: int | None,
        concurrency: int | None,
        ordered: bool,
    ) -> AsyncPager[R]:
        listing = Listing(self._caller, path, filters, read.page, read.raw_page)
        size = self._caller.options.per_page if per_page is None else per_page
        return AsyncPager(listing, listing.raw, per_page=size, concurrency=concurrency, ordered=ordered)


class AsyncModels(_Resource):
    """The bots or channels of the account."""

    async def get(self, model_id: int) -> Model:
        """Get a model by its id.

        Raises:
            NotFoundError: There is none.
            AsyncChatError: The call failed.
        """
        return await self._caller.call(Request("GET", f"/models/{check_id(model_id, 'model_id')}"), _MODEL.record)

    def list(
        self,
        *,
        since: When | None = None,
        until: When | None = None,
        per_page: int | None = None,
        concurrency: int | None = None,
        ordered: bool = True,
    ) -> AsyncPager[Model]:
        """Get all models.

        Args:
            since: Only those created at or after it, inclusive, at whole seconds: an aware datetime, a date (midnight
                UTC) or a text such as 2025-05-05 or 2025-05-05T05:05:05+0700.
            until: Only those created at or before it, inclusive.
            per_page: Rows to ask for in a page; None: the client's `per_page`.
            concurrency: Page requests in flight at most; None: 8.
            ordered: Whether rows come in the server's order, or as pages arrive.

        Raises:
            ConfigurationError: An argument is wrong. The other errors come when pages are fetched.
        """
        filters = _filters(since, until)
        return self._pager(_MODEL, "/models", filters, per_page=per_page, concurrency=concurrency, ordered=ordered)


class AsyncConversations(_Resource):
    """The conversations of the account."""

    async def get(self, conversation_id: int) -> Conversation:
        """Get a conversation by its id.

        Raises:
            NotFoundError: There is none.
            AsyncChatError: The call failed.
        """
        path = f"/conversations/{check_id(conversation_id, 'conversation_id')}"
        return await self._caller.call(Request("GET", path), _CONVERSATION.record)

    def list(
        self,
        *,
        model_id: int | None = None,
        since: When | None = None,
        until: When | None = None,
        sort: SortField | None = None,
        per_page: int | None = None,
        concurrency: int | None = None,
        ordered: bool = True,
    ) -> AsyncPager[Conversation]:
        """Get all conversations, or all of one model.

        Args:
            model_id: Only those of this model.
            since: Only those at or after it, inclusive, at whole seconds: an aware datetime, a date (midnight UTC) or a
                text such as 2025-05-05 or 2025-05-05T05:05:05+0700.
            until: Only those at or before it, inclusive.
            sort: The time field that since and until filter on; None: the server's default, created_at. It orders
                nothing (contract).
            per_page: Rows to ask for in a page; None: the client's `per_page`.
            concurrency: Page requests in flight at most; None: 8.
            ordered: Whether rows come in the server's order, or as pages arrive.

        Raises:
            ConfigurationError: An argument is wrong. The other errors come when pages are fetched.
        """
        path = "/conversations" if model_id is None else f"/models/{check_id(model_id, 'model_id')}/conversations"
        filters = _filters(since, until, sort)
        return self._pager(_CONVERSATION, path, filters, per_page=per_page, concurrency=concurrency, ordered=ordered)


class AsyncMessages(_Resource):
    """The messages of conversations."""

    def list(
        self,
        conversation_id: int,
        *,
        per_page: int | None = None,
        concurrency: int | None = None,
        ordered: bool = True,
    ) -> AsyncPager[Message]:
        """Get all messages of a conversation.

        Args:
            conversation_id: Whose messages.
            per_page: Rows to ask for in a page; None: the client's `per_page`.
            concurrency: Page requests in flight at most; None: 8.
            ordered: Whether rows come in the server's order, or as pages arrive.

        Raises:
            ConfigurationError: An argument is wrong. The other errors come when pages are fetched.
        """
        path = f"/conversations/{check_id(conversation_id, 'conversation_id')}/messages"
        return self._pager(_MESSAGE, path, (), per_page=per_page, concurrency=concurrency, ordered=ordered)
