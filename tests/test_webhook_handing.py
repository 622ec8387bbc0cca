"""Handing over: who is called with what, when it is read back first, when not at all."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from test_webhook_events import MESSAGE, body
from test_webhook_receiver import SECRET, post

from asyncchat import AsyncClient, Client, ConfigurationError
from asyncchat.sandbox import Sandbox
from asyncchat.testing import MockTransport, json_response
from asyncchat.webhooks import Inbox, KeywordNotificationEvent, Receiver, UnknownEvent
from asyncchat.webhooks.hiding import LOGGERS

CONVERSATION = {
    "id": 123,
    "model_id": 3,
    "model_name": "True",
    "created_at": "2025-05-05T05:05:05+0700",
    "updated_at": "2025-05-05T05:05:06+0700",
    "most_recent_message": MESSAGE,
    "recent_messages": [],
    "platform": "true",
    "platform_user_id": "u1",
    "mood": "calm",
}


async def handled(inbox: Inbox, *states: str) -> dict[str, int]:
    """How it stands, once nothing waits."""
    while (told := dict(inbox.stats().states)).keys() - {*states}:  # noqa: ASYNC110 - another thread changes it
        await asyncio.sleep(0)
    return told


@pytest.mark.asyncio
async def test_no_handler(tmp_path: Path) -> None:
    """Without a handler events stay in the inbox, for whoever has one."""
    async with Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET) as receiver:
        assert await post(receiver, body()) == 200
        for _ in range(20):
            await asyncio.sleep(0)
        assert receiver.inbox.stats().states == {"new": 1}


@pytest.mark.asyncio
async def test_handlers_that_block(tmp_path: Path) -> None:
    """Plain handlers that hang, as many as there may be, and more events than that: all are kept and acknowledged."""
    go_on, begun = threading.Event(), list[int]()
    async with Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET, concurrency=40) as receiver:

        @receiver.on(KeywordNotificationEvent)
        def handle(event: KeywordNotificationEvent) -> None:
            begun.append(event.payload.id)
            go_on.wait()

        try:
            for number in range(60):
                assert await post(receiver, body(id=number)) == 200
            while len(begun) < 40:  # noqa: ASYNC110 - other threads make it so
                await asyncio.sleep(0)
            assert await post(receiver, body(id=99)) == 200
        finally:
            go_on.set()
        assert await handled(receiver.inbox, "done") == {"done": 61}


@pytest.mark.asyncio
async def test_entered_again(tmp_path: Path) -> None:
    """A receiver that was closed refuses, and works again when it is entered again, in another loop too."""
    told: list[int] = []
    receiver = Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET)

    @receiver.on(KeywordNotificationEvent)
    async def handle(event: KeywordNotificationEvent) -> None:
        told.append(event.payload.id)

    async def once(number: int) -> None:
        async with receiver:
            assert await post(receiver, body(id=number)) == 200
            await handled(receiver.inbox, "done")

    await once(1)
    assert await post(receiver, body(id=9)) == 503
    await asyncio.to_thread(asyncio.run, once(2))
    assert told == [1, 2]


@pytest.mark.asyncio
async def test_what_was_kept_for_long_enough(tmp_path: Path) -> None:
    """Events that ended longer ago than the retention says are dropped by whoever hands over."""
    with Inbox(tmp_path / "in.db") as inbox:
        inbox.add([body(id=1)], 1.0)
        (one,) = inbox.take("w", 1.0)
        inbox.done(one.id, "w", 1.0)
    async with Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET) as receiver:
        while receiver.inbox.list():  # noqa: ASYNC110 - another thread changes it
            await asyncio.sleep(0)


# ---- reading back


@pytest.mark.asyncio
async def test_a_forgery_is_harmless(tmp_path: Path) -> None:
    """What the handler gets is the API's; one request for it; fields that the SDK does not know come too."""
    told: list[KeywordNotificationEvent] = []
    transport = MockTransport([json_response(CONVERSATION)])
    async with (
        AsyncClient(transport=transport) as chat,
        Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET, verify="refetch", client=chat) as receiver,
    ):

        @receiver.on(KeywordNotificationEvent)
        async def handle(event: KeywordNotificationEvent) -> None:
            told.append(event)

        forged = body(model_id=666, model_name="Forged", platform="forged", most_recent_message=None, extra_field=1)
        assert await post(receiver, forged) == 200
        assert await handled(receiver.inbox, "done") == {"done": 1}
    (event,) = told
    payload = event.payload
    assert (payload.id, payload.model_id, payload.model_name, payload.platform) == (123, 3, "True", "true")
    assert payload.keyword == "urgent"
    assert payload.most_recent_message is not None
    assert payload.updated_at is not None
    assert payload.extra == {"mood": "calm"}
    assert len(transport.requests) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "answer", [json_response({}, 404), json_response({}, 500), json_response({**CONVERSATION, "id": None})]
)
async def test_what_cannot_be_read_back_yet(tmp_path: Path, answer: Any) -> None:
    """It is asked for once, and comes again later: the conversation may be too new for the server that answered."""
    told: list[int] = []
    transport = MockTransport([answer, json_response(CONVERSATION)])
    async with (
        AsyncClient(transport=transport) as chat,
        Receiver(Inbox(tmp_path / "in.db", backoff=0.001), secrets=SECRET, verify="refetch", client=chat) as receiver,
    ):

        @receiver.on(KeywordNotificationEvent)
        async def handle(event: KeywordNotificationEvent) -> None:
            told.append(event.payload.model_id)

        await post(receiver, body())
        assert await handled(receiver.inbox, "done") == {"done": 1}
        (stored,) = receiver.inbox.list()
    assert stored.attempts == 2
    assert told == [3]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("sent", "answers"),
    [(b'{"event": "later", "payload": {"id": 1}}', []), (body(), [json_response({**CONVERSATION, "id": 5})])],
)
async def test_what_can_never_be_read_back(tmp_path: Path, sent: bytes, answers: list[Any]) -> None:
    """An event of another name, an answer about another conversation: dead at once, and no handler gets it."""
    transport = MockTransport(answers)
    async with (
        AsyncClient(transport=transport) as chat,
        Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET, verify="refetch", client=chat) as receiver,
    ):

        @receiver.on(UnknownEvent)
        async def handle(event: UnknownEvent) -> None:
            pytest.fail("it was handed over")

        await post(receiver, sent)
        assert await handled(receiver.inbox, "dead") == {"dead": 1}
        (stored,) = receiver.inbox.list(state="dead")
    assert stored.attempts == 1


