"""Errors: one tree of plain, picklable data."""

from __future__ import annotations

import concurrent.futures
import copy
import functools
import inspect
import multiprocessing
import pickle
import threading
from typing import Any, is_typeddict

import pytest

import asyncchat
from asyncchat import errors

CALL: dict[str, Any] = {"method": "GET", "path": "/models", "attempts": 3, "elapsed": 1.25}
CLASSES = [
    item
    for _, item in inspect.getmembers(errors, inspect.isclass)
    if item.__module__ == errors.__name__ and not is_typeddict(item)
]
PUBLIC = [item for item in CLASSES if not item.__name__.startswith("_")]


def example(kind: type[errors.AsyncChatError]) -> errors.AsyncChatError:
    """An error with every attribute set to something that is no default."""
    values: dict[str, Any] = {
        "sent": True, "retryable": not issubclass(kind, errors.APIConnectionError), "status": 418, "request_id": "r",
        "body": "b", "retry_after": 7.0, "paths": ("$.data[1].id",), **CALL,
    }  # fmt: skip
    names = inspect.signature(kind.__init__).parameters
    return kind("it broke", **{name: value for name, value in values.items() if name in names})


def test_the_tree_is_exported() -> None:
    """Every error class is exported by its module and by the package."""
    names = sorted(kind.__name__ for kind in PUBLIC)
    assert sorted(errors.__all__) == names
    assert all(getattr(asyncchat, name) is getattr(errors, name) for name in names)


def test_the_tree_is_drawn() -> None:
    """The module's docstring draws every class below its base, and no other."""
    assert errors.__doc__ is not None
    drawn: dict[str, str | None] = {}
    stack: list[tuple[int, str]] = []
    for line in errors.__doc__.split("```")[1].strip().splitlines():
        name = next(word for word in line.replace("│", " ").split() if word[0].isalpha())
        column = line.index(name)
        stack = [item for item in stack if item[0] < column]
        drawn[name] = stack[-1][1] if stack else None
        stack.append((column, name))
    assert drawn == {kind.__name__: _public_base(kind) for kind in PUBLIC}


def _public_base(kind: type) -> str | None:
    above = (base for base in kind.__mro__[1:] if base in PUBLIC)
    return next((base.__name__ for base in above), None)


def tree(kind: type[errors.AsyncChatError]) -> list[type[errors.AsyncChatError]]:
    """A class and all below it, whether they are exported or not."""
    return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]


def told(kind: type[errors.AsyncChatError]) -> errors.AsyncChatError:
    """An error with every attribute, a note, and a cause of this tree."""
    error = example(kind)
    error.add_note("a note")
    error.__cause__ = errors.NotFoundError("before it", status=404, request_id="q")
    return error


def facts(error: BaseException | None) -> tuple[Any, ...]:
    """All that is to be known of an error."""
    return () if error is None else (type(error), error.args, str(error), vars(error), facts(error.__cause__))


MAKERS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": functools.partial(lambda how, error: pickle.loads(pickle.dumps(error, how)), protocol)  # noqa: S301
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}


def test_every_class_is_tried() -> None:
    """The classes that are tried are all there are."""
    assert set(tree(errors.AsyncChatError)) >= set(CLASSES)
    assert len(tree(errors.AsyncChatError)) >= 16


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("kind", tree(errors.AsyncChatError))
def test_errors_can_be_pickled_and_copied(kind: type[errors.AsyncChatError], make: Any) -> None:
    """An error keeps its class, message, attributes, notes and cause through pickle and copies."""
    error = told(kind)
    names = set(inspect.signature(kind.__init__).parameters) - {"self", "message", "args", "kwargs", "call"}
    assert names | {"__notes__"} <= set(vars(error)) | {"args"}
    assert facts(make(error)) == facts(error)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_copy_has_notes_of_its_own(make: Any) -> None:
    """A note that is added to a copy is not added to the error."""
    error = told(errors.ServerError)
    make(error).add_note("another")
    assert error.__notes__ == ["a note"]


def test_a_foreign_cause_is_not_pickled() -> None:
    """A cause of another library, which may not be pickled at all, is left behind."""
    error = example(errors.ExportError)
    error.__cause__ = OSError(threading.Lock())
    assert pickle.loads(pickle.dumps(error)).__cause__ is None  # noqa: S301 - its own bytes


def fail(kind: type[errors.AsyncChatError]) -> None:
    raise told(kind)


def test_errors_come_back_from_another_process() -> None:
    """An error raised in a worker process arrives with all that it knew."""
    context = multiprocessing.get_context("spawn")
    kinds = tree(errors.AsyncChatError)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        arrived = [future.exception() for future in [pool.submit(fail, kind) for kind in kinds]]
    assert [facts(error)[:4] for error in arrived] == [facts(told(kind))[:4] for kind in kinds]


def test_the_text_names_call_attempts_and_time() -> None:
    """An error of a call that was tried more than once says how often and how long."""
    assert str(errors.DecodeError("it broke", **CALL)) == "GET /models: it broke (3 attempts in 1.2 s)"


def test_the_text_of_one_attempt() -> None:
    """An error of a call that was tried once does not count."""
    assert str(errors.DecodeError("it broke", method="GET", path="/models")) == "GET /models: it broke"


def test_the_text_without_a_call() -> None:
    """An error that belongs to no call is its message."""
    assert str(errors.APIConnectionError("it broke")) == "it broke"


def test_one_class_catches_all() -> None:
    """Every error is an AsyncChatError, and a timeout is a connection error."""
    assert all(issubclass(kind, errors.AsyncChatError) for kind in CLASSES)
    assert issubclass(errors.APITimeoutError, errors.APIConnectionError)
