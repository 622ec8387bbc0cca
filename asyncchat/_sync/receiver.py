"""The blocking receiver's surface."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable
from typing import Any, Self

from asyncchat._sync.bridge import Bridge
from asyncchat._sync.twins import Awaits, Twin, arguments_of
from asyncchat.webhooks import Answer, Inbox, Incoming
from asyncchat.webhooks import Receiver as AsyncReceiver
from asyncchat.webhooks.dispatch import Dispatch
from asyncchat.webhooks.gate import Gate, SenderGoneError
from asyncchat.webhooks.secrets import Secrets


class _Bridge(Bridge[AsyncReceiver]):
    noun = "receiver"
    twin = "asyncchat.webhooks.Receiver"

    def warn(self) -> None:
        """Say nothing: in a web application a receiver lives as long as its process."""


class Receiver(Twin):
    """A receiver for blocking code, such as Django's views; the twin of `asyncchat.webhooks.Receiver`.

        receiver = Receiver(Inbox("inbox.db"), secrets=SECRET)

        @receiver.on(KeywordNotificationEvent, keyword="urgent")
        def urgent(event): ...

    It takes the same arguments. It may be shared by threads, and used in forked children. Events are handed over in
    threads of its own, from the first request on, or from where it is entered with `with`.

    Raises:
        ConfigurationError: A secret is too short, or there is no client to verify with.
    """

    @arguments_of(AsyncReceiver)
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "secrets" in kwargs:
            kwargs["secrets"] = Secrets(kwargs["secrets"])  # what is kept for a forked child shows nothing
        self._handlers = Dispatch()
        self.on = self._handlers.on
        self.surround = self._handlers.surround
        make = functools.partial(AsyncReceiver, *args, **kwargs)
        super().__init__(_Bridge(lambda: self._with_handlers(make())), lambda receiver: receiver)

    def _with_handlers(self, receiver: AsyncReceiver) -> AsyncReceiver:
        receiver.adopt(self._handlers)
        return receiver

    @property
    def inbox(self) -> Inbox:
        """Where events are kept."""
        inbox: Inbox = self._target.inbox
        return inbox

    _aclose = Awaits(AsyncReceiver.aclose)
    keep = Awaits(AsyncReceiver.keep)

    def receive(self, incoming: Incoming, chunks: Iterable[bytes]) -> Answer:
        """Decide what becomes of a request; what is acknowledged is on the disk.

        Args:
            incoming: What is known before the body.
            chunks: The body, as it comes; `SenderGoneError` where it comes to no end.
        """
        gate: Gate = self._target.gate
        refused = gate.refuse(incoming)
        body = _read(gate, incoming, chunks) if refused is None else refused
        return body if isinstance(body, Answer) else self.keep(body)

    def close(self) -> None:
        """Let handlers that are at work come to their end, and close the inbox. May be called twice."""
        if self._bridge.has_started:
            self._aclose()
        self._bridge.close()
        self.inbox.close()

    def __enter__(self) -> Self:
        self._bridge.thread(AsyncReceiver.receive)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read(gate: Gate, incoming: Incoming, chunks: Iterable[bytes]) -> bytes | Answer:
    body = gate.begin(incoming, time.monotonic())
    try:
        for chunk in chunks:
            refused = body.add(chunk, time.monotonic())
            if refused is not None:
                return refused
    except SenderGoneError:
        return gate.gone()
    return body.end()
