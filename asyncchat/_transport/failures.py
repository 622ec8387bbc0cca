"""The one place where aiohttp's and the system's exceptions become ours."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from asyncchat._transport.tls import certificate_refused
from asyncchat.errors import APIConnectionError, APITimeoutError

CONNECT_SECONDS: Final = 5.0
"""Seconds for a connection at most."""
IDLE_SECONDS: Final = 30.0
"""Seconds without a single byte of the answer after which an attempt ends, whatever its timeout."""


def _reason(exc: Exception) -> str:
    found = exc.os_error if isinstance(exc, aiohttp.ClientConnectorError) else exc
    number = getattr(found, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else type(exc).__name__


_TRANSLATIONS: Final[tuple[tuple[type[Exception], Callable[[Any], APIConnectionError]], ...]] = (
    (
        aiohttp.ConnectionTimeoutError,
        lambda _: APITimeoutError(f"no connection within {CONNECT_SECONDS:g} s: check base_url and the network"),
    ),
    (TimeoutError, lambda _: out_of_time()),
    (aiohttp.ClientConnectorCertificateError, certificate_refused),
    (
        aiohttp.ClientSSLError,
        lambda exc: APIConnectionError(f"no TLS with {exc.host}:{exc.port}: is it an https server?", retryable=False),
    ),
    (
        aiohttp.ClientConnectorDNSError,
        lambda exc: APIConnectionError(f"the host {exc.host!r} is unknown: check base_url"),
    ),
    (
        aiohttp.ClientConnectorError,
        lambda exc: APIConnectionError(
            f"cannot connect to {exc.host}:{exc.port} ({_reason(exc)}): check base_url, and that the server runs"
        ),
    ),
    (
        aiohttp.InvalidURL,
        lambda _: APIConnectionError("the URL cannot be used: check base_url", retryable=False),
    ),
    (
        aiohttp.NonHttpUrlClientError,
        lambda _: APIConnectionError("the URL is no http(s) URL: check base_url", retryable=False),
    ),
    (
        aiohttp.ClientPayloadError,
        lambda _: APIConnectionError("the answer was cut off or garbled on its way: try again", sent=True),
    ),
    (
        aiohttp.ClientResponseError,
        lambda _: APIConnectionError("the answer is no proper HTTP: check base_url", sent=True),
    ),
    (
        ValueError,
        lambda _: APIConnectionError("the answer is no proper HTTP: check base_url", sent=True),
    ),
    (
        Exception,
        lambda exc: APIConnectionError(f"the connection was lost ({_reason(exc)}): try again", sent=True),
    ),
)


def out_of_time(*, idle: bool = False) -> APITimeoutError:
    """The error of a request that took too long.

    Args:
        idle: Whether the server has shown no sign of life for as long as is waited for one.
    """
    if idle:
        return APITimeoutError(f"nothing came for {IDLE_SECONDS:g} s: the server is slow, try again", sent=True)
    return APITimeoutError("no answer in time: the server is slow, or timeout= too short", sent=True)


def closed_meanwhile() -> APIConnectionError:
    """The error of a request whose client was closed while it was under way."""
    return APIConnectionError(
        "the client was closed while the request was under way: await what it does before closing it",
        sent=True,
        retryable=False,
    )


def translate(exc: Exception) -> APIConnectionError:
    """What an exception of aiohttp or the system means here.

    Only classes and system error texts are used: the exceptions themselves hold URLs and headers.
    """
    return next(make(exc) for kind, make in _TRANSLATIONS if isinstance(exc, kind))
