"""Batches of an export for a loop of one's own: whole, bounded, and over when the loop is left."""

from __future__ import annotations

import asyncio
import json

import pytest
from export_api import BROKEN, FakeApi

from asyncchat import AsyncClient, AuthenticationError, ConfigurationError, Response
from asyncchat.export import Batch, export_batches
from asyncchat.export import batches as module


@pytest.mark.asyncio
async def test_every_row_once() -> None:
    """The batches hold every row once, messages with their conversation, and the report proves it."""
    api = FakeApi.of(30, messages=7)
    async with api.client(per_page=5) as client:
        batches = export_batches(client)
        assert api.requests == []
        taken = [batch async for batch in batches]
    rows = [(batch.kind, json.loads(row.json)) for batch in taken for row in batch.rows]
    told = [row["id"] for kind, row in rows if kind == "messages"]
    assert sorted(told) == [row["id"] for row in api.rows("messages")]
    assert all((batch.conversation_id is None) == (batch.kind != "messages") for batch in taken)
    assert [row for kind, row in rows if kind == "models"] == api.models
    assert (batches.report.certified, batches.report.rows["messages"]) == (True, 210)


@pytest.mark.asyncio
async def test_leaving_early() -> None:
    """A loop that is left sends nothing more and leaves no task; there is no report."""
    api = FakeApi.of(300)
    async with api.client() as client:
        batches = export_batches(client)
        stream = batches.__aiter__()
        await anext(stream)
        await stream.aclose()
        sent = len(api.requests)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.sleep(0)
        assert len(api.requests) == sent < 320
        with pytest.raises(ConfigurationError, match="iterate to the end first"):
            _ = batches.report


@pytest.mark.asyncio
async def test_a_slow_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody takes batches, reading waits."""
    monkeypatch.setattr(module, "_WAITING_BYTES", 1)
    api = FakeApi.of(300)
    async with api.client() as client:
        stream = export_batches(client).__aiter__()
        await anext(stream)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert len(api.requests) < 60
        assert len([batch async for batch in stream]) == 301


@pytest.mark.asyncio
async def test_a_refusal() -> None:
    """An error is raised in the loop, as itself, after the batches that were there."""
    api = FakeApi.of(50)
    api.answer = lambda _: Response(status=401) if len(api.requests) > 20 else None
    taken: list[Batch] = []

    async def take(client: AsyncClient) -> None:
        async for batch in export_batches(client):
            taken.append(batch)  # noqa: PERF401 - what was taken before the error counts

    async with api.client() as client:
        with pytest.raises(AuthenticationError):
            await take(client)
    assert len(taken) > 2


@pytest.mark.asyncio
async def test_what_cannot_be_proved() -> None:
    """A conversation that always fails is in the report, and the loop ends as ever."""
    api = FakeApi.of(12, answer=lambda request: BROKEN if request.path == "/conversations/5/messages" else None)
    async with api.client() as client:
        async for _ in (batches := export_batches(client)):
            pass
    assert len(batches.report.uncertified) == 1


@pytest.mark.asyncio
async def test_again() -> None:
    """Iterated again, it exports again."""
    api = FakeApi.of(3)
    async with api.client() as client:
        batches = export_batches(client, messages=False)
        counts = [len([batch async for batch in batches]) for _ in range(2)]
    assert counts == [2, 2]
