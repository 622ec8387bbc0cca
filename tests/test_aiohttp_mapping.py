"""Every exception of aiohttp becomes one of ours; TLS that is refused."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import types
from typing import TYPE_CHECKING, Any
from unittest import mock

import aiohttp
import pytest
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import aioresponses
from rawserver import http, serving

from asyncchat import APIConnectionError, APITimeoutError, AsyncClient, AuthenticationError, NotFoundError, Request
from asyncchat._transport.failures import translate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody signed but itself, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("tls") / "own.pem"
    arguments = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", str(file.with_suffix(".crt"))]
    subprocess.run([openssl, *arguments, *names], check=True, capture_output=True)  # noqa: S603 - our own arguments
    file.write_text(file.read_text() + file.with_suffix(".crt").read_text())
    return file


@pytest.mark.asyncio
async def test_a_certificate_that_nobody_signed_is_refused(certificate: Path) -> None:
    """A certificate of an own CA is refused before the token is sent, and the error names ssl=."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serving(http(), tls=context) as server, AsyncClient(server.base_url, token="t0ken") as chat:
        with pytest.raises(APIConnectionError, match=r"certificate of 127\.0\.0\.1.*ssl=") as caught:
            await chat.request(Request("GET", "/x"))
        assert (caught.value.sent, caught.value.attempts) == (False, 1)
        assert server.heads == []


@pytest.mark.asyncio
async def test_an_own_certificate_is_trusted_when_it_is_given(certificate: Path) -> None:
    """With `ssl=` the same server is trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    own = certificate.with_suffix(".crt")
    async with serving(http(), tls=context) as server, AsyncClient(server.base_url, token="t0ken", ssl=own) as chat:
        assert (await chat.request(Request("GET", "/x"))).status == 200


@pytest.mark.asyncio
async def test_https_to_a_server_without_tls() -> None:
    """A server that speaks plain http is not an https server, says the error."""
    async with serving(http(), early=True) as server:
        chat = AsyncClient(server.base_url.replace("http:", "https:"), token="t0ken", retry=0)
        with pytest.raises(APIConnectionError, match="is it an https server") as caught:
            await chat.request(Request("GET", "/x"))
        await chat.aclose()
    assert not caught.value.sent
