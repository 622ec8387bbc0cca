"""TLS: who is trusted, and what the errors of refused certificates say (row 31)."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from rawserver import GET, client_of, http, serving

from asyncchat import APIConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("any_way")

HERE = "IP:127.0.0.1"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@attrs.frozen
class Authority:
    """A CA of our own, in a folder."""

    folder: Path
    openssl: str

    def run(self, *arguments: str | Path) -> None:
        subprocess.run([self.openssl, *arguments], check=True, capture_output=True, cwd=self.folder)  # noqa: S603

    @property
    def file(self) -> Path:
        return self.folder / "ca.crt"

    def make(self) -> None:
        usage = ("-addext", "keyUsage=critical,keyCertSign")
        self.run(
            "req", "-x509", *NEW_KEY, "-days", "2", "-subj", "/CN=ca", *usage, "-keyout", "ca.key", "-out", "ca.crt"
        )

    def certificate(self, name: str, *, host: str = HERE, days: int = 2) -> ssl.SSLContext:
        """A server's TLS with a certificate for a host, valid for so many days."""
        (self.folder / "ext").write_text(f"subjectAltName={host}\nauthorityKeyIdentifier=keyid\n")
        self.run("req", "-new", *NEW_KEY, "-subj", "/CN=server", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days), "-extfile", "ext")
        self.run("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")
        return self.server_side(name)

    def own(self) -> ssl.SSLContext:
        """A server's TLS with a certificate that nobody signed but itself."""
        names = ("-addext", f"subjectAltName={HERE}", "-days", "2", "-subj", "/CN=own")
        self.run("req", "-x509", *NEW_KEY, *names, "-keyout", "own.key", "-out", "own.crt")
        return self.server_side("own")

    def server_side(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make certificates with")
    made = Authority(tmp_path_factory.mktemp("tls"), openssl)
    made.make()
    return made


async def refusal(tls: ssl.SSLContext, trusted: Path | None) -> str:
    """What the error of a call says: nothing was sent, and it is not tried again."""
    async with serving(http(), tls=tls) as server, client_of(server.base_url, ssl=trusted, retry=3) as chat:
        with pytest.raises(APIConnectionError) as caught:
            await chat.request(GET)
        assert (caught.value.sent, caught.value.retryable, caught.value.attempts) == (False, False, 1)
        assert server.heads == []
    return str(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("form", [str, Path, lambda file: ssl.create_default_context(cafile=file)])
async def test_an_own_ca_is_trusted_when_it_is_given(authority: Authority, form: Callable[[Path], Any]) -> None:
    """With the CA's file, or a context that knows it, the server is trusted."""
    tls, given = authority.certificate("good"), form(authority.file)
    async with serving(http(), tls=tls) as server, client_of(server.base_url, ssl=given) as chat:
        assert (await chat.request(GET)).status == 200


@pytest.mark.asyncio
async def test_a_connection_is_kept(authority: Authority) -> None:
    """A TLS connection is used again: what TLS itself sends between two answers is no reason to leave it."""
    ports = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername"))
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(http())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=authority.certificate("good"))
    async with server, client_of(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", ssl=authority.file) as chat:
        for _ in range(5):
            await chat.request(GET)
    assert len(ports) == 1


@pytest.mark.asyncio
async def test_a_ca_that_nobody_knows(authority: Authority) -> None:
    """A certificate of an own CA that was not given is refused; the error says how to give it."""
    said = await refusal(authority.certificate("good"), None)
    assert "certificate of 127.0.0.1:" in said
    assert "own CA, give that CA's certificate as a PEM file with ssl=" in said


@pytest.mark.asyncio
async def test_a_certificate_that_nobody_signed(authority: Authority) -> None:
    """A self-signed certificate is refused; the error says how to give it."""
    said = await refusal(authority.own(), None)
    assert "(self-signed certificate)" in said
    assert "with ssl=" in said


@pytest.mark.asyncio
async def test_a_certificate_of_its_own_is_trusted_when_it_is_given(authority: Authority) -> None:
    """With `ssl=` a self-signed certificate is trusted."""
    tls = authority.own()
    async with serving(http(), tls=tls) as server, client_of(server.base_url, ssl=authority.folder / "own.crt") as chat:
        assert (await chat.request(GET)).status == 200


@pytest.mark.asyncio
async def test_an_expired_certificate(authority: Authority) -> None:
    """An expired certificate is refused though its CA is known; the error names the clocks and the server."""
    said = await refusal(authority.certificate("old", days=-1), authority.file)
    assert "(certificate has expired)" in said
    assert "this machine's clock" in said
    assert "ssl=" not in said


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["DNS:other.example", "IP:127.0.0.2"])
async def test_a_certificate_for_another_host(authority: Authority, host: str) -> None:
    """A certificate for another name is refused though its CA is known; the error names base_url."""
    said = await refusal(authority.certificate("other", host=host), authority.file)
    assert "127.0.0.1" in said
    assert "set base_url to a name that the certificate is for" in said
    assert "ssl=" not in said


@pytest.mark.asyncio
async def test_a_certificate_for_another_name(authority: Authority) -> None:
    """The same holds where the host is a name and not an address."""
    tls = authority.certificate("other", host="DNS:other.example")
    async with serving(http(), tls=tls) as server:
        url = server.base_url.replace("127.0.0.1", "localhost")
        async with client_of(url, ssl=authority.file) as chat:
            with pytest.raises(APIConnectionError, match=r"localhost.*set base_url to a name"):
                await chat.request(GET)
    assert server.heads == []


@pytest.mark.asyncio
async def test_https_to_a_server_without_tls() -> None:
    """A server that speaks plain http is not an https server, says the error."""
    async with serving(http(), early=True) as server, client_of(server.base_url.replace("http:", "https:")) as chat:
        with pytest.raises(APIConnectionError, match="is it an https server") as caught:
            await chat.request(GET)
    assert not caught.value.sent
