"""Which handlers an event is for."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import attrs

from asyncchat.models import KeywordNotificationEvent
from asyncchat.webhooks.events import UnknownEvent

Event: TypeAlias = KeywordNotificationEvent | UnknownEvent
EventT = TypeVar("EventT", KeywordNotificationEvent, UnknownEvent)
Handler: TypeAlias = Callable[[EventT], Awaitable[None] | None]


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
    """Handlers, by the kind of event and what is in it."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

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

    async def handle(self, event: Event) -> None:
        """Call every function that an event is for, one after the other.

        Raises:
            Exception: What one of them raised: the event will be handed over again, to all of them.
        """
        for entry in self._entries:
            if entry.is_for(event):
                if inspect.iscoroutinefunction(entry.handler):
                    await entry.handler(event)
                else:
                    told = await asyncio.to_thread(entry.handler, event)
                    if inspect.isawaitable(told):
                        await told
