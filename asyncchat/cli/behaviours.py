"""Flags made of the sandbox's behaviours: each field of `Behaviour` is one, so none can be forgotten."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

import attrs
import click

from asyncchat.sandbox import Behaviour

F = TypeVar("F", bound=Callable[..., Any])


def behaviour_options(command: F) -> F:
    """Give a command a flag for every field of `Behaviour`."""
    told = _told(Behaviour.__doc__ or "")
    for field in reversed(attrs.fields(attrs.resolve_types(Behaviour))):
        command = click.option(
            f"--{field.name.replace('_', '-')}",
            help=told[field.name],
            default=field.default,
            show_default=field.default is not None and field.default is not False,
            **_how(field.type),
        )(command)
    return command


def _how(kind: Any) -> dict[str, Any]:
    """What click has to know of a type."""
    if get_origin(kind) is UnionType:
        (kind,) = (part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is Literal:
        return {"type": click.Choice(get_args(kind))}
    return {"is_flag": True} if kind is bool else {"type": kind}


def _told(docstring: str) -> dict[str, str]:
    """What a docstring says of each argument."""
    return dict(re.findall(r"^    (\w+): (.*)$", inspect.cleandoc(docstring), re.MULTILINE))
