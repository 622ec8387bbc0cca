"""Blocking functions of asynchronous ones that take a client first."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from asyncchat._client import AsyncClient
from asyncchat._sync.client import Client
from asyncchat.errors import ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")


def blocking(
    function: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Client, P], R]:
    """The blocking twin of a coroutine function, with its name, docstring and parameters, but for the client's type."""

    @functools.wraps(function)
    def call(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not isinstance(client, Client):
            raise ConfigurationError(
                f"{function.__name__} of asyncchat.blocking takes a Client, not {type(client).__name__}: "
                f"await the one of {function.__module__} with an AsyncClient"
            )
        return client._bridge.run(function, client._target, *args, **kwargs)  # noqa: SLF001

    signature = inspect.signature(function)
    first, *others = signature.parameters.values()
    twin = first.replace(kind=inspect.Parameter.POSITIONAL_ONLY, annotation=Client)
    call.__signature__ = signature.replace(parameters=[twin, *others])  # type: ignore[attr-defined]
    call.__annotations__ = {**function.__annotations__, first.name: Client}
    call.__module__ = "asyncchat.blocking"
    return call
