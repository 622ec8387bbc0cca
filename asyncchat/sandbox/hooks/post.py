"""Posts: a POST over a connection of its own, as small as HTTP/1.1 allows."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS: Final = {"http": 80, "https": 443}
_LINE_PARTS: Final = 3


async def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Send a body and give the status; the answer's body is not waited for.

    Args:
        url: http or https.
        headers: Beyond Host, Content-Length and Connection.
        body: What to send.

    Raises:
        OSError: If there is no connection, or it breaks.
        ValueError: If the answer is no HTTP.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    reader, writer = await asyncio.open_connection(host, port, ssl=parts.scheme == "https" or None)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(request_head(target, parts.netloc.rpartition("@")[2], headers, len(body)) + body)
        with suppress(ConnectionError):  # who has answered and hung up before the end has still answered
            await writer.drain()
        return read_status(await reader.readline())
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def request_head(target: str, host: str, headers: Mapping[str, str], length: int) -> bytes:
    """The first line and the headers of a POST."""
    usual = {"Host": host, "Content-Length": str(length), "Connection": "close", "User-Agent": "asyncchat-sandbox"}
    lines = [f"{name}: {value}\r\n" for name, value in (usual | dict(headers)).items()]
    return f"POST {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()


def read_status(line: bytes) -> int:
    """The status in the first line of an answer.

    Raises:
        ConnectionError: If there is no line.
        ValueError: If the line is something else.
    """
    if not line:
        raise ConnectionResetError("the connection was closed without an answer")
    words = line.split(maxsplit=2)
    if len(words) < _LINE_PARTS - 1 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError(f"this is no answer in HTTP: {line[:80]!r}")
    return int(words[1])
