"""The receiver: nothing is acknowledged that is not on the disk, and what is there ends in a handler."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from test_webhook_events import body

from asyncchat import ConfigurationError
from asyncchat.sandbox import Sandbox
from asyncchat.webhooks import (
    Inbox,
    Incoming,
    KeywordNotificationEvent,
    Receiver,
    UnknownEvent,
    make_secret,
)
from asyncchat.webhooks.aiohttp import make_runner, mount

SECRET = "s" * 30
OTHER = "o" * 30


@contextlib.asynccontextmanager
async def receiving(path: Path, **options: Any) -> AsyncIterator[Receiver]:
    async with Receiver(Inbox(path), **{"secrets": SECRET, **options}) as receiver:
        yield receiver


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def post(receiver: Receiver, *parts: bytes, secret: str = SECRET, method: str = "POST", **headers: str) -> int:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await receiver.receive(Incoming(method=method, headers=told, secrets=[secret]), chunks(*parts))).status


async def never() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


# ---- what is answered


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("sent", "options", "status"),
    [
        (body(), {}, 200),
        (b'{"event": "later"}', {}, 200),
        (body(), {"secret": OTHER}, 404),
        (body(), {"secret": ""}, 404),
        (body(), {"secret": "\u00e9" * 30}, 404),
        (body(), {"secret": SECRET + "x"}, 404),
        (body(), {"secret": "", "x_webhook_secret": SECRET}, 200),
        (body(), {"method": "GET"}, 405),
        (body(), {"content_length": "262145"}, 413),
        (body(), {"content_length": "-5"}, 413),
        (body(), {"content_length": "\u0665"}, 413),
        (b"x" * 262_145, {}, 413),
        (gzip.compress(body()), {"content_encoding": "gzip"}, 415),
        (b"", {}, 400),
        (b"not json", {}, 400),
        (b"[]", {}, 400),
        (b"event=keyword-notification&payload=1", {"content_type": "application/x-www-form-urlencoded"}, 400),
        (body(keyword=...), {}, 400),
    ],
)
async def test_answers(tmp_path: Path, sent: bytes, options: dict[str, str], status: int) -> None:
    """By the secret first, then by what is known before the body, then by the body; only a 200 leaves an event."""
    async with receiving(tmp_path / "in.db") as receiver:
        assert await post(receiver, sent[:9], sent[9:], **options) == status
        states = receiver.inbox.stats().states
    assert sum(states.values()) == (1 if status in {200, 400} else 0)
    assert ("rejected" in states) is (status == 400)


@pytest.mark.asyncio
async def test_a_slow_sender(tmp_path: Path) -> None:
    """A body that does not come is given up."""
    async with receiving(tmp_path / "in.db", body_seconds=0.01) as receiver:
        answer = await receiver.receive(Incoming(method="POST", headers={}, secrets=[SECRET]), never())
    assert answer.status == 408


@pytest.mark.asyncio
async def test_two_secrets(tmp_path: Path) -> None:
    """While one is being replaced both are right; neither is shown."""
    async with receiving(tmp_path / "in.db", secrets=[SECRET, OTHER]) as receiver:
        assert [await post(receiver, body(), secret=each) for each in (SECRET, OTHER, "x" * 30)] == [200, 200, 404]
        assert SECRET not in repr(vars(receiver)) + repr(receiver.gate.secrets)
    assert SECRET.encode() not in (tmp_path / "in.db").read_bytes()


def test_weak_secrets(tmp_path: Path) -> None:
    """What has too few characters, or is none, is no secret; one that is made is."""
    for weak in ("", "short", [], [SECRET, "x" * 21]):
        with Inbox(tmp_path / "in.db") as inbox, pytest.raises(ConfigurationError, match="make_secret"):
            Receiver(inbox, secrets=weak)
    assert len({make_secret() for _ in range(9)}) == 9
    assert len(make_secret()) >= 43


@pytest.mark.asyncio
async def test_an_inbox_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked, a full inbox: 503, nothing is acknowledged; it goes on by itself when it is over."""
    monkeypatch.setattr("asyncchat.webhooks.schema._BUSY_SECONDS", 0.01)
    async with receiving(tmp_path / "in.db") as receiver:
        with contextlib.closing(sqlite3.connect(tmp_path / "in.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await post(receiver, body()) == 503
            assert await post(receiver, b"[]") == 503
            other.rollback()
        assert await post(receiver, body()) == 200
        receiver.inbox._max_bytes = 1
        assert await post(receiver, body(id=5)) == 503
        receiver.inbox._max_bytes = 10**9
        assert await post(receiver, body(id=5)) == 200


# ---- handing over


@pytest.mark.asyncio
async def test_who_is_called(tmp_path: Path) -> None:
    """By the kind of event and by what is in it; plain functions too, and all that an event is for."""
    told: list[tuple[str, int]] = []
    done = asyncio.Event()
    async with receiving(tmp_path / "in.db") as receiver:

        @receiver.on(KeywordNotificationEvent, keyword="urgent")
        async def urgent(event: KeywordNotificationEvent) -> None:
            told.append(("urgent", event.payload.id))

        @receiver.on(KeywordNotificationEvent, model_id=8, platform="web")
        def of_model(event: KeywordNotificationEvent) -> None:
            told.append(("model", event.payload.id))

        @receiver.on(UnknownEvent)
        async def unknown(event: UnknownEvent) -> None:
            told.append((event.event, 0))
            done.set()

        await post(receiver, body(id=1))
        await post(receiver, body(id=2, keyword="refund", model_id=8))
        await post(receiver, body(id=3, model_id=8, platform="other"))
        await post(receiver, b'{"event": "later"}')
        await done.wait()
    assert sorted(told) == [("later", 0), ("model", 2), ("urgent", 1), ("urgent", 3)]


@pytest.mark.asyncio
async def test_handlers_that_fail(tmp_path: Path) -> None:
    """An event whose handler raises, or takes too long, comes again; the others do not wait for it."""
    calls: dict[int, int] = {}
    done = asyncio.Event()
    inbox = Inbox(tmp_path / "in.db", backoff=0.01)
    async with Receiver(inbox, secrets=SECRET, timeout=0.05, concurrency=3) as receiver:

        @receiver.on(KeywordNotificationEvent)
        async def handle(event: KeywordNotificationEvent) -> None:
            number = event.payload.id
            calls[number] = calls.get(number, 0) + 1
            if number == 1 and calls[1] < 3:
                raise ValueError("not yet")
            if number == 2 and calls[2] < 2:
                await asyncio.Event().wait()
            if calls.keys() >= {1, 2, 3} and calls[1] == 3 and calls[2] == 2:
                done.set()

        for number in (1, 2, 3):
            await post(receiver, body(id=number))
        await done.wait()
    assert calls == {1: 3, 2: 2, 3: 1}
    with Inbox(tmp_path / "in.db") as again:
        assert again.stats().states == {"done": 3}


@pytest.mark.asyncio
async def test_what_was_left(tmp_path: Path) -> None:
    """What a receiver did not come to is handed over by the next one."""
    with Inbox(tmp_path / "in.db") as inbox:
        inbox.add([body(id=9)], 1.0)
    done = asyncio.Event()
    receiver = Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET)

    @receiver.on(KeywordNotificationEvent)
    async def handle(event: KeywordNotificationEvent) -> None:
        assert event.payload.id == 9
        done.set()

    async with receiver:
        await done.wait()


# ---- over sockets


@contextlib.asynccontextmanager
async def served(path: Path, told: list[int]) -> AsyncIterator[str]:
    """A receiver in an application of aiohttp; its URL without the secret."""
    receiver = Receiver(Inbox(path), secrets=SECRET)

    @receiver.on(KeywordNotificationEvent)
    async def handle(event: KeywordNotificationEvent) -> None:
        told.append(event.payload.id)

    application = web.Application()
    mount(application, receiver)
    runner = make_runner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
    finally:
        await runner.cleanup()


@pytest.mark.asyncio
async def test_over_sockets(tmp_path: Path) -> None:
    """The secret in the path, the header or the query; a bomb is refused as it is; the same body is one event."""
    told: list[int] = []
    async with served(tmp_path / "in.db", told) as url, aiohttp.ClientSession() as session:

        async def status(where: str, data: bytes, **headers: str) -> int:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            async with session.post(where, data=data, headers=named) as response:
                return response.status

        assert await status(f"{url}/{SECRET}", body()) == 200
        assert await status(url, body(), X_Webhook_Secret=SECRET) == 200
        assert await status(f"{url}?secret={SECRET}", body()) == 200
        assert await status(url, body()) == 404
        bomb = gzip.compress(b"0" * 50_000_000)
        assert await status(f"{url}/{SECRET}", bomb, Content_Encoding="gzip") == 415
        same = await asyncio.gather(*(status(f"{url}/{SECRET}", body(id=7)) for _ in range(300)))
        assert set(same) == {200}
    with Inbox(tmp_path / "in.db") as inbox:
        assert sorted(each.count for each in inbox.list()) == [3, 300]
    assert set(told) <= {123, 7}


@pytest.mark.asyncio
async def test_the_sandboxs_sender(tmp_path: Path) -> None:
    """Good ones, duplicates and bad ones: each good one is handed over, each bad one is kept aside or refused."""
    told: list[int] = []
    async with served(tmp_path / "in.db", told) as url:
        with Sandbox(conversations=60) as box:
            sending = asyncio.to_thread(box.send_webhooks, f"{url}/{SECRET}", count=40, duplicates=0.3, bad=0.3)
            report = await sending
        with Inbox(tmp_path / "in.db") as inbox:
            while inbox.stats().states.keys() & {"new", "taken"}:  # noqa: ASYNC110 - another thread changes it
                await asyncio.sleep(0)
            stats = inbox.stats()
    assert report is not None
    assert len(set(told)) == stats.states["done"]
    assert stats.states["rejected"] > 0
    assert stats.duplicates > 0
    assert json.dumps(stats.states)
