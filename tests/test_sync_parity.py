"""The blocking surface is the asynchronous one without `await`."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any

import pytest

import asyncchat
from asyncchat import AsyncClient, AsyncPager, Client, Pager
from asyncchat import _resources as resources
from asyncchat._sync import Conversations, Messages, Models

TWINS: list[tuple[type[Any], type[Any]]] = [
    (AsyncClient, Client),
    (AsyncPager, Pager),
    (resources.AsyncModels, Models),
    (resources.AsyncConversations, Conversations),
    (resources.AsyncMessages, Messages),
]
RENAMED = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__"}
# What has no twin: reading an answer inside the loop, and awaiting, for which a blocking pager has page(1).
ASYNC_ONLY = {(AsyncClient, "call"), (AsyncPager, "__await__"), (AsyncPager, "turns"), (AsyncPager, "runs_user_code")}


def surface(kind: type[Any]) -> set[str]:
    """The public names of a class, and the special methods that are about waiting."""
    special = {*RENAMED, *RENAMED.values(), "__await__"}
    own = {name for base in kind.__mro__ if base.__module__.startswith("asyncchat") for name in vars(base)}
    return {name for name in own if not name.startswith("_") or name in special}


@pytest.mark.parametrize(("asynchronous", "blocking"), TWINS)
def test_both_have_the_same_names(asynchronous: type[Any], blocking: type[Any]) -> None:
    """Every public name has its twin, and there is no other."""
    wanted = {name for name in surface(asynchronous) if (asynchronous, name) not in ASYNC_ONLY}
    assert surface(blocking) == {RENAMED.get(name, name) for name in wanted}


def test_every_async_class_is_compared() -> None:
    """No public class is left out of the comparison."""
    names = {name for name in asyncchat.__all__ if name.startswith("Async") and name != "AsyncChatError"}
    names |= {name for name in vars(resources) if name.startswith("Async") and name != "AsyncPager"}
    assert {asynchronous.__name__ for asynchronous, _ in TWINS} == names


def parameters(function: Any) -> list[tuple[Any, ...]]:
    """Names, kinds and defaults, without the object itself."""
    given = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in given if p.name != "self"]


def methods() -> Iterator[tuple[type[Any], type[Any], str]]:
    for asynchronous, blocking in TWINS:
        for name in sorted(surface(asynchronous)):
            if (asynchronous, name) in ASYNC_ONLY or isinstance(vars(asynchronous).get(name), property):
                continue
            yield asynchronous, blocking, name


@pytest.mark.parametrize(("asynchronous", "blocking", "name"), [*methods(), (AsyncClient, Client, "__init__")])
def test_both_take_the_same(asynchronous: type[Any], blocking: type[Any], name: str) -> None:
    """Twins have the same parameters with the same defaults."""
    made = object.__new__(blocking)
    for attribute in ("_bridge", "_find", "_made"):
        setattr(made, attribute, None)
    made._owns_bridge = False
    twin = getattr(made, RENAMED.get(name, name))
    assert parameters(twin) == parameters(getattr(asynchronous, name))


@pytest.mark.parametrize(("asynchronous", "blocking", "name"), [*methods()])
def test_both_say_the_same(asynchronous: type[Any], blocking: type[Any], name: str) -> None:
    """A twin that is a descriptor has the docstring of its method."""
    found = vars(blocking).get(RENAMED.get(name, name))
    if hasattr(found, "method"):
        assert found.__doc__ == vars(asynchronous)[name].__doc__


def blocking_spelling(annotation: str) -> str:
    text = re.sub(r"\bAsync(?=Iterator|Pager|Models|Conversations|Messages|Client)", "", annotation)
    return re.sub(r"AsyncGenerator\[(.*), None\]", r"Iterator[\1]", text)


@pytest.mark.parametrize("name", ["page", "count", "collect", "pages", "raw", "__aiter__"])
def test_both_pagers_give_the_same(name: str) -> None:
    """A pager's twin is annotated to give the same, without the waiting."""
    given = AsyncPager.__dict__[name].__annotations__["return"]
    assert Pager.__dict__[RENAMED.get(name, name)].__annotations__["return"] == blocking_spelling(given)


@pytest.mark.parametrize(
    "name", [name for name in surface(AsyncClient) if isinstance(vars(AsyncClient)[name], property)]
)
def test_properties_give_the_same(name: str) -> None:
    """A property's twin is a property, of the twin's type and docstring."""
    first, second = vars(AsyncClient)[name], vars(Client)[name]
    assert isinstance(second, property)
    assert second.__doc__ == first.__doc__
    kind = typing.get_type_hints(first.fget)["return"]
    twin = dict(TWINS).get(kind, kind)
    assert typing.get_type_hints(second.fget)["return"] == twin
