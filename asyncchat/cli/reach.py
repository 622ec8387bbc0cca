"""Whether a server can be reached at all: its name, its port, its certificate. No token is sent here."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlsplit

from asyncchat.cli.checks import Check, judge_tls

_SECONDS: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}
_NOT_YET, _EXPIRED, _WRONG_NAME = 9, 10, frozenset({62, 64})
_NO_TLS: Final = "give https:// only where the server speaks TLS, and the right port"


async def reach(base_url: str, ca_file: str | os.PathLike[str] | None) -> list[Check]:
    """Look a server up, connect to it, and look at its certificate.

    Args:
        base_url: Where it is.
        ca_file: A PEM file with an own CA; None: the system's CAs.
    """
    parts = urlsplit(base_url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        async with asyncio.timeout(_SECONDS):
            addresses = await _look_up(host, port)
            begun = time.monotonic()
            async with _connected(host, port):
                seconds = time.monotonic() - begun
    except (OSError, TimeoutError) as exc:
        return [_unreachable(host, port, exc)]
    name = host if host in addresses else f"{host} ({addresses[0]})"
    there = Check("network", "ok", f"{name} answers at port {port} in {seconds * 1000:,.1f} ms")
    return [there, await _tls(host, port, ca_file) if parts.scheme == "https" else _plain(addresses)]


async def _look_up(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@contextlib.asynccontextmanager
async def _connected(host: str, port: int, **options: Any) -> AsyncIterator[asyncio.StreamWriter]:
    _, writer = await asyncio.open_connection(host, port, **options)
    try:
        yield writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _unreachable(host: str, port: int, exc: Exception) -> Check:
    if isinstance(exc, socket.gaierror):
        return Check("network", "failed", f"the host {host} is unknown", "check --base-url, and the name server")
    if isinstance(exc, TimeoutError):
        why = f"no answer in {_SECONDS:g} s"
    else:
        why = os.strerror(exc.errno) if isinstance(exc, OSError) and exc.errno else type(exc).__name__
    return Check(
        "network", "failed", f"{host}:{port} cannot be connected to ({why})", "check --base-url, and firewalls"
    )


def _cure(code: int) -> str:
    """What to do about a certificate, by OpenSSL's X509_V_ERR_* code."""
    if code in {_NOT_YET, _EXPIRED}:
        return "compare this machine's clock; if it is right, the server needs a new certificate"
    if code in _WRONG_NAME:
        return "give --base-url with a name that the certificate is for"
    return "give your own CA with --ca-file if it has one, else tell the platform; it is never to be passed over"


def _plain(addresses: list[str]) -> Check:
    if all(ipaddress.ip_address(address.split("%")[0]).is_loopback for address in addresses):
        return Check("TLS", "ok", "none, and none needed: it is this machine")
    return Check("TLS", "warning", "none: the token crosses the network readable", "give an https:// --base-url")


async def _tls(host: str, port: int, ca_file: str | os.PathLike[str] | None) -> Check:
    try:
        context = ssl.create_default_context(cafile=ca_file)
        async with asyncio.timeout(_SECONDS), _connected(host, port, ssl=context) as writer:
            tls = writer.get_extra_info("ssl_object")
            expires = ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"])
            return judge_tls(tls.version(), expires, time.time())
    except ssl.SSLCertVerificationError as exc:
        return Check("TLS", "failed", f"the certificate is not good: {exc.verify_message}", _cure(exc.verify_code))
    except (OSError, TimeoutError) as exc:
        return Check(
            "TLS", "failed", f"no TLS came about ({getattr(exc, 'reason', None) or type(exc).__name__})", _NO_TLS
        )
