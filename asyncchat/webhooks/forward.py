"""A handler that posts events to another server."""

from __future__ import annotations

import contextlib
import hashlib
import json
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from asyncchat._transport.aiohttp import AiohttpTransport
from asyncchat._wire.request import Request
from asyncchat.errors import ConfigurationError, WebhookError
from asyncchat.webhooks.dispatch import Event
from asyncchat.webhooks.events import to_json

KEY: Final = "Idempotency-Key"
_MOST_BYTES: Final = 64 * 1024
_GOOD: Final = range(200, 300)


class Forward:
    """Posts each event that it is called with to a URL, as JSON: `async with Forward(URL) as forward`.

    The same event has the same `Idempotency-Key` each time that it comes. An answer other than 2xx is a failure, and
    so is a redirect: a post is not sent elsewhere.

    Args:
        url: Where to; a query is kept.
        timeout: Seconds for one post.

    Raises:
        ConfigurationError: It is no http(s) URL.
    """

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        self.origin, self._request = _take_apart(url)
        self._timeout = timeout
        self._transport = AiohttpTransport(self.origin)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def __call__(self, event: Event) -> None:
        """Post an event.

        Raises:
            WebhookError: The answer was no good one.
            APIConnectionError: There was none.
        """
        body = json.dumps(to_json(event), separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", KEY: hashlib.sha256(body).hexdigest()}
        request = Request("POST", self._request.path, params=self._request.params, headers=headers, body=body)
        answer = await self._transport.send(request, timeout=self._timeout, max_body=_MOST_BYTES)
        if answer.status not in _GOOD:
            raise WebhookError(f"{self.origin} answered {answer.status}")


def _take_apart(url: str) -> tuple[str, Request]:
    """The origin of a URL, and the rest of it."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and not parts.username and parts.port != 0:
            pairs = parse_qsl(parts.query, keep_blank_values=True)
            return f"{parts.scheme}://{parts.netloc}", Request("POST", parts.path or "/", params=pairs)
    raise ConfigurationError("events are forwarded to an http(s) URL, such as https://host/path, without a user's name")
