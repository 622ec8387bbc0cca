"""Every exception of aiohttp becomes one of ours."""

from __future__ import annotations

import ssl
import types
from typing import TYPE_CHECKING, Any
from unittest import mock

import aiohttp
import pytest
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import aioresponses

from asyncchat import APIConnectionError, APITimeoutError, AsyncClient, AuthenticationError, NotFoundError, Request
from asyncchat._transport.failures import translate

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_SENT = {"sent": False, "retryable": True}
NEVER = {"sent": False, "retryable": False}
SENT = {"sent": True, "retryable": True}

# What each class stands for. A class that a new aiohttp brings has to be judged here.
MEANING: dict[str, dict[str, bool]] = {
    "ClientConnectionError": SENT,
    "ClientConnectionResetError": SENT,
    "ClientConnectorCertificateError": NEVER,
    "ClientConnectorDNSError": NOT_SENT,
    "ClientConnectorError": NOT_SENT,
    "ClientConnectorSSLError": NEVER,
    "ClientError": SENT,
    "ClientHttpProxyError": SENT,
    "ClientOSError": SENT,
    "ClientPayloadError": SENT,
    "ClientProxyConnectionError": NOT_SENT,
    "ClientResponseError": SENT,
    "ClientSSLError": NEVER,
    "ConnectionTimeoutError": NOT_SENT,
    "ContentTypeError": SENT,
    "InvalidURL": NEVER,
    "InvalidUrlClientError": NEVER,
    "InvalidUrlRedirectClientError": NEVER,
    "NonHttpUrlClientError": NEVER,
    "NonHttpUrlRedirectClientError": NEVER,
    "RedirectClientError": SENT,
    "ServerConnectionError": SENT,
    "ServerDisconnectedError": SENT,
    "ServerFingerprintMismatch": SENT,
    "ServerTimeoutError": SENT,
    "SocketTimeoutError": SENT,
    "TooManyRedirects": SENT,
    "UnixClientConnectorError": NOT_SENT,
    "UploadAbortedError": SENT,
    "WSServerHandshakeError": SENT,
}
SYSTEM = {
    "TimeoutError": (TimeoutError(), SENT),
    "ConnectionResetError": (ConnectionResetError(104, "reset"), SENT),
    "BrokenPipeError": (BrokenPipeError(32, "pipe"), SENT),
    "OSError": (OSError(5, "io"), SENT),
    "ssl.SSLError": (ssl.SSLError(1, "tls"), SENT),
    "ValueError": (ValueError("chunk too big"), SENT),
}


def below(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith("aiohttp"):
            yield from below(child)


def example(kind: Any) -> Exception:
    """An exception as aiohttp makes it."""
    key = ConnectionKey("host.example", 443, True, True, None, None, None)
    failed = OSError(111, "Connection refused")
    if issubclass(kind, UnixClientConnectorError):
        made: Any = kind("/socket", key, failed)
    elif issubclass(kind, aiohttp.ClientConnectorCertificateError):
        made = kind(key, ssl.SSLCertVerificationError("self-signed certificate"))
    elif issubclass(kind, aiohttp.ClientConnectorError):
        made = kind(key, failed)
    elif issubclass(kind, aiohttp.ClientResponseError):
        info = types.SimpleNamespace(real_url="https://host.example/?key=s3cr3t", headers={"Authorization": "s3cr3t"})
        made = kind(info, (), status=400, message="s3cr3t")
    elif issubclass(kind, aiohttp.ServerFingerprintMismatch):
        made = kind(b"a", b"b", "host.example", 443)
    else:
        made = kind("https://host.example/?key=s3cr3t")
    assert isinstance(made, Exception)
    return made


@pytest.mark.parametrize("kind", sorted(set(below(aiohttp.ClientError)), key=str))
def test_every_exception_of_aiohttp_is_mapped(kind: type[Exception]) -> None:
    """Each class says whether the server may have seen the request, and whether it is worth another try."""
    assert kind.__name__ in MEANING, "a new class of aiohttp: decide what it means"
    error = translate(example(kind))
    assert {"sent": error.sent, "retryable": error.retryable} == MEANING[kind.__name__]
    assert isinstance(error, APITimeoutError) == issubclass(kind, TimeoutError)
    assert "s3cr3t" not in f"{error!r} {vars(error)}"
    assert len(str(error)) > 20


@pytest.mark.parametrize("name", SYSTEM)
def test_exceptions_of_the_system_are_mapped(name: str) -> None:
    """What the system raises below aiohttp is mapped too."""
    exception, meaning = SYSTEM[name]
    error = translate(exception)
    assert {"sent": error.sent, "retryable": error.retryable} == meaning
    assert isinstance(error, APITimeoutError) == isinstance(exception, TimeoutError)


class Answer(aiohttp.ClientResponse):
    """An answer as aioresponses 0.7.9 makes it, with what aiohttp 3.14 wants besides."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **{"stream_writer": mock.Mock(), **named})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "kind", [k for k in below(aiohttp.ClientError) if issubclass(k, aiohttp.ClientConnectionError)]
)
async def test_an_exception_of_a_session_comes_out_mapped(kind: type[Exception]) -> None:
    """What a session raises reaches the caller as an APIConnectionError without a trace of itself."""
    with aioresponses() as fake:
        fake.get("https://host.example/v1/x", exception=example(kind))
        async with AsyncClient("https://host.example/v1", token="t0ken", retry=0) as chat:
            with pytest.raises(APIConnectionError) as caught:
                await chat.request(Request("GET", "/x"))
    assert caught.value.__context__ is None
    assert (caught.value.method, caught.value.path) == ("GET", "/x")


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (404, NotFoundError)])
async def test_a_status_comes_out_as_its_class(status: int, kind: type[Exception]) -> None:
    """A status is an error of its class, with the message that the server sent."""
    with aioresponses() as fake:
        fake.get("https://host.example/x", status=status, payload={"message": "no"}, response_class=Answer)
        async with AsyncClient("https://host.example", token="t0ken") as chat:
            with pytest.raises(kind, match=f"{status} .*: no"):
                await chat.request(Request("GET", "/x"))
