"""Which handlers an event is for."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import Any, TypeAlias, TypeVar

import attrs

from asyncchat.models import KeywordNotificationEvent
from asyncchat.webhooks.events import UnknownEvent

Event: TypeAlias = KeywordNotificationEvent | UnknownEvent
EventT = TypeVar("EventT", KeywordNotificationEvent, UnknownEvent)
Handler: TypeAlias = Callable[[EventT], Awaitable[None] | None]
Surrounding: TypeAlias = Callable[[], AbstractContextManager[None]]


@attrs.frozen(kw_only=True)
class _Entry:
    handler: Callable[[Any], Awaitable[None] | None]
    kind: type[Any]
    keyword: str | None
    model_id: int | None
    platform: str | None

    def is_for(self, event: Event) -> bool:
        if not isinstance(event, self.kind):
            return False
        if isinstance(event, UnknownEvent):
            return True
        pairs = (
            (self.keyword, event.payload.keyword),
            (self.model_id, event.payload.model_id),
            (self.platform, event.payload.platform),
        )
        return all(wanted is None or wanted == told for wanted, told in pairs)


class Dispatch:
    """Handlers, by the kind of event and what is in it.

    Attributes:
        threads: Where plain functions are called; None: where the event loop calls others.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._surroundings: list[Surrounding] = []
        self.threads: Executor | None = None

    def on(
        self,
        kind: type[EventT],
        *,
        keyword: str | None = None,
        model_id: int | None = None,
        platform: str | None = None,
    ) -> Callable[[Handler[EventT]], Handler[EventT]]:
        """Let a function be called with events of a kind; a plain one is called in a thread.

        A function is called at least once with each event: after a crash it may be called again.

        Args:
            kind: `KeywordNotificationEvent` or `UnknownEvent`.
            keyword: Only with this keyword.
            model_id: Only of this model.
            platform: Only of this platform.
        """

        def register(handler: Handler[EventT]) -> Handler[EventT]:
            self._entries.append(
                _Entry(handler=handler, kind=kind, keyword=keyword, model_id=model_id, platform=platform)
            )
            return handler

        return register

    def surround(self, surrounding: Surrounding) -> None:
        """Call plain handlers inside a context, in their threads.

        Args:
            surrounding: Makes the context manager that is entered for each call.
        """
        if surrounding not in self._surroundings:
            self._surroundings.append(surrounding)

    def adopt(self, other: Dispatch) -> None:
        """Have the handlers of another one, also those that it gets later."""
        self._entries, self._surroundings = other._entries, other._surroundings

    @property
    def has_handlers(self) -> bool:
        """Whether there is one at all."""
        return bool(self._entries)

    async def handle(self, event: Event) -> None:
        """Call every function that an event is for, one after the other.

        Raises:
            Exception: What one of them raised: the event will be handed over again, to all of them.
        """
        for entry in self._entries:
            if entry.is_for(event):
                await call(entry.handler, event, threads=self.threads, surroundings=self._surroundings)


async def call(
    function: Callable[..., Any],
    *args: Any,
    threads: Executor | None,
    surroundings: Iterable[Surrounding] = (),
) -> Any:
    """Await a coroutine function, or call a plain one in a thread, inside of contexts.

    Args:
        function: It.
        args: What it is given.
        threads: Where plain ones are called: not where the inbox is used, which must not wait for them.
        surroundings: Make the contexts.
    """
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        return await function(*args)

    def inside() -> Any:
        with contextlib.ExitStack() as stack:
            for surrounding in surroundings:
                stack.enter_context(surrounding())
            return function(*args)

    context = contextvars.copy_context()
    told = await asyncio.get_running_loop().run_in_executor(threads, context.run, inside)
    return await told if inspect.isawaitable(told) else told
