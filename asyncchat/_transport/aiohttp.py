"""The aiohttp edge: the only module that opens a client session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import ssl as ssl_module
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
from yarl import URL

import asyncchat
from asyncchat._policy.secret import bare
from asyncchat._wire.request import Request
from asyncchat._wire.response import Response
from asyncchat.errors import APIConnectionError, APITimeoutError, ConfigurationError, DecodeError

_CONNECT_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 30.0
_USER_AGENT: Final = (
    f"asyncchat/{asyncchat.__version__} Python/{platform.python_version()} aiohttp/{aiohttp.__version__}"
)
_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": _USER_AGENT,
}


def make_ssl(ssl: ssl_module.SSLContext | str | os.PathLike[str] | None) -> ssl_module.SSLContext | None:
    """The TLS context that `ssl` names: a context, a file with certificates of an own CA, None for the system's.

    Raises:
        ConfigurationError: It is none of these, or the file cannot be read. There is no way to turn checking off here.
    """
    if ssl is None or isinstance(ssl, ssl_module.SSLContext):
        return ssl
    if isinstance(ssl, str | os.PathLike):
        try:
            return ssl_module.create_default_context(cafile=ssl)
        except OSError as exc:
            raise ConfigurationError(
                f"ssl: the CA file {os.fspath(ssl)!r} cannot be used ({exc.strerror or exc}): give a PEM file"
            ) from None
    raise ConfigurationError(
        "ssl takes an ssl.SSLContext or a file with your CA's certificates; it is never turned off"
    )


class _Connector(aiohttp.TCPConnector):
    """Connections that only the process that opened them closes.

    A forked child shares their sockets, and the selector that watches them: closing them there says good-bye to the
    server, and makes the parent deaf.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.process = os.getpid()

    def __del__(self, _warnings: Any = warnings, getpid: Callable[[], int] = os.getpid) -> None:
        if getattr(self, "process", None) == getpid():
            super().__del__(_warnings)


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
        self._base_url = base_url
        self._ssl = make_ssl(ssl)
        self._trust_env = trust_env
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0

    async def send(self, request: Request, *, timeout: float | None, max_body: int) -> Response:  # noqa: ASYNC109
        """Send a request and read the whole answer. No redirect is followed, no cookie kept.

        Raises:
            APIConnectionError: No usable answer came.
            DecodeError: The body is larger than allowed.
            ConfigurationError: The client belongs to another event loop or process.
        """
        session = self._session_of_loop()
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_SECONDS, sock_read=_IDLE_SECONDS)
        failure: BaseException
        try:
            return await self._exchange(session, request, limits, max_body)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            failure = translate(exc)
        except BaseException as exc:  # noqa: BLE001 - it is raised again, below
            failure = bare(exc)
        if self._session is not session and isinstance(failure, Exception):
            failure = _closed_meanwhile()
        # Out of the handler, and without the frames inside: they hold the URL and headers, and these the token.
        try:
            raise failure
        finally:
            del failure

    async def _exchange(
        self, session: aiohttp.ClientSession, request: Request, limits: aiohttp.ClientTimeout, max_body: int
    ) -> Response:
        target = self._base_url + request.path + (f"?{request.query}" if request.params else "")
        url = URL(target, encoded=True)
        async with session.request(
            request.method, url, headers=request.headers, data=request.body, timeout=limits, allow_redirects=False
        ) as answer:
            body = await _read(answer, max_body)
            return Response(status=answer.status, headers=answer.headers, body=body)

    def _session_of_loop(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None:
            connector = _Connector(limit=0, ssl=True if self._ssl is None else self._ssl)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                trust_env=self._trust_env,
            )
            self._loop, self._process = loop, os.getpid()
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

    async def aclose(self) -> None:
        """Close every connection: calls under way end with an error. May be called twice."""
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


def _begin(closing: Awaitable[None]) -> None:
    """Run it to where it would wait: connections are closed by then, and a finalizer cannot wait."""
    steps = closing.__await__()
    with contextlib.suppress(StopIteration, RuntimeError):
        next(steps)
    steps.close()


async def _read(answer: aiohttp.ClientResponse, max_body: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > max_body:
            answer.close()
            raise DecodeError(
                f"the answer is larger than max_body ({max_body} bytes): ask for fewer rows with per_page=, "
                "or allow more with max_body="
            )
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _closed_meanwhile() -> APIConnectionError:
    return APIConnectionError(
        "the client was closed while the request was under way: await what it does before closing it",
        sent=True,
        retryable=False,
    )


def _tls_failed(exc: Any) -> APIConnectionError:
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        why = getattr(exc.certificate_error, "verify_message", "") or "not trusted"
        return APIConnectionError(
            f"the certificate of {exc.host}:{exc.port} was refused ({why}): if the server has an own CA, "
            "give its certificate with ssl=",
            retryable=False,
        )
    return APIConnectionError(f"no TLS with {exc.host}:{exc.port}: is it an https server?", retryable=False)


def _reason(exc: Exception) -> str:
    found = exc.os_error if isinstance(exc, aiohttp.ClientConnectorError) else exc
    number = getattr(found, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else type(exc).__name__


_TRANSLATIONS: Final[tuple[tuple[type[Exception], Callable[[Any], APIConnectionError]], ...]] = (
    (
        aiohttp.ConnectionTimeoutError,
        lambda _: APITimeoutError(f"no connection within {_CONNECT_SECONDS:g} s: check base_url and the network"),
    ),
    (
        TimeoutError,
        lambda _: APITimeoutError("no answer in time: the server is slow, or timeout= too short", sent=True),
    ),
    (aiohttp.ClientSSLError, _tls_failed),
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


def translate(exc: Exception) -> APIConnectionError:
    """The one place where aiohttp's and the system's exceptions become ours.

    Only classes and system error texts are used: the exceptions themselves hold URLs and headers.
    """
    return next(make(exc) for kind, make in _TRANSLATIONS if isinstance(exc, kind))
