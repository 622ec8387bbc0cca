"""Takes what the platform posts, and hands it over: the part that knows no web framework.

A 200 is given when the event is on the disk, and not before. What happens then has no hurry: handlers are called with
what the inbox holds, as often as it takes.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Literal, Self

from asyncchat.errors import ConfigurationError, WebhookError
from asyncchat.webhooks.dispatch import Dispatch, Event
from asyncchat.webhooks.events import parse_event
from asyncchat.webhooks.gate import BODY_SECONDS, HEADER, MOST_BYTES, Answer, Gate, Incoming, SenderGoneError
from asyncchat.webhooks.handover import HandOver
from asyncchat.webhooks.hiding import Hiding
from asyncchat.webhooks.inbox import Inbox
from asyncchat.webhooks.refetch import Reader, Refetch
from asyncchat.webhooks.secrets import Secrets
from asyncchat.webhooks.together import Together


class Receiver(Dispatch):
    """Receives events into an inbox, and hands them to handlers: `async with` it, and mount one of the adapters.

        receiver = Receiver(Inbox("inbox.db"), secrets=SECRET)

        @receiver.on(KeywordNotificationEvent, keyword="urgent")
        async def urgent(event): ...

    While it has no handler, events stay in the inbox. Access logs of aiohttp, uvicorn, gunicorn and Django are kept
    free of its secrets until it is closed.

    Args:
        inbox: Where events are kept. It is closed with the receiver, and opened when that is entered again.
        secrets: What callers must have in the path, the query or the header; two while one is being replaced.
        header: The header's name.
        max_bytes: The largest body.
        body_seconds: How long a body may take to come.
        concurrency: Handlers at once.
        timeout: Seconds that a handler may take.
        verify: "refetch": handlers get what the API says of the conversation now, with one bounded request for each
            attempt; of what was posted only the id and the keyword are used, and unknown events become dead.
        client: Reads conversations back: an `AsyncClient`, or a `Client`.

    Raises:
        ConfigurationError: A secret is too short, or there is no client to verify with.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        secrets: Secrets | str | Iterable[str],
        header: str = HEADER,
        max_bytes: int = MOST_BYTES,
        body_seconds: float = BODY_SECONDS,
        concurrency: int = 8,
        timeout: float = 60.0,
        verify: Literal["refetch"] | None = None,
        client: Reader | None = None,
    ) -> None:
        super().__init__()
        self.inbox = inbox
        self.gate = Gate(secrets, header=header, max_bytes=max_bytes, body_seconds=body_seconds)
        self._refetch = _refetch(verify, client)
        self._hiding = Hiding(self.gate.secrets)
        self._hiding.begin()  # before anything is received: a secret that is nearly right is logged too
        weakref.finalize(self, self._hiding.end)
        self._adding = Together[bytes](lambda bodies: self.inbox.add(bodies, time.time()))
        self._over = HandOver(inbox, self, concurrency=concurrency, timeout=timeout)
        self._concurrency = concurrency
        self._has_begun = False

    async def __aenter__(self) -> Self:
        self.inbox.open()
        self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _start(self) -> None:
        self._has_begun = True
        self.threads = ThreadPoolExecutor(self._concurrency, "asyncchat-handler")
        self._adding.start()
        self._over.start()
        self._hiding.begin()

    async def aclose(self) -> None:
        """Let handlers that are at work come to their end, and close the inbox. What is left there is for next time."""
        await self._adding.aclose()
        await self._over.aclose()
        if self.threads is not None:
            self.threads.shutdown(wait=False)
        self.inbox.close()  # here: an interpreter that ends starts no threads
        self._hiding.end()

    async def receive(self, incoming: Incoming, chunks: AsyncIterator[bytes]) -> Answer:
        """Decide what becomes of a request; what is acknowledged is on the disk.

        Args:
            incoming: What is known before the body.
            chunks: The body, as it comes; `SenderGoneError` where it comes to no end.
        """
        refused = self.gate.refuse(incoming)
        if refused is not None:
            return refused
        body = await self._read(incoming, chunks)
        return body if isinstance(body, Answer) else await self.keep(body)

    async def keep(self, body: bytes) -> Answer:
        """Keep the body of a request that may come in; what is acknowledged is on the disk.

        Args:
            body: As it was posted.
        """
        if not self._has_begun:  # the application that it is mounted in tells nobody when it starts
            self._start()
        try:
            parse_event(body)
        except WebhookError as exc:
            reason = str(exc)
            write = asyncio.to_thread(self.inbox.reject, body, reason, time.time())
            return await self._committed(write, Answer(400, reason))
        answer = await self._committed(self._adding.add(body), Answer(200, "kept"))
        self._over.wake()
        return answer

    async def handle(self, event: Event) -> None:
        """Call every function that an event is for, one after the other; read it back before, where that is wanted.

        Raises:
            Exception: What one of them raised: the event will be handed over again, to all of them.
        """
        await super().handle(event if self._refetch is None else await self._refetch(event, self.threads))

    async def _committed(self, write: Awaitable[object], answer: Answer) -> Answer:
        """An answer that is given when something is on the disk; where that fails, it may come again."""
        try:
            await write
        except WebhookError as exc:
            return Answer(503, str(exc), {"Retry-After": "5"})
        return answer

    async def _read(self, incoming: Incoming, chunks: AsyncIterator[bytes]) -> bytes | Answer:
        body = self.gate.begin(incoming, time.monotonic())
        try:
            async with asyncio.timeout(self.gate.body_seconds):
                async for chunk in chunks:
                    refused = body.add(chunk, time.monotonic())
                    if refused is not None:
                        return refused
                return body.end()
        except TimeoutError:
            return self.gate.too_late()
        except SenderGoneError:
            return self.gate.gone()


def _refetch(verify: str | None, client: Reader | None) -> Refetch | None:
    if verify not in {None, "refetch"}:
        raise ConfigurationError(f'verify is "refetch" or None, not {verify!r}')
    if verify is None:
        return None
    if client is None:
        raise ConfigurationError('verify="refetch" reads conversations back: give client, such as AsyncClient()')
    return Refetch(client)
