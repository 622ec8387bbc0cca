"""The fixtures for users' tests, in this very run: pytest has found them by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from asyncchat import AsyncClient, Client
    from asyncchat.sandbox import Sandbox


def test_the_blocking_client(chat_client: Client, chat_sandbox: Sandbox) -> None:
    """`chat_client` reads `chat_sandbox`, which has 100 conversations."""
    ids = {row.id for row in chat_client.conversations.list()}
    assert ids == {row["id"] for row in chat_sandbox.truth("conversations")}
    assert len(ids) == 100


@pytest.mark.asyncio
async def test_under_pytest_asyncio(async_chat_client: AsyncClient) -> None:
    """`async_chat_client` reads the same in a test of pytest-asyncio."""
    assert await async_chat_client.conversations.list().count() == 100


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_under_anyio(async_chat_client: AsyncClient) -> None:
    """`async_chat_client` reads the same in a test of anyio's plugin."""
    assert await async_chat_client.conversations.list().count() == 100
