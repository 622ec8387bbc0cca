"""Errors: one tree of plain, picklable data."""

from __future__ import annotations

import copy
import inspect
import pickle
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


@pytest.mark.parametrize("kind", PUBLIC)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_errors_can_be_pickled(kind: type[errors.AsyncChatError], protocol: int) -> None:
    """An error keeps its class, message and attributes through pickle."""
    error = example(kind)
    again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - its own bytes
    assert (type(again), again.args, vars(again), str(again)) == (kind, error.args, vars(error), str(error))


@pytest.mark.parametrize("kind", PUBLIC)
def test_errors_can_be_copied(kind: type[errors.AsyncChatError]) -> None:
    """A copy of an error has its attributes."""
    assert vars(copy.copy(example(kind))) == vars(example(kind))


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
