"""A receiver as an ASGI application: for itself, or mounted in Starlette, FastAPI and their kin.

    app = FastAPI(lifespan=lifespan(receiver))
    app.mount("/webhook", WebhookApp(receiver))

The last part of the path is the secret, wherever it is mounted: `/webhook/SECRET`; or it is in the header, or
`?secret=`. For itself, as with `uvicorn module:app`, it starts and closes its receiver with the server's lifespan.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

from asyncchat.webhooks.gate import Answer, Incoming, SenderGoneError
from asyncchat.webhooks.receiver import Receiver

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_OK: Final = 200
_MOST_FIELDS: Final = 100


class WebhookApp:
    """An ASGI application that answers every request with its receiver.

    Args:
        receiver: Where events go. Where the application is mounted in another one, `lifespan` starts and closes it; if
            nothing does, it starts with the first request.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection, by the ASGI specification 3.0."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            answer = await self._receiver.receive(_incoming(scope), _chunks(receive))
            await _send(answer, scope, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._receiver:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def lifespan(receiver: Receiver) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """What starts and closes a receiver with an application of Starlette or FastAPI: its `lifespan`.

    Args:
        receiver: It.
    """

    @contextlib.asynccontextmanager
    async def live(_: Any) -> AsyncIterator[None]:
        async with receiver:
            yield

    return live


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise SenderGoneError
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _incoming(scope: Scope) -> Incoming:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    secrets = [scope["path"].rstrip("/").rpartition("/")[2], *_asked(scope.get("query_string", b""))]
    return Incoming(method=scope["method"], headers=headers, secrets=secrets)


def _asked(query: bytes) -> list[str]:
    with contextlib.suppress(ValueError):  # too many fields
        return parse_qs(query.decode("latin-1"), max_num_fields=_MOST_FIELDS).get("secret", [])
    return []


async def _send(answer: Answer, scope: Scope, send: Send) -> None:
    text = answer.text.encode() + b"\n"
    told = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(text)), **answer.headers}
    if answer.status != _OK and scope.get("http_version", "1.1").startswith("1"):
        told["connection"] = "close"  # what is left of a body that is refused is not read
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in told.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
