"""Plain clients for what the sandbox does on the wire: aiohttp as it comes, and a bare socket."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
from attrs import frozen
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncchat.sandbox import Sandbox


@frozen
class Bytes:
    """What came over the wire, not decoded."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def get(box: Sandbox, path: str = "/conversations", **headers: str) -> Bytes:
    """Get a path with the token, follow nothing, inflate nothing."""
    url = URL(box.base_url + path, encoded=True)
    given = {"Authorization": f"Bearer {box.token}"} | {name.replace("_", "-"): text for name, text in headers.items()}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.get(url, headers=given, allow_redirects=False) as response,
    ):
        return Bytes(response.status, response.headers, await response.read())


async def control(box: Sandbox, path: str, method: str = "GET", document: object = None) -> Bytes:
    """Call a control route, without a token."""
    url = f"{box.origin}/_sandbox{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, json=document) as response:
        return Bytes(response.status, response.headers, await response.read())


def connect(box: Sandbox, path: str = "/conversations") -> socket.socket:
    """A socket over which a path has been asked for, to be closed after the answer."""
    where = urlsplit(box.base_url + path)
    raw = socket.create_connection((where.hostname, where.port), timeout=30)
    target = where.path + (f"?{where.query}" if where.query else "")
    head = f"GET {target} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\nAuthorization: Bearer {box.token}\r\n\r\n"
    raw.sendall(head.encode())
    return raw


def everything(raw: socket.socket) -> tuple[bytes, bytes, bool]:
    """Headers and body up to the end of the connection, and whether that was a reset."""
    received = b""
    reset = False
    with raw:
        try:
            while data := raw.recv(2**20):
                received += data
        except ConnectionResetError:
            reset = True
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body, reset
