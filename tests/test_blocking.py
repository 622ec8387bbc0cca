"""Blocking twins of the functions over a client."""

from __future__ import annotations

import importlib
import inspect
import pickle
import typing
from typing import TYPE_CHECKING, Any

import pytest

import asyncchat.export
from asyncchat import AsyncClient, Client, ConfigurationError, blocking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

from asyncchat.sandbox import Sandbox

PUBLIC = ["asyncchat", "asyncchat.export"]
"""The modules whose coroutine functions are for users."""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=40, messages_mean=3) as running:
        yield running


@pytest.fixture
def chat(box: Sandbox) -> Iterator[Client]:
    with Client(box.base_url, token=box.token) as client:
        yield client


def functions() -> dict[str, Callable[..., Any]]:
    """Every public coroutine function."""
    modules = [importlib.import_module(name) for name in PUBLIC]
    found = {name: getattr(module, name) for module in modules for name in module.__all__}
    return {name: item for name, item in found.items() if inspect.iscoroutinefunction(item)}


def test_every_function_has_its_twin() -> None:
    """Each coroutine function over a client is there for blocking code, and nothing else is."""
    assert {"export", "probe_server"} <= set(functions())
    assert set(blocking.__all__) == set(functions())


@pytest.mark.parametrize("name", blocking.__all__)
def test_twins_take_and_say_the_same(name: str) -> None:
    """A twin has the parameters, the result and the docstring of its function, but takes a `Client`."""
    twin, function = getattr(blocking, name), functions()[name]
    (first, *others), (_, *wanted) = (list(inspect.signature(item).parameters.values()) for item in (twin, function))
    assert others == wanted
    assert (first.name, first.annotation) == ("client", Client)
    assert inspect.signature(twin).return_annotation == inspect.signature(function).return_annotation
    hints = typing.get_type_hints(function)
    assert typing.get_type_hints(twin) == {**hints, "client": Client}
    assert twin.__doc__ == function.__doc__
    assert not inspect.iscoroutinefunction(twin)
    assert pickle.loads(pickle.dumps(twin)) is twin  # noqa: S301 - its own bytes


def test_export(chat: Client, box: Sandbox, tmp_path: Path) -> None:
    """An export of a blocking client is complete, and a view's options count."""
    report = blocking.export(chat.with_options(per_page=10), tmp_path / "out", source="sandbox")
    assert report.certified
    assert report.rows["conversations"] == 40
    assert report.rows["messages"] == len(list(box.truth("messages")))
    assert report.query.source == "sandbox"


def test_probe_server(chat: Client) -> None:
    """What the probe finds is a value as it is for async code."""
    assert isinstance(blocking.probe_server(chat), asyncchat.export.Probe)


@pytest.mark.parametrize("name", blocking.__all__)
def test_an_async_client_is_refused(name: str) -> None:
    """With an AsyncClient it says where the asynchronous function is."""
    twin: Any = getattr(blocking, name)
    with pytest.raises(ConfigurationError, match=r"await the one of asyncchat\.export.* with an AsyncClient"):
        twin(AsyncClient("https://host.example", token="t0ken"), "folder")


def test_an_observer_that_calls_the_client_is_told(chat: Client, tmp_path: Path) -> None:
    """An observer runs in the client's thread: a blocking call of its own would wait for ever, and raises."""

    def ask(_: object) -> None:
        chat.models.get(1)

    with pytest.raises(ConfigurationError, match=r"use asyncchat.AsyncClient there, and await AsyncModels\.get"):
        blocking.export(chat, tmp_path / "out", observer=ask)


def test_an_exit_in_an_observer(chat: Client, tmp_path: Path) -> None:
    """`sys.exit` in an observer is the caller's exit: the client's loop goes on."""

    def leave(_: object) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        blocking.export(chat, tmp_path / "out", observer=leave)
    assert chat.models.list().count() == 5
