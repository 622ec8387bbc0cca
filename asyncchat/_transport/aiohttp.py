"""The aiohttp edge: the only module that opens a client session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import ssl as ssl_module
import warnings
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from types import FunctionType
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import aiohttp.client
from yarl import URL

import asyncchat
from asyncchat._policy.secret import Hidden, bare
from asyncchat._transport.alarms import Alarms, Bound
from asyncchat._transport.connections import Connector, send_once
from asyncchat._transport.direct import Answer, Direct
from asyncchat._transport.failures import CONNECT_SECONDS, IDLE_SECONDS, closed_meanwhile, out_of_time, translate
from asyncchat._transport.tls import make_ssl
from asyncchat._wire.encodings import ACCEPTED, Body
from asyncchat._wire.redirects import REDIRECTS, next_url
from asyncchat._wire.request import Request
from asyncchat._wire.response import Response
from asyncchat.errors import APIConnectionError, ConfigurationError, DecodeError

_USER_AGENT: Final = (
    f"asyncchat/{asyncchat.__version__} Python/{platform.python_version()} aiohttp/{aiohttp.__version__}"
)
_LIMITS: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
"""All but connecting is bounded here: aiohttp's own total loses a cancellation that comes with it."""
_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": ACCEPTED,
    "User-Agent": _USER_AGENT,
}


