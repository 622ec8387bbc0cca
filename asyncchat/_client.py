"""The asynchronous client."""

from __future__ import annotations

import math
import os
import ssl as ssl_module
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from asyncchat._config import check_base_url, make_profile, resolve_auth, resolve_base_url, settle
from asyncchat._events import Hook
from asyncchat._policy.auth import Auth
from asyncchat._policy.options import CallOptions
from asyncchat._policy.retry import RetryPolicy
from asyncchat._policy.secret import Token, out_of_sight
from asyncchat._profile import Profile
from asyncchat._resources import AsyncConversations, AsyncMessages, AsyncModels, Caller
from asyncchat._transport.aiohttp import AiohttpTransport
from asyncchat._transport.base import SystemClock, Transport
from asyncchat._transport.pipeline import Pipeline
from asyncchat._types import UNSET, Clock, Unset
from asyncchat._wire.request import Request, check_count
from asyncchat._wire.response import Response
from asyncchat.errors import ConfigurationError

T = TypeVar("T")


def check_rate(rate: float | None) -> float | None:
    """Refuse what is no rate.

    Raises:
        ConfigurationError: It is neither a number above 0 nor None.
    """
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf):
        raise ConfigurationError(f"max_rate takes requests a second above 0, or None, not {rate!r:.80}")
    return rate


def check_switch(value: bool | Unset, name: str) -> None:
    """Refuse what is neither on nor off: a text such as "no" would be on.

    Raises:
        ConfigurationError: It is no bool.
    """
    if not isinstance(value, bool | Unset):
        raise ConfigurationError(f"{name} takes True or False, not {value!r:.80}")


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
        profile: A `Profile`, or the name of one in ~/.config/asyncchat/config.toml; it counts where neither an argument
            nor a variable says anything. None: no file is read.
        timeout: Seconds for one attempt, None for no bound; 60 if not given. Waiting for a free slot is not counted.
        deadline: Seconds for a call with all its attempts and waits, None for no bound; 180 if not given.
        max_concurrency: Requests in flight at most, over all that this client does; 32 if not given. It starts with 8,
            and learns how many the server takes.
        max_rate: Requests a second at most; None, or not given: no bound until the server answers 429, then what it
            shows to take.
        retry: A `RetryPolicy`, or a number of retries after the first attempt (0: none); `RetryPolicy(attempts=4)` if
            not given.
        per_page: Rows to ask for in a page; 100 if not given.
        max_body: Bytes of an answer at most, decompressed.
        ssl: An `ssl.SSLContext`, or a PEM file with your own CA; None: the profile's `ca_file`, else the system's CAs.
            Checking is never turned off.
        trust_env: Whether proxies are taken from the environment; False if not given.
        allow_http: Whether plain http may go to a host that is not this machine; False if not given.
        transport: What sends requests, instead of aiohttp: a `MockTransport` in tests. It needs no base_url and no
            token.
        hooks: Callables that are given each event of its calls, such as `ResponseEvent` and `RetryEvent`. One that
            raises is logged, and harms no call.
        clock: Where the time comes from; None: the transport's own `clock` if it has one, else the machine's.

    Raises:
        ConfigurationError: An argument, a variable or the profile is wrong.

    Warns:
        UserWarning: Others can read the profile's token, or change its file.
    """

    @out_of_sight
    def __init__(
        self,
        base_url: str | None = None,
        *,
        token: str | Token | None = None,
        auth: str | Auth | None = None,
        profile: str | Profile | None = None,
        timeout: float | Unset | None = UNSET,
        deadline: float | Unset | None = UNSET,
        max_concurrency: int | Unset = UNSET,
        max_rate: float | Unset | None = UNSET,
        retry: RetryPolicy | int | Unset = UNSET,
        per_page: int | Unset = UNSET,
        max_body: int = 32 * 2**20,
        ssl: ssl_module.SSLContext | str | os.PathLike[str] | None = None,
        trust_env: bool | Unset = UNSET,
        allow_http: bool | Unset = UNSET,
        transport: Transport | None = None,
        hooks: Iterable[Hook] = (),
        clock: Clock | None = None,
    ) -> None:
        said = make_profile(profile)
        check_switch(allow_http, "allow_http")
        check_switch(trust_env, "trust_env")
        chosen = settle(
            {
                "timeout": timeout,
                "deadline": deadline,
                "max_concurrency": max_concurrency,
                "max_rate": max_rate,
                "retry": retry,
                "per_page": per_page,
                "trust_env": trust_env,
            },
            said,
        )
        rate, concurrency, proxies = (chosen.pop(name) for name in ("max_rate", "max_concurrency", "trust_env"))
        options = CallOptions(**chosen, max_body=max_body, hooks=hooks)
        is_bare = transport is None and clock is None and not isinstance(auth, Auth)
        self._base_url: str | None = None
        if transport is None:
            self._base_url = resolve_base_url(base_url, allow_http=allow_http, profile=said)
            authority = said.ca_file if ssl is None and said else ssl
            transport = AiohttpTransport(self._base_url, ssl=authority, trust_env=proxies)
        else:
            named = base_url or (said.base_url if said else None)
            self._base_url = named and check_base_url(named, allow_http=True)
            if token is None and not isinstance(auth, Auth) and not (said and said.token_source):
                token = os.environ.get("ASYNCCHAT_API_TOKEN", "mock")
        pipeline = Pipeline(
            transport,
            resolve_auth(auth, token, profile=said, base_url=self._base_url or ""),
            clock=clock or getattr(transport, "clock", None) or SystemClock(),
            max_concurrency=check_count(concurrency, "max_concurrency"),
            max_rate=check_rate(rate),
            base_url=self._base_url,
        )
        self._caller = Caller(pipeline, options, is_bare=is_bare)
        self._owns_pipeline = True

    @property
    def models(self) -> AsyncModels:
        """The bots or channels of the account."""
        return AsyncModels(self._caller)

    @property
    def conversations(self) -> AsyncConversations:
        """The conversations of the account."""
        return AsyncConversations(self._caller)

    @property
    def messages(self) -> AsyncMessages:
        """The messages of conversations."""
        return AsyncMessages(self._caller)

    @property
    def base_url(self) -> str | None:
        """Where the API is, without a slash at the end; None when a transport was given and no URL."""
        return self._base_url

    @property
    def per_page(self) -> int:
        """Rows to ask for in a page when a call does not say."""
        return self._caller.options.per_page

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
            "hooks": hooks if isinstance(hooks, Unset) else (*self._caller.options.hooks, *hooks),
        }
        changes = {name: value for name, value in given.items() if value is not UNSET}
        view = object.__new__(type(self))
        view._base_url = self._base_url
        view._caller = self._caller.with_options(**changes)
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
        return await self._caller.call(request, read)

    async def aclose(self) -> None:
        """Close every connection. May be called twice; the client cannot be used afterwards."""
        if self._owns_pipeline:
            await self._caller.pipeline.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
