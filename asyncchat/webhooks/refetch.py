"""Reads back what a notification is about: the platform signs none, and whoever has the secret could make them up."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any, Final, Protocol

from asyncchat._codec.patient import dump, to_record
from asyncchat.errors import WebhookError
from asyncchat.models import KeywordNotificationEvent
from asyncchat.webhooks.dispatch import Event, call

SECONDS: Final = 10.0
"""How long one read may take; there are no retries in it, as the event comes again."""


class Conversations(Protocol):
    """What reads conversations: the one of a client, asynchronous or blocking."""

    def get(self, conversation_id: int, /) -> Any:
        """The conversation, or what gives it when awaited."""
        ...


class Reader(Protocol):
    """An `AsyncClient`, or a `Client`."""

    @property
    def conversations(self) -> Conversations:
        """What reads conversations."""
        ...

    def with_options(self, *, timeout: float | None, deadline: float | None, retry: int) -> Any:
        """A view with other options."""
        ...


class NotGenuineError(WebhookError):
    """An event cannot be read back, however often it is tried."""


class Refetch:
    """Turns what was posted into what the API says of it.

    Args:
        client: Asks the API, with one bounded request for an event.
    """

    def __init__(self, client: Reader) -> None:
        view = client.with_options(timeout=SECONDS, deadline=SECONDS, retry=0)
        self._conversations: Conversations = view.conversations

    async def __call__(self, event: Event, threads: Executor | None) -> KeywordNotificationEvent:
        """Read an event back. Only the id and the keyword are taken from it: the API tells no keywords.

        Args:
            event: It.
            threads: Where a blocking client is called.

        Raises:
            NotGenuineError: It is an event that the SDK does not know how to read back.
            AsyncChatError: The API did not give the conversation.
        """
        if not isinstance(event, KeywordNotificationEvent):
            raise NotGenuineError(f"an event {event.event!r} cannot be read back, so it is handed to nobody")
        told = await call(self._conversations.get, event.payload.id, threads=threads)
        if told.id != event.payload.id:
            raise NotGenuineError(f"the API answered with conversation {told.id}, not {event.payload.id}")
        payload = {**dump(told), "keyword": event.payload.keyword}
        read: KeywordNotificationEvent = to_record({"event": event.event, "payload": payload}, KeywordNotificationEvent)
        return read
