"""What the pipeline needs of a transport."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from asyncchat._wire.request import Request
from asyncchat._wire.response import Response


class Transport(Protocol):
    """Sends one request and brings one answer. It neither retries nor judges statuses, but for redirects."""

    async def send(self, request: Request, *, timeout: float | None, max_body: int) -> Response:  # noqa: ASYNC109
        """Send a request and read the whole answer.

        Args:
            request: With everything that authorises it.
            timeout: Seconds for all of it, None for no bound. Part of the protocol: an HTTP library has its own way
                of bounding connecting and reading.
            max_body: Bytes of the body at most, decompressed.

        Raises:
            APIConnectionError: No usable answer came.
            APIStatusError: The answer is a redirect that is not followed.
            DecodeError: The body is larger than allowed, or its encoding cannot be read.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection. May be called twice."""
        ...


class SystemClock:
    """The machine's own clock."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        await asyncio.sleep(seconds)
