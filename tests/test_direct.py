"""The two ways of a GET: past aiohttp's session, and through it where somebody may be listening."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rawserver import GET, client_of, http, serving

from asyncchat import AsyncChatError, Request
from asyncchat._transport import direct
from asyncchat._transport.direct import Direct

pytestmark = pytest.mark.skipif(not direct.IS_KNOWN, reason=f"aiohttp {aiohttp.__version__} is asked through sessions")

PATHS = st.from_regex(r"(/[A-Za-z0-9_~!$&'()*+,;=:@-]{1,8}|/%[3-7][0-9A-F]){1,3}/?", fullmatch=True)
PARAMS = st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=8), max_size=3)
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20).map(str.strip)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each request went directly."""
    found: list[bool] = []
    get, ask = Direct.get, aiohttp.ClientSession.request

    def directly(self: Direct, *args: Any) -> Any:
        found.append(True)
        return get(self, *args)

    def by_session(self: aiohttp.ClientSession, *args: Any, **named: Any) -> Any:
        found.append(False)
        return ask(self, *args, **named)

    monkeypatch.setattr(Direct, "get", directly)
    monkeypatch.setattr(aiohttp.ClientSession, "request", by_session)
    return found


async def heads_of(request: Request, **options: Any) -> list[bytes]:
    """What a server gets of a request that goes each way."""
    async with serving(http()) as server:
        for is_known in (True, False):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(direct, "IS_KNOWN", is_known)
                async with client_of(server.base_url + "/v1", **options) as chat:
                    await chat.request(request)
    return server.heads


def by_line(head: bytes) -> tuple[bytes, list[bytes]]:
    """The request line and the headers, in no order."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    return first, sorted(lines)


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", ["bearer", "header:X-Api-Key", "query:key"])
async def test_both_ways_send_the_same(auth: str, ways: list[bool]) -> None:
    """Line, headers and query are the same, whichever way a GET goes, and wherever the token stands."""
    request = Request("GET", "/a%20b/c", params={"since": "2025-05-05T05:05:05+0700"}, headers={"X-A": "1"})
    first, second = await heads_of(request, auth=auth, token="a+b/c=")
    assert by_line(first) == by_line(second)
    assert ways == [True, False]


@given(PATHS, PARAMS, VALUES)
@settings(max_examples=50)
def test_both_ways_send_the_same_of_all(path: str, params: dict[str, str], value: str) -> None:
    """Also of odd paths, queries and headers."""
    request = Request("GET", path, params=params, headers={"X-A": value})
    first, second = asyncio.run(heads_of(request))
    assert by_line(first) == by_line(second)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "request_",
    [
        Request("POST", "/a", body=b"x"),
        Request("DELETE", "/a"),
        Request("GET", "/a", body=b"x"),
        Request("GET", "/a", headers={"ACCEPT": "text/plain"}),
        Request("GET", "/a", headers={"Host": "elsewhere"}),
        Request("GET", "/a", headers={"connection": "close"}),
    ],
    ids=repr,
)
async def test_what_is_more_than_a_get_goes_through_the_session(request_: Request, ways: list[bool]) -> None:
    """Bodies, other methods, and headers that replace one of every request or mean something to the connection."""
    async with serving(http()) as server, client_of(server.base_url) as chat:
        await chat.request(request_)
    assert ways == [False]
    for name, value in request_.headers:
        assert server.heads[0].count(f"\r\n{name}: {value}\r\n".encode()) == 1
        assert server.heads[0].lower().count(f"\r\n{name.lower()}: ".encode()) == 1


@pytest.mark.asyncio
async def test_who_stands_in_for_aiohttp_sees_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools for tests and tracing that replace `ClientSession._request` are asked, also of a client that is in use."""
    seen: list[str] = []
    plain = aiohttp.ClientSession._request

    async def noting(self: aiohttp.ClientSession, method: str, *args: Any, **named: Any) -> aiohttp.ClientResponse:
        seen.append(method)
        return await plain(self, method, *args, **named)

    async with serving(http()) as server, client_of(server.base_url) as chat:
        await chat.request(GET)
        with monkeypatch.context() as patch:
            patch.setattr(aiohttp.ClientSession, "_request", noting)
            await chat.request(GET)
        await chat.request(GET)
    assert seen == ["GET"]