class AiohttpTransport:
    """One aiohttp session, made in the event loop that sends the first request, and bound to it.

    Args:
        base_url: With the API's prefix, without a slash at the end.
        ssl: What `make_ssl` takes.
        trust_env: Whether proxies are taken from the environment.
    """

    def __init__(
        self,
        base_url: str,
        *,
        ssl: ssl_module.SSLContext | str | os.PathLike[str] | None = None,
        trust_env: bool = False,
    ) -> None:
        self._scheme, self._authority, self._prefix, *_ = urlsplit(base_url)
        self._ssl = make_ssl(ssl)
        self._trust_env = trust_env
        self._session: aiohttp.ClientSession | None = None
        self._direct: Direct | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._alarms = Alarms()

    async def send(self, request: Request, *, timeout: float | None, max_body: int) -> Response:  # noqa: ASYNC109
        """Send a request and read the whole answer. No cookie is kept; reads are redirected within their origin.

        The timeout is for all of it. What cannot be read of the body of an error does not hide its status: the body is
        empty then.

        Raises:
            APIConnectionError: No usable answer came.
            APIStatusError: The answer is a redirect that is not followed (`_wire.redirects`).
            DecodeError: The body is larger than allowed, or its encoding cannot be read.
            ConfigurationError: The client belongs to another event loop or process.
        """
        session = self._session_of_loop()
        trail: list[str] = []
        failure: BaseException
        try:
            with self._alarms.within(timeout, idle=IDLE_SECONDS) as bound:
                while isinstance(answer := await self._exchange(session, request, trail, max_body, bound), str):
                    trail.append(Hidden(answer))
                return answer
            failure = out_of_time(idle=bound.is_idle)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            failure = translate(exc)
        except BaseException as exc:  # noqa: BLE001 - it is raised again, below
            failure = bare(exc)
        if self._session is not session and isinstance(failure, Exception):
            failure = closed_meanwhile()
        # Out of the handler, and without the frames inside: they hold the URL and headers, and these the token.
        try:
            raise failure
        finally:
            del failure

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        request: Request,
        trail: list[str],
        max_body: int,
        bound: Bound,
    ) -> Response | str:
        """Ask the last URL of the trail, in the beginning the request's: the answer, or the URL that it sends us to."""
        async with self._asked(session, request, trail) as answer:
            if answer.status in REDIRECTS:
                if not trail:
                    trail.append(Hidden(str(self._url_of(request))))
                further = next_url(trail, request, Response(status=answer.status, headers=answer.headers))
                if further is not None:
                    return further
            body = await _read(answer, max_body, bound)
            return Response(status=answer.status, headers=answer.headers, body=body)

    def _asked(
        self, session: aiohttp.ClientSession, request: Request, trail: list[str]
    ) -> AbstractAsyncContextManager[Answer | aiohttp.ClientResponse]:
        direct = self._direct
        if direct is not None and not trail and direct.takes(request) and _is_plain(session):
            target = self._prefix + request.path
            return direct.get(f"{target}?{request.query}" if request.params else target, request)
        url = URL(str(trail[-1]), encoded=True) if trail else self._url_of(request)
        return session.request(
            request.method, url, headers=request.headers, data=request.body, timeout=_LIMITS, allow_redirects=False
        )

    def _url_of(self, request: Request) -> URL:
        path = self._prefix + request.path
        return URL.build(
            scheme=self._scheme, authority=self._authority, path=path, query_string=request.query, encoded=True
        )

    def _session_of_loop(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None:
            connector = Connector(self._ssl)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                trust_env=self._trust_env,
                auto_decompress=False,
                middlewares=(send_once,),
            )
            self._loop, self._process = loop, os.getpid()
            self._direct = self._direct_over(connector)
        elif self._process != os.getpid():
            raise ConfigurationError(
                "this client was first used in another process, which goes on using its connections: "
                "make one client per process, after the fork"
            )
        elif self._loop is not loop:
            raise ConfigurationError(
                "this client was first used in another event loop and is bound to it: make one client per loop, "
                "or use asyncchat.Client from blocking code"
            )
        return self._session

    def _direct_over(self, connector: Connector) -> Direct | None:
        """The direct way; None where requests need more: a proxy of the environment, or a user in the URL."""
        if self._trust_env or "@" in self._authority:
            return None
        with contextlib.suppress(aiohttp.ClientError, ValueError):  # a host that is none: the request will tell
            origin = URL.build(scheme=self._scheme, authority=self._authority, encoded=True)
            return Direct(connector, origin, headers=_HEADERS, timeout=_LIMITS)
        return None

    async def aclose(self) -> None:
        """Close every connection: calls under way end with an error. May be called twice."""
        self._alarms.stop()
        session, self._session = self._session, None
        if session is None:
            return
        if self._process == os.getpid():
            await session.close()
        else:
            session.detach()

    def __del__(self) -> None:
        session = getattr(self, "_session", None)
        if session is None or session.closed:
            return
        connector = session.connector
        session.detach()
        if self._process != os.getpid():
            return
        if connector is not None:
            _begin(connector.close())
        warnings.warn(
            "an asyncchat client was never closed: use `async with AsyncClient(...)`, or await client.aclose()",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )


def _is_plain(session: aiohttp.ClientSession) -> bool:
    """Whether nobody listens who must see every request.

    Tools for tests and tracing, such as aioresponses, VCR.py and ddtrace, put theirs in the place of
    `ClientSession._request`; others, such as those of OpenTelemetry and Sentry, give each session a trace config.
    """
    found = aiohttp.ClientSession._request  # noqa: SLF001 - what they replace
    return not session.trace_configs and type(found) is FunctionType and found.__globals__ is vars(aiohttp.client)


def _begin(closing: Awaitable[None]) -> None:
    """Run it to where it would wait: connections are closed by then, and a finalizer cannot wait."""
    steps = closing.__await__()
    with contextlib.suppress(StopIteration, RuntimeError):
        next(steps)
    steps.close()


async def _read(answer: Answer | aiohttp.ClientResponse, max_body: int, bound: Bound) -> bytes:
    bound.alive()
    try:
        body = Body(",".join(answer.headers.getall("Content-Encoding", ())), max_body)
        while not answer.content.at_eof():
            body.feed(await answer.content.readany())
            bound.alive()
        return body.whole()
    except (APIConnectionError, DecodeError):
        if answer.status < HTTPStatus.BAD_REQUEST:
            raise
    return b""
