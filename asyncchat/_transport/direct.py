"""GETs on aiohttp's connections without its `ClientSession.request`, at less than half of the CPU.

Connections, TLS, names, the parser and the streams of bodies are aiohttp's. Left out is what a session does besides for
each request, and this client has no use of: cookies, redirects, proxies, netrc, middlewares, traces, and objects for
the URL, the request and the answer.

That reaches behind what aiohttp documents, so it is done only with versions that it was tested with.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.http import HttpProcessingError

from asyncchat._wire.request import Request

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from multidict import CIMultiDictProxy
    from yarl import URL

IS_KNOWN: Final = re.match(r"3\.14\.", aiohttp.__version__) is not None
"""Whether this was tested with the version of aiohttp that is installed."""

_SPECIAL: Final = frozenset(
    {
        *("host", "connection", "keep-alive", "upgrade", "expect", "te", "trailer", "transfer-encoding"),
        *("content-length", "content-type", "content-encoding", "proxy-authorization", "proxy-connection"),
        *("accept", "accept-encoding", "user-agent"),
    }
)
"""Headers that mean something to the connection, or replace one of every request: with these a session is asked."""

_INTERIM: Final = range(100, 200)
_SWITCHING: Final = 101


class Answer:
    """The head of an answer, and its body while it comes.

    Attributes:
        status: The HTTP status.
        headers: As they came.
        content: The body.
    """

    __slots__ = ("content", "headers", "status")

    def __init__(self, status: int, headers: CIMultiDictProxy[str], content: aiohttp.StreamReader) -> None:
        self.status = status
        self.headers = headers
        self.content = content


class Direct:
    """Sends GETs to one origin.

    Args:
        connector: Makes and keeps connections.
        origin: The server.
        headers: Of every request.
        timeout: For connecting.
    """

    def __init__(
        self,
        connector: aiohttp.BaseConnector,
        origin: URL,
        *,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
    ) -> None:
        self._connector = connector
        self._timeout = timeout
        self._asked = aiohttp.ClientRequest("GET", origin, loop=asyncio.get_running_loop())
        common = {"Host": self._asked.headers["Host"], **headers}
        self._head = " HTTP/1.1\r\n" + "".join([f"{name}: {value}\r\n" for name, value in common.items()])

    @staticmethod
    def takes(request: Request) -> bool:
        """Whether a request may go this way."""
        return (
            IS_KNOWN
            and request.method == "GET"
            and request.body is None
            and _SPECIAL.isdisjoint([name.lower() for name, _ in request.headers])
        )

    def get(self, target: str, request: Request) -> Exchange:
        """Send a request that it takes: `async with` gives the answer.

        Args:
            target: Path and query, with the API's prefix.
            request: What else is to be sent.
        """
        headers = "".join([f"{name}: {value}\r\n" for name, value in request.headers])
        return Exchange(self, f"GET {target}{self._head}{headers}\r\n".encode())

    async def connect(self) -> Connection:
        """A connection to the server.

        Raises:
            aiohttp.ClientError: There is none.
        """
        try:
            return await self._connector.connect(self._asked, traces=[], timeout=self._timeout)
        except TimeoutError as exc:
            raise aiohttp.ConnectionTimeoutError from exc


class Exchange:
    """One request and its answer, which has a connection for itself until it is left."""

    __slots__ = ("_connection", "_direct", "_request")

    def __init__(self, direct: Direct, request: bytes) -> None:
        self._direct = direct
        self._request = request
        self._connection: Connection

    async def __aenter__(self) -> Answer:
        self._connection = connection = await self._direct.connect()
        try:
            return await _exchanged(connection, self._request)
        except HttpProcessingError as exc:
            connection.close()
            raise ValueError(exc.message) from exc
        except BaseException:
            connection.close()
            raise

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.release()  # one whose answer was not read to its end is closed by that


async def _exchanged(connection: Connection, request: bytes) -> Answer:
    protocol = connection.protocol
    if protocol is None or protocol.transport is None or protocol.transport.is_closing():
        raise aiohttp.ClientConnectionResetError("the connection is closing")
    protocol.set_response_params(read_until_eof=True, auto_decompress=False)
    protocol.transport.write(request)
    while True:
        message, content = await protocol.read()
        if message.code not in _INTERIM or message.code == _SWITCHING:
            return Answer(message.code, message.headers, content)
