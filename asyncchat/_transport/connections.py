"""Connections: what is kept alive, what may be used again, and that a request is sent once."""

from __future__ import annotations

import os
import select
import warnings
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import aiohttp

from asyncchat._transport.failures import translate

if TYPE_CHECKING:
    import ssl as ssl_module
    from collections.abc import Callable

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_KEPT_SECONDS: Final = 4.0
"""How long an idle connection is kept: less than the 5 s after which usual servers hang up, so that it is us who do."""


class Connector(aiohttp.TCPConnector):
    """Connections to one server, of which an idle one is used again only while nothing has come on it.

    A server that closes an idle connection, or writes to it unasked, has made it useless: the next request would be
    lost, or get an answer that is not its own. aiohttp sees neither while its event loop is busy elsewhere, and never
    looks for the second; so this asks the socket itself, as urllib3 and httpcore do.

    Only the process that opened connections closes them. A forked child shares their sockets, and the selector that
    watches them: closing them there says good-bye to the server, and makes the parent deaf.

    Args:
        ssl: The TLS context, None for the system's CAs.
    """

    def __init__(self, ssl: ssl_module.SSLContext | None) -> None:
        super().__init__(limit=0, ssl=True if ssl is None else ssl, keepalive_timeout=_KEPT_SECONDS)
        self._used: WeakKeyDictionary[ResponseHandler, Callable[[], bool]] = WeakKeyDictionary()
        self._process = os.getpid()

    def __del__(self, _warnings: Any = warnings, getpid: Callable[[], int] = os.getpid) -> None:
        if getattr(self, "_process", None) == getpid():
            super().__del__(_warnings)

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as it is there
    ) -> Connection:
        """An idle connection that is as the last answer left it, else a new one."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None:
                return connection
            is_readable = self._used.get(protocol)
            if is_readable is None:
                self._used[protocol] = _watch(protocol)
                return connection
            if not protocol.should_close and not is_readable():
                return connection
            connection.close()


def _watch(protocol: ResponseHandler) -> Callable[[], bool]:
    """What tells whether something waits in the socket: bytes that nobody asked for, or the end."""
    socket = protocol.transport.get_extra_info("socket") if protocol.transport else None
    if socket is None:
        return lambda: False
    descriptor = socket.fileno()
    if not hasattr(select, "poll"):
        return lambda: bool(select.select([descriptor], [], [], 0)[0])
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return lambda: bool(waiting.poll(0))


async def send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A client middleware: a lost connection is told at once, in our words.

    aiohttp sends a GET a second time when its connection is lost, whether it was idle before or new, so that three
    attempts may be six requests. It does so for two classes of its own exceptions; ours is none of them. Nothing is
    resent here: retries are the pipeline's, which counts them.

    Raises:
        APIConnectionError: No connection, or it was lost before an answer came.
    """
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        failure = translate(exc)
    raise failure  # out of the handler: its exception, which holds the token in its headers, is not the context
