"""The blocking client's surface."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, cast, overload

from asyncchat._client import AsyncClient
from asyncchat._policy.secret import Token, out_of_sight
from asyncchat._resources import AsyncConversations, AsyncMessages, AsyncModels
from asyncchat._sync.bridge import Bridge
from asyncchat._sync.twins import Awaits, Bound, Lists, Twin, arguments_of

P = ParamSpec("P")


class Models(Twin):
    """The bots or channels of the account."""

    get = Awaits(AsyncModels.get)
    list = Lists(AsyncModels.list)


class Conversations(Twin):
    """The conversations of the account."""

    get = Awaits(AsyncConversations.get)
    list = Lists(AsyncConversations.list)


class Messages(Twin):
    """The messages of conversations."""

    list = Lists(AsyncMessages.list)


class Views(Generic[P]):
    """A method over one that makes a view of the client."""

    def __init__(self, method: Callable[Concatenate[Any, P], AsyncClient]) -> None:
        self.__doc__ = method.__doc__
        self.method = method

    @overload
    def __get__(self, obj: None, owner: type) -> Self: ...
    @overload
    def __get__(self, obj: Client, owner: type) -> Callable[P, Client]: ...
    def __get__(self, obj: Client | None, owner: type) -> Self | Callable[P, Client]:
        if obj is None:
            return self

        def call(*args: P.args, **kwargs: P.kwargs) -> Client:
            return obj._view(functools.partial(self.method, *args, **kwargs))  # noqa: SLF001

        return Bound(self.method, call)


class Client(Twin):
    """A blocking client of the chat platform's API: `with Client(...) as chat:`.

    It takes the arguments of `AsyncClient`, and has its methods without `await`. It may be shared by threads, works
    inside a running event loop (notebooks) and in a forked child.

    Raises:
        ConfigurationError: An argument or a variable is wrong.
    """

    @arguments_of(AsyncClient)
    @out_of_sight
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("token") is not None:
            kwargs["token"] = Token(kwargs["token"])  # what is kept for a forked child shows nothing
        super().__init__(Bridge(functools.partial(AsyncClient, *args, **kwargs)), lambda client: client)
        self._owns_bridge = True

    request = Awaits(AsyncClient.request)
    with_options = Views(AsyncClient.with_options)

    @property
    def models(self) -> Models:
        """The bots or channels of the account."""
        return Models(self._bridge, lambda client: self._find(client).models)

    @property
    def conversations(self) -> Conversations:
        """The conversations of the account."""
        return Conversations(self._bridge, lambda client: self._find(client).conversations)

    @property
    def messages(self) -> Messages:
        """The messages of conversations."""
        return Messages(self._bridge, lambda client: self._find(client).messages)

    @property
    def base_url(self) -> str | None:
        """Where the API is, without a slash at the end; None when a transport was given and no URL."""
        return cast("str | None", self._target.base_url)

    @property
    def per_page(self) -> int:
        """Rows to ask for in a page when a call does not say."""
        return cast("int", self._target.per_page)

    def _view(self, derive: Callable[[Any], AsyncClient]) -> Client:
        derive(self._target)
        view = object.__new__(type(self))
        find = self._find
        Twin.__init__(view, self._bridge, lambda client: derive(find(client)))
        view._owns_bridge = False
        return view

    def close(self) -> None:
        """Close every connection and end the thread. May be called twice; closing a view closes nothing."""
        if self._owns_bridge:
            self._bridge.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
