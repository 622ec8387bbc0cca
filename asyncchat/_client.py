"""The asynchronous client."""

from __future__ import annotations

import os
import ssl as ssl_module
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from asyncchat._config import resolve_auth, resolve_base_url
from asyncchat._events import Hook
from asyncchat._policy.auth import Auth
from asyncchat._policy.options import CallOptions
from asyncchat._policy.retry import RetryPolicy
from asyncchat._policy.secret import Token, out_of_sight
from asyncchat._resources import AsyncConversations, AsyncMessages, AsyncModels
from asyncchat._transport.aiohttp import AiohttpTransport
from asyncchat._transport.base import SystemClock, Transport
from asyncchat._transport.pipeline import Pipeline
from asyncchat._types import UNSET, Clock, Unset
from asyncchat._wire.request import Request, check_count
from asyncchat._wire.response import Response
from asyncchat.errors import ConfigurationError

T = TypeVar("T")


def _whole(response: Response) -> Response:
    return response


class AsyncClient:
    """A client of the chat platform's API. Use it as `async with AsyncClient(...) as chat:`.

    Making one sends nothing. The connection pool is opened by the first call, in the event loop of that call.

    Args:
        base_url: Where the API is, with its prefix, as in https://host/v1; None: ASYNCCHAT_BASE_URL.
        token: The API token; None: ASYNCCHAT_API_TOKEN.
        auth: Where the token goes: "bearer", "header:NAME", "query:NAME", or a flow such as `BearerAuth(token)`; None:
            ASYNCCHAT_AUTH, then "bearer".
        timeout: Seconds for one attempt, None for no bound. Waiting for a free slot is not counted.
        deadline: Seconds for a call with all its attempts and waits, None for no bound.
        max_concurrency: Requests in flight at most, over all that this client does.
        max_rate: Requests a second at most, None for no bound.
        retry: A `RetryPolicy`, or a number of retries after the first attempt (0: none).
        per_page: Rows to ask for in a page.
        max_body: Bytes of an answer at most, decompressed.
        ssl: An `ssl.SSLContext`, or a PEM file with your own CA; None: the system's CAs. Checking is never turned off.
        trust_env: Whether proxies are taken from the environment.
        allow_http: Whether plain http may go to a host that is not this machine.
        transport: What sends requests, instead of aiohttp: a `MockTransport` in tests. It needs no base_url and no
            token.
        hooks: Callables that are given each `RequestEvent`, `ResponseEvent`, `RetryEvent` and `PauseEvent`.
        clock: Where the time comes from; None: the transport's own `clock` if it has one, else the machine's.

    Raises:
        ConfigurationError: An argument or a variable is wrong.
    """

    @out_of_sight
    def __init__(
        self,
        base_url: str | None = None,
        *,
        token: str | Token | None = None,
        auth: str | Auth | None = None,
        timeout: float | None = 60.0,
        deadline: float | None = 180.0,
        max_concurrency: int = 32,
        max_rate: float | None = None,
        retry: RetryPolicy | int = RetryPolicy(attempts=4),  # noqa: B008 - a frozen value
        per_page: int = 100,
        max_body: int = 32 * 2**20,
        ssl: ssl_module.SSLContext | str | os.PathLike[str] | None = None,
        trust_env: bool = False,
        allow_http: bool = False,
        transport: Transport | None = None,
        hooks: Iterable[Hook] = (),
        clock: Clock | None = None,
    ) -> None:
        self._options = CallOptions(
            timeout=timeout, deadline=deadline, retry=retry, per_page=per_page, max_body=max_body, hooks=hooks
        )
        if max_rate is not None and (not isinstance(max_rate, int | float) or not max_rate > 0):
            raise ConfigurationError(f"max_rate takes requests a second above 0, or None, not {max_rate!r}")
        self._base_url = base_url
        if transport is None:
            self._base_url = resolve_base_url(base_url, allow_http=allow_http)
            transport = AiohttpTransport(self._base_url, ssl=ssl, trust_env=trust_env)
        elif token is None and not isinstance(auth, Auth):
            token = os.environ.get("ASYNCCHAT_API_TOKEN", "mock")
        self._pipeline = Pipeline(
            transport,
            resolve_auth(auth, token),
            clock=clock or getattr(transport, "clock", None) or SystemClock(),
            max_concurrency=check_count(max_concurrency, "max_concurrency"),
            max_rate=max_rate,
        )
        self._owns_pipeline = True

    @property
    def models(self) -> AsyncModels:
        """The bots or channels of the account."""
        return AsyncModels(self)

    @property
    def conversations(self) -> AsyncConversations:
        """The conversations of the account."""
        return AsyncConversations(self)

    @property
    def messages(self) -> AsyncMessages:
        """The messages of conversations."""
        return AsyncMessages(self)

    @property
    def base_url(self) -> str | None:
        """Where the API is, without a slash at the end; None when a transport was given and no URL."""
        return self._base_url

    @property
    def per_page(self) -> int:
        """Rows to ask for in a page when a call does not say."""
        return self._options.per_page

    def with_options(
        self,
        *,
        timeout: float | Unset | None = UNSET,
        deadline: float | Unset | None = UNSET,
        retry: RetryPolicy | int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        max_body: int | Unset = UNSET,
        hooks: Iterable[Hook] | Unset = UNSET,
    ) -> Self:
        """A view on the same connections and limits with other options for its calls.

        What is not given stays as it is. Closing a view closes nothing: the client that it came from does.

        Args:
            timeout: Seconds for one attempt, None for no bound.
            deadline: Seconds for a call with all its attempts and waits, None for no bound.
            retry: A `RetryPolicy`, or a number of retries (0: none).
            per_page: Rows to ask for in a page.
            max_body: Bytes of an answer at most, decompressed.
            hooks: Further hooks, called after those that are there.

        Raises:
            ConfigurationError: An option is wrong.
        """
        given: dict[str, Any] = {
            "timeout": timeout,
            "deadline": deadline,
            "retry": retry,
            "per_page": per_page,
            "max_body": max_body,
            "hooks": hooks if isinstance(hooks, Unset) else (*self._options.hooks, *hooks),
        }
        changes = {name: value for name, value in given.items() if value is not UNSET}
        view = object.__new__(type(self))
        view._base_url = self._base_url
        view._options = attrs.evolve(self._options, **changes)
        view._pipeline = self._pipeline
        view._owns_pipeline = False
        return view

    async def request(self, request: Request) -> Response:
        """Send any request below the base URL, under the same policies.

        Raises:
            APIStatusError: The answer's status is neither success nor 304.
            AsyncChatError: The call failed.
        """
        return await self.call(request, _whole)

    async def call(self, request: Request, read: Callable[[Response], T]) -> T:
        """Send a request and read its answer with `read`, within the policies: an answer that it raises a retryable
        `DecodeError` for is asked for again.

        Raises:
            APIStatusError: The answer's status is neither success nor 304.
            AsyncChatError: The call failed.
        """  # noqa: D205 - one sentence
        return await self._pipeline.call(request, read, self._options)

    async def aclose(self) -> None:
        """Close every connection. May be called twice; the client cannot be used afterwards."""
        if self._owns_pipeline:
            await self._pipeline.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
