"""Rows are freed as soon as nobody has them: nothing that was made to read them holds itself, and them with it.

What does stays until Python looks for cycles, the more seldom the more there is: an export of a million rows would take
half as much memory again.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asyncchat import AsyncClient, Client, Conversation, Message, Page, RawRow
from asyncchat.export import export, sync, verify
from asyncchat.sandbox import Sandbox

ROWS = (Conversation, Message, Page, RawRow)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=60, messages_mean=30, clock=1_760_000_000) as running:
        yield running


def client_of(box: Sandbox) -> AsyncClient:
    return AsyncClient(box.base_url, token=box.token, auth=box.auth, per_page=10)


@contextmanager
def freed() -> Iterator[None]:
    """Refuse what holds itself, and rows with it."""
    gc.collect()
    gc.disable()
    try:
        yield
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        kinds = {type(each).__name__ for each in gc.garbage}
        assert not any(isinstance(each, ROWS) for each in gc.garbage), kinds
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.asyncio
@pytest.mark.parametrize("ordered", [True, False])
async def test_listings(box: Sandbox, ordered: bool) -> None:
    """Read to their end, or left before it."""
    async with client_of(box) as chat:
        pager = chat.conversations.list(ordered=ordered)
        with freed():
            assert len([row async for row in pager]) == 60
        with freed():
            assert len([page async for page in pager.pages()]) == 6
        with freed():
            async with pager:
                async for _ in pager:
                    break


def test_blocking_listings(box: Sandbox) -> None:
    """The same for blocking callers."""
    with Client(box.base_url, token=box.token, auth=box.auth, per_page=10) as chat:
        assert len(list(chat.models.list())) > 0
        with freed():
            assert len(list(chat.conversations.list())) == 60


@pytest.mark.asyncio
async def test_exports(box: Sandbox, tmp_path: Path) -> None:
    """Whole ones, where conversations have several pages; and what is done with them later."""
    async with client_of(box) as chat:
        with freed():
            assert (await export(chat, tmp_path / "out", lag=0)).certified
        with freed():
            assert (await verify(chat, tmp_path / "out", deep=True)).intact
        box.make_changes(30)
        box.advance(100)
        with freed():
            assert (await sync(chat, tmp_path / "out", lag=0)).changed > 0
