"""Commands that are loaded when they are run: the help that lists them does without what they need."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple

import click


class Home(NamedTuple):
    """Where a command is, and what the list of commands says of it.

    Attributes:
        module: Its module.
        name: Its name there.
        says: The first sentence of its help.
    """

    module: str
    name: str
    says: str


class _Loaded(MutableMapping[str, click.Command]):
    """Commands by their names; each is loaded when it is looked at."""

    def __init__(self, homes: Mapping[str, Home]) -> None:
        self._homes = homes
        self._commands: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._commands:
            home = self._homes[name]
            self._commands[name] = getattr(importlib.import_module(home.module), home.name)
        return self._commands[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._commands[name] = command

    def __delitem__(self, name: str) -> None:
        del self._commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)


class Families(click.Group):
    """A group of commands that are somewhere else.

    Args:
        name: What it is called.
        homes: Where they are, by their names.
        kwargs: What a `click.Group` takes besides.
    """

    def __init__(self, name: str | None = None, *, homes: Mapping[str, Home], **kwargs: Any) -> None:
        super().__init__(name, _Loaded(homes), **kwargs)
        self._homes = homes

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write what is there, and what it is for."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, home.says) for name, home in sorted(self._homes.items())])
