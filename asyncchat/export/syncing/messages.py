"""Reads the messages of a conversation: all of them, or the end of their listing."""

from __future__ import annotations

from collections.abc import Collection

from asyncchat import AsyncClient, ConfigurationError, NotFoundError
from asyncchat.export.fetch import is_there, read_messages, read_tail
from asyncchat.export.questions import Reading


async def read_all(client: AsyncClient, conversation_id: int) -> Reading | None:
    """All messages of a conversation; None where it is gone.

    Raises:
        AsyncChatError: A page could not be fetched.
    """
    name = f"messages of conversation {conversation_id}"
    try:
        return await read_messages(client.messages.list(conversation_id).raw(), name)
    except NotFoundError:
        if not await is_there(client, conversation_id):
            return None
        return Reading(rows=(), doubt=f"{name}: the server has the conversation, and says 404 to its messages")
    except ConfigurationError as exc:  # the server gave an id that nothing can be asked for by
        return Reading(rows=(), doubt=f"{name}: {exc}")


async def read_news(client: AsyncClient, conversation_id: int, stored: Collection[int]) -> Reading | None:
    """What is new of a conversation's messages; None where that cannot be told without reading all of them.

    Args:
        client: Where to ask.
        conversation_id: Whose messages.
        stored: The ids of those that are there.

    Raises:
        AsyncChatError: A page could not be fetched.
    """
    try:
        return await read_tail(client.messages.list(conversation_id).raw(), stored, client.per_page)
    except NotFoundError:
        return None
