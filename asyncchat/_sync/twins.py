"""Descriptors that make a blocking method of an asynchronous one, with its exact types."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, Self, TypeVar, overload

from asyncchat._client import AsyncClient
from asyncchat._paging import AsyncPager
from asyncchat._sync.bridge import Bridge, refuse_pickling
from asyncchat._sync.pager import Pager

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Twin:
    """A blocking object over an asynchronous one.

    Args:
        bridge: Where the asynchronous client lives.
        find: Finds the asynchronous object from that client; a forked child finds its own.
    """

    def __init__(self, bridge: Bridge[Any], find: Callable[[AsyncClient], Any]) -> None:
        self._bridge = bridge
        self._find = find

    @property
    def _target(self) -> Any:
        return self._find(self._bridge.resident)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __reduce__(self) -> NoReturn:
        refuse_pickling(self)


def arguments_of(
    make: Callable[P, object],
) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Give an `__init__` the parameters of the asynchronous class."""

    def decorate(init: Callable[..., None]) -> Callable[Concatenate[Any, P], None]:
        first, *_ = inspect.signature(init).parameters.values()
        others = inspect.signature(make).parameters.values()
        init.__signature__ = inspect.Signature([first, *others])  # type: ignore[attr-defined]
        return init

    return decorate


class Bound(Generic[P, R]):
    """A method that is ready to be called, with the name, signature and docstring of its twin."""

    def __init__(self, twin: Callable[..., Any], call: Callable[P, R]) -> None:
        self.__name__ = twin.__name__
        self.__qualname__ = twin.__qualname__.replace("Async", "")
        self.__doc__ = twin.__doc__
        self._twin = twin
        self._call = call

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._call(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        signature = inspect.signature(self._twin)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


class Awaits(Generic[P, R]):
    """A blocking method over one that is awaited."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> None:
        self.__doc__ = method.__doc__
        self.method = method

    @overload
    def __get__(self, obj: None, owner: type) -> Self: ...
    @overload
    def __get__(self, obj: Twin, owner: type) -> Callable[P, R]: ...
    def __get__(self, obj: Twin | None, owner: type) -> Self | Callable[P, R]:
        if obj is None:
            return self

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return obj._bridge.run(self.method, obj._target, *args, **kwargs)  # noqa: SLF001

        return Bound(self.method, call)


class Lists(Generic[P, T]):
    """A blocking method over one that makes a pager."""

    def __init__(self, method: Callable[Concatenate[Any, P], AsyncPager[T]]) -> None:
        self.__doc__ = method.__doc__
        self.method = method

    @overload
    def __get__(self, obj: None, owner: type) -> Self: ...
    @overload
    def __get__(self, obj: Twin, owner: type) -> Callable[P, Pager[T]]: ...
    def __get__(self, obj: Twin | None, owner: type) -> Self | Callable[P, Pager[T]]:
        if obj is None:
            return self

        def call(*args: P.args, **kwargs: P.kwargs) -> Pager[T]:
            find = obj._find  # noqa: SLF001
            return Pager(obj._bridge, lambda client: self.method(find(client), *args, **kwargs))  # noqa: SLF001

        return Bound(self.method, call)
