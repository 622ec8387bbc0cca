"""Blocking twins of the functions over a client."""

from __future__ import annotations

import importlib
import inspect
import pathlib
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
    """Every public function that is awaited, or takes an asynchronous client."""
    modules = [importlib.import_module(name) for name in PUBLIC]
    found = {name: getattr(module, name) for module in modules for name in module.__all__}
    return {
        name: item
        for name, item in found.items()
        if inspect.iscoroutinefunction(item)
        or (inspect.isfunction(item) and AsyncClient in typing.get_type_hints(item).values())
    }


TWINS = sorted(set(blocking.__all__) - {"Batches", "Receiver"})


def test_every_function_has_its_twin() -> None:
    """Each function over a client is there for blocking code, and nothing else is."""
    assert {"export", "export_batches", "probe_server"} <= set(functions())
    assert set(TWINS) == set(functions())


def test_every_public_module_is_looked_at() -> None:
    """No other public part has functions over a client: what has them gets its twins."""
    root = pathlib.Path(asyncchat.__file__).parent
    parts = {found.name.removesuffix(".py") for found in root.iterdir() if found.suffix in {"", ".py"}}
    for name in sorted(parts - {"blocking", "cli", "export", "integrations"}):
        if name.startswith("_"):
            continue
        module = importlib.import_module(f"asyncchat.{name}")
        public = [getattr(module, item) for item in getattr(module, "__all__", [])]
        assert not [item for item in public if inspect.iscoroutinefunction(item)]


@pytest.mark.parametrize("name", TWINS)
def test_twins_take_and_say_the_same(name: str) -> None:
    """A twin has the parameters, the result and the docstring of its function, but takes a `Client`."""
    twin, function = getattr(blocking, name), functions()[name]
    (first, *others), (_, *wanted) = (list(inspect.signature(item).parameters.values()) for item in (twin, function))
    assert others == wanted
    assert (first.name, first.annotation) == ("client", Client)
    hints = typing.get_type_hints(function)
    result = blocking.Batches if name == "export_batches" else hints["return"]
    assert typing.get_type_hints(twin) == {**hints, "client": Client, "return": result}
    assert twin.__doc__ == function.__doc__
    assert not inspect.iscoroutinefunction(twin)
    assert pickle.loads(pickle.dumps(twin)) is twin  # noqa: S301 - its own bytes


def test_batches_have_the_same_names() -> None:
    """The twin of `ExportBatches` has its public names."""
    names = {name for name in vars(asyncchat.export.ExportBatches) if not name.startswith("_")}
    assert {name for name in vars(blocking.Batches) if not name.startswith("_")} == names


def test_export(chat: Client, box: Sandbox, tmp_path: Path) -> None:
    """An export of a blocking client is complete, and a view's options count."""
    report = blocking.export(chat.with_options(per_page=10), tmp_path / "out", source="sandbox")
    assert report.certified
    assert report.rows["conversations"] == 40
    assert report.rows["messages"] == len(list(box.truth("messages")))
    assert report.query.source == "sandbox"


def test_export_batches(chat: Client, box: Sandbox) -> None:
    """Batches are read with `for`, again and again, and the report is there afterwards."""
    batches = blocking.export_batches(chat)
    with pytest.raises(ConfigurationError, match="iterate to the end first"):
        batches.report  # noqa: B018 - a property that refuses
    for _ in range(2):
        rows = sum(len(batch.rows) for batch in batches)
        assert batches.report.certified
        assert rows == sum(batches.report.rows.values()) > len(list(box.truth("messages")))


def test_leaving_batches_early(chat: Client, box: Sandbox) -> None:
    """A loop that is left ends the export at the server too."""
    for _ in blocking.export_batches(chat):
        break
    assert chat.models.list().count() == 5
    sent = len(box.requests())
    for _ in range(20):
        chat.models.list().count()
    assert len(box.requests()) == sent + 20


def test_probe_server(chat: Client) -> None:
    """What the probe finds is a value as it is for async code."""
    assert isinstance(blocking.probe_server(chat), asyncchat.export.Probe)


@pytest.mark.parametrize("name", TWINS)
def test_an_async_client_is_refused(name: str) -> None:
    """With an AsyncClient it says where the asynchronous function is."""
    twin: Any = getattr(blocking, name)
    with pytest.raises(ConfigurationError, match=r"use the one of asyncchat\.export.* with an AsyncClient"):
        twin(AsyncClient("https://host.example", token="t0ken"))


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
