"""What an export has still to read: windows of time, and conversations whose messages are wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Protocol, TypeVar

import attrs

from asyncchat.export.windows import Span

WINDOWS_AT_ONCE: Final = 2
_CONVERSATIONS_WAITING: Final = 200
"""Conversations that wait, from which on no further window is read: what waits is kept in memory."""


class Item(Protocol):
    """Something to read."""

    def to_json(self) -> Any:
        """As a JSON value."""
        ...


ItemT = TypeVar("ItemT", bound=Item)


@attrs.frozen(cache_hash=True)
class WindowItem:
    """A window of conversations: of one model, or of all (None)."""

    model_id: int | None
    span: Span

    def __str__(self) -> str:
        return f"window {self.span}"

    def to_json(self) -> list[int | None]:
        """As a JSON value."""
        return [self.model_id, self.span.since, self.span.until]


@attrs.frozen(cache_hash=True)
class ConversationItem:
    """The messages of a conversation."""

    id: int

    def __str__(self) -> str:
        return f"messages of conversation {self.id}"

    def to_json(self) -> int:
        """As a JSON value."""
        return self.id


def conversation_in(doubt: str) -> int | None:
    """The conversation whose messages a doubt is about; None where it is about something else."""
    found = re.match(r"messages of conversation (-?\d+):", doubt)
    return None if found is None else int(found[1])


def is_of_window(doubt: str) -> bool:
    """Whether a doubt is about a window of conversations."""
    return doubt.startswith("window ")


def item_from_json(value: Any) -> Item:
    """Read back an item.

    Raises:
        TypeError, ValueError: It is none.
    """
    if isinstance(value, int):
        return ConversationItem(value)
    model_id, since, until = value
    return WindowItem(model_id, Span(since, until))


class Work:
    """Items that wait, are read, or were put aside for a last try, and what has changed of them since it was asked.

    A window is taken only while few conversations wait.
    """

    def __init__(self) -> None:
        self._conversations: dict[ConversationItem, None] = {}
        self._windows: dict[WindowItem, None] = {}
        self._aside: dict[Item, None] = {}
        self._windows_read = 0
        self._added: dict[Item, None] = {}
        self._removed: dict[Item, None] = {}

    @property
    def windows(self) -> int:
        """Windows that wait or are read."""
        return len(self._windows) + self._windows_read

    def add(self, items: Iterable[Item]) -> None:
        """Note what has to be read."""
        for item in items:
            self._wait(item)
            self._added[item] = None

    def take(self) -> Item | None:
        """The next item to read; None when there is none, or one that waits for others to be done."""
        is_low = len(self._conversations) < _CONVERSATIONS_WAITING
        if self._windows and is_low and self._windows_read < WINDOWS_AT_ONCE:
            self._windows_read += 1
            return _pop(self._windows)
        return _pop(self._conversations) if self._conversations else None

    def done(self, item: Item) -> None:
        """Note that an item that was taken needs no further reading."""
        self._stop(item)
        if item in self._added:
            del self._added[item]
        else:
            self._removed[item] = None

    def put_aside(self, item: Item) -> None:
        """Leave an item that was taken for the last try."""
        self._stop(item)
        self._aside[item] = None

    def last_try(self) -> bool:
        """Let everything that was put aside wait again; returns whether there was anything."""
        aside, self._aside = self._aside, {}
        for item in aside:
            self._wait(item)
        return bool(aside)

    def take_changes(self) -> tuple[list[Item], list[Item]]:
        """What has come to be read and what has been read since the last time; what was both is in neither."""
        added, removed = list(self._added), list(self._removed)
        self._added, self._removed = {}, {}
        return added, removed

    def apply(self, added: Iterable[Item], removed: Iterable[Item]) -> None:
        """Take over what `take_changes` has told, when nothing is being read.

        Raises:
            KeyError: What was read had not to be read.
        """
        for item in removed:
            del self._table(item)[item]
        for item in added:
            self._wait(item)

    def _wait(self, item: Item) -> None:
        self._table(item)[item] = None

    def _table(self, item: Item) -> dict[Any, None]:
        return self._windows if isinstance(item, WindowItem) else self._conversations

    def _stop(self, item: Item) -> None:
        if isinstance(item, WindowItem):
            self._windows_read -= 1


def _pop(waiting: dict[ItemT, None]) -> ItemT:
    item = next(iter(waiting))
    del waiting[item]
    return item
