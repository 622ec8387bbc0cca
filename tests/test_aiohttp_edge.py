"""The aiohttp edge: sockets, and what goes wrong on them."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import traceback
import warnings
from typing import Any

import pytest
from rawserver import GET, SECRET, answer_to, client_of, failure_of, http, serving

from asyncchat import (
    APIConnectionError,
    APITimeoutError,
    AsyncClient,
    ConfigurationError,
    Request,
)

pytestmark = pytest.mark.usefixtures("any_way")


@pytest.mark.asyncio
async def test_what_is_sent() -> None:
    """A request has the token, says what it takes, and asks for exactly the path and query that was meant."""
    async with serving(http()) as server, client_of(server.base_url + "/v1") as chat:
        await chat.request(Request("POST", "/a%20b", params={"since": "+0700"}, headers={"X-A": "1"}, body=b"xyz"))
    (head,) = server.heads
    assert head.startswith(b"POST /v1/a%20b?since=%2B0700 HTTP/1.1\r\n")
    for line in (f"Authorization: Bearer {SECRET}", "Accept: application/json", "X-A: 1", "Content-Length: 3"):
        assert line.encode() in head
    assert b"\r\nUser-Agent: asyncchat/" in head
    assert b"\r\nAccept-Encoding: gzip, deflate\r\n" in head


@pytest.mark.asyncio
async def test_an_answer() -> None:
    """An answer's status, headers and body come through, decompressed."""
    body = gzip.compress(b'{"a": 1}')
    answer = await answer_to(http(body, "Content-Encoding: gzip", "X-Request-Id: r", status="201 Created"))
    assert (answer.status, answer.json(), answer.request_id) == (201, {"a": 1}, "r")


@pytest.mark.asyncio
async def test_a_refused_connection() -> None:
    """A port where nobody listens: nothing was sent, and the error names host and port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with client_of(f"http://127.0.0.1:{port}") as chat:
        with pytest.raises(APIConnectionError, match=rf"cannot connect to 127\.0\.0\.1:{port}") as caught:
            await chat.request(GET)
    assert (caught.value.sent, caught.value.retryable) == (False, True)


@pytest.mark.asyncio
async def test_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that no resolver knows: nothing was sent, and the error says so."""

    async def unknown(*_args: Any, **_named: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    async with client_of("https://nowhere.example") as chat:
        with pytest.raises(APIConnectionError, match=r"the host 'nowhere\.example' is unknown") as caught:
            await chat.request(GET)
    assert not caught.value.sent


async def hang(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(http(b"{", length=1_000))
    await writer.drain()
    await hang(writer)


@pytest.mark.asyncio
@pytest.mark.parametrize("handle", [hang, drip])
async def test_an_answer_that_does_not_come(handle: Any) -> None:
    """No answer, or one that stops in its middle, is a timeout after a request that was sent."""
    error = await failure_of(handle, timeout=0.05)
    assert isinstance(error, APITimeoutError)
    assert error.sent


@pytest.mark.asyncio
async def test_cookies_are_ignored() -> None:
    """A cookie that the server sets is not sent back."""
    async with (
        serving(http(b"{}", *[f"Set-Cookie: c{i}=v; Path=/" for i in range(50)])) as server,
        client_of(server.base_url.replace("127.0.0.1", "localhost")) as chat,  # aiohttp keeps none of an address
    ):
        await chat.request(GET)
        await chat.request(GET)
    assert len(server.heads) == 2
    assert all(b"cookie" not in head.lower() for head in server.heads)


@pytest.mark.asyncio
async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is used only with `trust_env=True`."""
    async with serving(http(b'{"from": "proxy"}')) as proxy, serving(http()) as server:
        monkeypatch.setenv("http_proxy", proxy.base_url)
        monkeypatch.delenv("no_proxy", raising=False)
        async with client_of(server.base_url) as chat:
            assert (await chat.request(GET)).json() == {}
        async with client_of(server.base_url, trust_env=True) as chat:
            assert (await chat.request(GET)).json() == {"from": "proxy"}


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", ["bearer", "header:X-Key", "query:key"])
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"junk",
        http(b"{", length=9),
        http(b"x", "Content-Encoding: br"),
        http(b"x", "Content-Encoding: gzip"),
        http(b"x" * 2_000),
        http(b"", "Location: http://elsewhere.example/", status="302 Found"),
        http(b"", "Location: /x", status="302 Found"),
        hang,
    ],
)
async def test_a_traceback_with_locals(raw: Any, auth: str) -> None:
    """No frame that an error leads through has a variable that shows the token."""
    error = await failure_of(raw, auth=auth, max_body=1_000, timeout=0.05 if raw is hang else 5)
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    variables = {(f.filename, f.name): f.locals or {} for f in whole.stack if "/tests/" not in f.filename}
    assert any(file.endswith("_client.py") for file, _ in variables)
    assert [(place, name) for place, each in variables.items() for name in each if SECRET in each[name]] == []


def test_another_loop() -> None:
    """A client that was used in one event loop says so in another."""

    async def use(chat: AsyncClient) -> None:
        await chat.request(GET)

    async def first(chat: list[AsyncClient]) -> None:
        async with serving(http()) as server:
            chat.append(client_of(server.base_url))
            await use(chat[0])

    async def second(chat: list[AsyncClient]) -> None:
        with pytest.raises(ConfigurationError, match="another event loop"):
            await use(chat[0])
        await chat[0].aclose()

    made: list[AsyncClient] = []
    asyncio.run(first(made))
    asyncio.run(second(made))


@pytest.mark.asyncio
async def test_a_forgotten_client_warns_once() -> None:
    """A client that is dropped without closing gives one ResourceWarning, which names the fix."""
    async with serving(http()) as server:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            chat = client_of(server.base_url)
            await chat.request(GET)
            del chat
            gc.collect()
    assert [(warning.category, "async with AsyncClient" in str(warning.message)) for warning in caught] == [
        (ResourceWarning, True)
    ]


@pytest.mark.asyncio
async def test_a_client_that_was_not_used_needs_no_closing() -> None:
    """Making a client and dropping it is no leak."""
    client_of("https://host.example")
    gc.collect()