@pytest.mark.asyncio
async def test_a_blocking_client_reads_back(tmp_path: Path) -> None:
    """The client may be a blocking one, whose call does not hold the loop up."""
    told: list[str] = []
    with Sandbox(conversations=30) as box, Client(box.base_url, token=box.token) as chat:
        first = next(iter(chat.conversations.list()))
        async with Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET, verify="refetch", client=chat) as receiver:

            @receiver.on(KeywordNotificationEvent)
            async def handle(event: KeywordNotificationEvent) -> None:
                told.append(event.payload.platform_user_id)

            await post(receiver, body(id=first.id))
            await handled(receiver.inbox, "done")
    assert told == [first.platform_user_id]


def test_refetch_without_a_client(tmp_path: Path) -> None:
    """It says what to give."""
    with Inbox(tmp_path / "in.db") as inbox:
        with pytest.raises(ConfigurationError, match="give client"):
            Receiver(inbox, secrets=SECRET, verify="refetch")
        with pytest.raises(ConfigurationError, match="'signature'"):
            Receiver(inbox, secrets=SECRET, verify="signature")  # type: ignore[arg-type]


# ---- logs


@pytest.mark.asyncio
@pytest.mark.parametrize("name", LOGGERS)
async def test_access_logs(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever way a server logs a line, a secret is not in it while the receiver runs; nor is it changed later."""

    class Atoms(dict[str, str]):
        def __getitem__(self, key: str) -> str:
            return super().__getitem__(key) if key in self else "-"

    logger, path = logging.getLogger(name), f"/webhook/{SECRET}"
    async with Receiver(Inbox(tmp_path / "in.db"), secrets=SECRET):
        with caplog.at_level(logging.INFO, name):
            logger.info('%s "%s" %d', "host", path, 200, extra={"line": path, "more": {"Path": path}})
            logger.info("%(m)s %(x)s", Atoms(m=path))
            logger.info(f"POST {path}")  # noqa: G004 - as some do
    assert [record.getMessage() for record in caplog.records] == [
        'host "/webhook/..." 200',
        "/webhook/... -",
        "POST /webhook/...",
    ]
    assert SECRET not in json.dumps([vars(record) for record in caplog.records], default=repr)
    assert not logger.filters
