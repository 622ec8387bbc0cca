"""Sees once that a server finds changes by their time: one that does not look at `sort` would hide them all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from asyncchat import AsyncClient, ExportError, NotFoundError
from asyncchat.export.fetch import changes_of
from asyncchat.export.windows import Span

TRIED: Final = 3
"""Conversations that are looked for, until one is found."""
_TIMES: Final = 5
"""How often one is looked for: it may have changed just now, and be told otherwise by a replica that lags behind."""


async def try_filter(client: AsyncClient, moved: Sequence[tuple[int, int]]) -> bool:
    """Look for conversations by the time of their last change.

    Args:
        client: Where to ask.
        moved: Conversations that have changed after they were made, each with the second of the last change.

    Returns:
        Whether `updated_at` has hidden fractions of seconds, which `created_at` need not have.

    Raises:
        ExportError: None of them is found.
        AsyncChatError: The server did not answer.
    """
    for row_id, second in moved:
        for _ in range(_TIMES):
            if await _is_among(client, row_id, Span(second, second)) is not False:
                return False
            if await _is_among(client, row_id, Span(second, second + 1)) is not False:
                return True
            if not await _is_unchanged(client, row_id, second):
                return False
    if moved:
        raise ExportError(
            f"the server does not find conversation {moved[0][0]} by the time of its last change: it ignores "
            "sort=updated_at, so what changes there cannot be found out"
        )
    return False


async def _is_among(client: AsyncClient, conversation_id: int, span: Span) -> bool | None:
    """Whether a conversation is among those that changed in a window; None where that would take many pages."""
    page = await changes_of(client, None)(span).page(1)
    if any(row.id == conversation_id for row in page.data):
        return True
    return None if len(page.data) < page.total_rows else False


async def _is_unchanged(client: AsyncClient, conversation_id: int, second: int) -> bool:
    try:
        found = await client.conversations.get(conversation_id)
    except NotFoundError:
        return False
    return math.floor(found.updated_at.timestamp()) == second
