"""Blocking functions of asynchronous ones that take a client first."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

from asyncchat._client import AsyncClient
from asyncchat._sync.bridge import Bridge
from asyncchat._sync.client import Client
from asyncchat._sync.flow import cross
from asyncchat.errors import ConfigurationError
from asyncchat.export import Batch, ExportBatches, ExportReport

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=Callable[..., Any])


def blocking(
    function: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Client, P], R]:
    """The blocking twin of a coroutine function, with its name, docstring and parameters, but for the client's type."""

    def call(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return client_of(client, function)._bridge.run(function, client._target, *args, **kwargs)  # noqa: SLF001

    return named_after(function, call)


def blocking_batches(
    function: Callable[Concatenate[AsyncClient, P], ExportBatches],
) -> Callable[Concatenate[Client, P], Batches]:
    """Likewise of a function that gives batches."""

    def call(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> Batches:
        find = client_of(client, function)._find  # noqa: SLF001
        return Batches(client._bridge, lambda asynchronous: function(find(asynchronous), *args, **kwargs))  # noqa: SLF001

    return named_after(function, call, result=Batches)


class Batches:
    """Batches of an export: `for batch in batches`, then `batches.report`; the twin of `ExportBatches`.

    Leaving the loop early ends the export and sends nothing more. It can be iterated again, which exports again.
    """

    def __init__(self, bridge: Bridge[AsyncClient], make: Callable[[AsyncClient], ExportBatches]) -> None:
        self._bridge = bridge
        self._make = make
        self._batches = make(bridge.resident)

    def __iter__(self) -> Iterator[Batch]:
        """Every batch.

        Raises:
            ExportError: The server ignores the filters, or has not a model that was asked for.
            AsyncChatError: The server refused, or stopped answering.
        """
        self._batches = batches = self._make(self._bridge.resident)
        yield from cross(self._bridge.thread(ExportBatches.__aiter__), batches.__aiter__)

    @property
    def report(self) -> ExportReport:
        """What was brought, once the loop has ended.

        Raises:
            ConfigurationError: It has not.
        """
        return self._batches.report


def client_of(client: object, function: Callable[..., Any]) -> Client:
    """The blocking client that a function was given.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(client, Client):
        return client
    raise ConfigurationError(
        f"{function.__name__} of asyncchat.blocking takes a Client, not {type(client).__name__}: "
        f"use the one of {function.__module__} with an AsyncClient"
    )


def named_after(function: Callable[..., Any], call: C, *, result: type[Any] | None = None) -> C:
    """Give a blocking function the name, docstring and parameters of its twin, but for the client's type.

    Args:
        function: The twin.
        call: The blocking function.
        result: What it gives, if that is not what the twin gives.
    """
    signature = inspect.signature(function)
    first, *others = signature.parameters.values()
    twin = first.replace(kind=inspect.Parameter.POSITIONAL_ONLY, annotation=Client)
    given = result or signature.return_annotation
    functools.update_wrapper(call, function)
    call.__signature__ = signature.replace(parameters=[twin, *others], return_annotation=given)  # type: ignore[attr-defined]
    call.__annotations__ = {**function.__annotations__, first.name: Client, "return": given}
    call.__module__ = "asyncchat.blocking"
    return call
