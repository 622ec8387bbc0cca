"""Takes what the platform posts, and hands it over: the part that knows no web framework.

A 200 is given when the event is on the disk, and not before. What happens then has no hurry: handlers are called with
what the inbox holds, as often as it takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import attrs

from asyncchat.errors import WebhookError
from asyncchat.webhooks.dispatch import Dispatch
from asyncchat.webhooks.events import parse_event
from asyncchat.webhooks.handover import HandOver
from asyncchat.webhooks.inbox import Inbox
from asyncchat.webhooks.secrets import Secrets
from asyncchat.webhooks.writer import Writer

HEADER: Final = "x-webhook-secret"
MOST_BYTES: Final = 256 * 1024
BODY_SECONDS: Final = 10.0

_PLAIN_ENCODINGS: Final = frozenset({"", "identity"})


@attrs.frozen(kw_only=True)
class Incoming:
    """What an adapter knows of a request before its body.

    Attributes:
        method: In capitals.
        headers: By their names in small letters.
        secrets: What may be the secret: from the path and the query; the header is looked at besides.
    """

    method: str
    headers: Mapping[str, str]
    secrets: Sequence[str] = ()


@attrs.frozen
class Answer:
    """What to answer.

    Attributes:
        status: Such as 200.
        text: The body, for people.
        headers: Besides the usual ones.
    """

    status: int
    text: str
    headers: Mapping[str, str] = attrs.field(factory=dict)


class Receiver(Dispatch):
    """Receives events into an inbox, and hands them to handlers: `async with` it, and mount one of the adapters.

        receiver = Receiver(Inbox("inbox.db"), secrets=SECRET)

        @receiver.on(KeywordNotificationEvent, keyword="urgent")
        async def urgent(event): ...

    Args:
        inbox: Where events are kept. It is closed with the receiver.
        secrets: What callers must have in the path, the query or the header; two while one is being replaced.
        header: The header's name.
        max_bytes: The largest body.
        body_seconds: How long a body may take to come.
        concurrency: Handlers at once.
        timeout: Seconds that a handler may take.

    Raises:
        ConfigurationError: A secret is too short.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        secrets: str | Iterable[str],
        header: str = HEADER,
        max_bytes: int = MOST_BYTES,
        body_seconds: float = BODY_SECONDS,
        concurrency: int = 8,
        timeout: float = 60.0,
    ) -> None:
        super().__init__()
        self.inbox = inbox
        self._secrets = Secrets(secrets)
        self._header = header.lower()
        self._max_bytes = max_bytes
        self._body_seconds = body_seconds
        self._writer = Writer(inbox, time.time)
        self._over = HandOver(
            inbox, self.handle, worker=uuid.uuid4().hex, concurrency=concurrency, timeout=timeout, now=time.time
        )

    async def __aenter__(self) -> Self:
        self._over.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let handlers that are at work come to their end, and close the inbox. What is left there is for next time."""
        await self._writer.aclose()
        await self._over.aclose()
        await asyncio.to_thread(self.inbox.close)

    async def receive(self, incoming: Incoming, chunks: AsyncIterator[bytes]) -> Answer:
        """Decide what becomes of a request; what is acknowledged is on the disk.

        Args:
            incoming: What is known before the body.
            chunks: The body, as it comes.
        """
        refused = self._refuse(incoming)
        if refused is not None:
            return refused
        body = await self._read(chunks)
        if isinstance(body, Answer):
            return body
        try:
            parse_event(body)
        except WebhookError as exc:
            return await self._committed(self._writer.reject(body, str(exc)), Answer(400, str(exc)))
        answer = await self._committed(self._writer.add(body), Answer(200, "kept"))
        self._over.wake()
        return answer

    async def _committed(self, write: Awaitable[None], answer: Answer) -> Answer:
        """An answer that is given when something is on the disk; where that fails, it may come again."""
        try:
            await write
        except WebhookError as exc:
            return Answer(503, str(exc), {"Retry-After": "5"})
        return answer

    def _refuse(self, incoming: Incoming) -> Answer | None:
        told = [*incoming.secrets, incoming.headers.get(self._header, "")]
        if not self._secrets.is_right([each.encode("utf-8", "surrogateescape") for each in told]):
            return Answer(404, "there is nothing here")
        if incoming.method != "POST":
            return Answer(405, "post to it", {"Allow": "POST"})
        length = incoming.headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > self._max_bytes:
            return self._too_large()
        if incoming.headers.get("content-encoding", "").strip().lower() not in _PLAIN_ENCODINGS:
            return Answer(415, "send it as it is: compressed bodies are not inflated")
        return None

    def _too_large(self) -> Answer:
        return Answer(413, f"an event has at most {self._max_bytes:,} bytes")

    async def _read(self, chunks: AsyncIterator[bytes]) -> bytes | Answer:
        body = bytearray()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._body_seconds):
                async for chunk in chunks:
                    body += chunk
                    if len(body) > self._max_bytes:
                        return self._too_large()
                return bytes(body)
        return Answer(408, f"the body took longer than {self._body_seconds:g} s")