@pytest.mark.asyncio
async def test_trace_configs_see_every_request(monkeypatch: pytest.MonkeyPatch, ways: list[bool]) -> None:
    """Tracers that give every new session a trace config, as those of OpenTelemetry and Sentry do, are told."""
    seen: list[str] = []
    config = aiohttp.TraceConfig()

    async def started(_session: Any, _context: Any, params: aiohttp.TraceRequestStartParams) -> None:
        seen.append(params.method)

    config.on_request_start.append(started)
    begin = aiohttp.ClientSession.__init__

    def traced(self: aiohttp.ClientSession, *args: Any, **named: Any) -> None:
        begin(self, *args, trace_configs=[config], **named)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", traced)
    async with serving(http()) as server, client_of(server.base_url) as chat:
        await chat.request(GET)
    assert (seen, ways) == (["GET"], [False])


@pytest.mark.asyncio
async def test_a_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch, ways: list[bool]) -> None:
    """With trust_env a proxy gets the whole URL, as proxies do."""
    async with serving(http()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url)
        async with client_of("http://127.0.0.2:9", trust_env=True) as chat:
            await chat.request(GET)
    assert proxy.heads[0].startswith(b"GET http://127.0.0.2:9/")
    assert ways == [False]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:99999", "http://[::1%25x]:1", "http://exa_mple.invalid:1", "http://ü.invalid:1"]
)
async def test_odd_hosts_end_the_same_way(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host or port that nothing can be sent to is told in the same words, whichever way is tried."""
    told: list[str] = []
    for is_known in (True, False):
        monkeypatch.setattr(direct, "IS_KNOWN", is_known)
        with pytest.raises(AsyncChatError) as caught:
            async with client_of(base_url, allow_http=True) as chat:
                await chat.request(GET)
        told.append(f"{type(caught.value).__name__}: {caught.value}")
    assert told[0] == told[1]


STARTS = b"""\
HTTP/1.1 200 OK
HTTP/1.0 200 OK
HTTP/1.1 204 No Content
HTTP/1.1 304 Not Modified
HTTP/1.1 404
HTTP/1.1 500 No
HTTP/1.1 101 Switching Protocols
HTTP/1.1 99 Odd
HTTP/2.0 200 OK
nonsense
""".splitlines()
LINES = b"""\
Content-Length: 8
Content-Length: 9
Content-Length: 7
Content-Length: x
Content-Length: -1
Transfer-Encoding: chunked
Transfer-Encoding: gzip
Content-Encoding: gzip
Content-Encoding: br
Connection: close
Connection: keep-alive
Connection: upgrade
Upgrade: websocket
Set-Cookie: a=1
X-A: \xc3\xbc
X-A: \xff
no colon
: no name
""".splitlines()
BODIES = [
    *(b'{"a": 1}', b'{"a"', b"", b'{"a": 1}{"a": 1}', b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    *(b'8\r\n{"a": 1}\r\n0\r\n\r\n', b'8\r\n{"a": 1}\r\n', b"zz\r\n", gzip.compress(b'{"a": 1}', mtime=0)),
]
INTERIM = [b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"]
ANSWERS = st.builds(
    lambda interim, start, lines, body, end: interim + end.join([start, *lines, b"", b""]) + body,
    st.sampled_from(INTERIM),
    st.sampled_from([*STARTS, b""]),
    st.lists(st.sampled_from([*LINES, b"X-A: 1\r\n 2", b"X" * 9_000]), max_size=4),
    st.sampled_from(BODIES),
    st.sampled_from([b"\r\n", b"\n"]),
)


async def outcomes_of(raw: bytes) -> list[Any]:
    """What comes of an answer that is asked for in each way."""
    found: list[Any] = []
    async with serving(raw) as server:
        for is_known in (True, False):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(direct, "IS_KNOWN", is_known)
                async with client_of(server.base_url) as chat:
                    try:
                        answer = await chat.request(GET)
                        found.append((answer.status, dict(answer.headers), answer.body))
                    except AsyncChatError as exc:
                        found.append((type(exc), str(exc), vars(exc).get("sent"), vars(exc).get("retryable")))
    return found


@given(ANSWERS)
@settings(max_examples=300)
def test_both_ways_come_to_the_same(raw: bytes) -> None:
    """Whatever a server writes, the answer or the error is the same, whichever way the GET went."""
    first, second = asyncio.run(outcomes_of(raw))
    assert first == second
