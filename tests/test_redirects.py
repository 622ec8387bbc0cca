"""Redirects: followed within the origin for reads, refused otherwise, and no token leaves."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rawserver import SECRET, client_of, http, routing, serving

from asyncchat import APIStatusError, APITimeoutError, Request
from asyncchat._wire.redirects import MAX_REDIRECTS, redirect_target

pytestmark = pytest.mark.usefixtures("any_way")

ASKED = "https://api.example:8443/v1/models?page=1"
AUTHS = ["bearer", "header:X-Key", "query:key"]
STATUSES = ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
alphabet = st.sampled_from("http:/\\@.#?[]%2e api.example:8443 evil\t\n\0é")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/v2/models", "https://api.example:8443/v2/models"),
        ("conversations?page=2", "https://api.example:8443/v1/conversations?page=2"),
        ("?page=2", "https://api.example:8443/v1/models?page=2"),
        ("../x#part", "https://api.example:8443/x"),
        ("https://API.example:8443", "https://api.example:8443/"),
        ("//api.example:8443/x", "https://api.example:8443/x"),
        ("https:x", "https://api.example:8443/v1/x"),
        ("/x//evil.example/", "https://api.example:8443/x//evil.example/"),
    ],
)
def test_a_target_below_the_origin(location: str, target: str) -> None:
    """A Location below the request's origin is resolved against the request."""
    assert redirect_target(ASKED, 302, location) == target


@pytest.mark.parametrize(
    ("location", "origin"),
    [
        ("https://evil.example/x?token=1", "https://evil.example"),
        ("//evil.example/x", "https://evil.example"),
        ("https://api.example/x", "https://api.example"),
        ("https://api.example:8444/x", "https://api.example:8444"),
        ("http://api.example:8443/x", "http://api.example:8443, without TLS"),
        ("https://api.example.evil.example:8443/", "https://api.example.evil.example:8443"),
    ],
)
def test_a_target_elsewhere(location: str, origin: str) -> None:
    """Another scheme, host or port is refused; the error names that origin, not its query, and says what to do."""
    with pytest.raises(APIStatusError) as caught:
        redirect_target(ASKED, 307, location)
    assert f"redirects to {origin}" in str(caught.value)
    assert "set base_url" in str(caught.value)
    assert "token=1" not in str(caught.value)
    assert caught.value.status == 307


@pytest.mark.parametrize(
    "location",
    [
        "https://api.example:8443@evil.example/",
        "https://user:pw@api.example:8443/",
        "\\\\evil.example/x",
        "/\\evil.example/x",
        "https://[::1/",
        "https://api.example:port/",
        "javascript:alert(1)",
        "/a b",
        "/a\r\nX-Evil: 1",
        "/\u00e9",
    ],
)
def test_a_target_that_is_no_url(location: str) -> None:
    """What different parsers might read differently is not followed."""
    with pytest.raises(APIStatusError, match="no URL"):
        redirect_target(ASKED, 302, location)


@given(location=st.text(alphabet | st.characters(max_codepoint=255), min_size=1, max_size=40))
def test_no_location_leads_elsewhere(location: str) -> None:
    """Whatever a server writes, the target begins with the origin of the request, and is one line of plain ASCII."""
    try:
        target = redirect_target(ASKED, 302, location)
    except APIStatusError:
        return
    assert target.startswith("https://api.example:8443/")
    assert urlsplit(target).hostname == "api.example"
    assert all(" " < character < "\x7f" for character in target)


def to(location: str, status: str = "302 Found", *headers: str) -> bytes:
    return http(b"moved", f"Location: {location}", *headers, status=status)


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("status", STATUSES)
async def test_within_the_origin(status: str, auth: str) -> None:
    """A read is redirected within its origin, and the token goes along once (row 23)."""
    async with (
        routing(x=to("/v2/y?page=2", status), y=http(b'{"a": 1}')) as server,
        client_of(server.base_url + "/v1", auth=auth) as chat,
    ):
        answer = await chat.request(Request("GET", "/x", params={"page": 1}))
    assert answer.json() == {"a": 1}
    assert server.heads[1].startswith(b"GET /v2/y?page=2")
    assert [head.count(SECRET.encode()) for head in server.heads] == [1, 1]


@pytest.mark.asyncio
@pytest.mark.parametrize("said", ["key=s3cr3t-token", "key=***", "k%65y=s3cr3t-token", "key="])
async def test_a_location_that_repeats_the_token(said: str) -> None:
    """A query token that the Location repeats, or hides, goes along once, and the rest of the query as it was."""
    async with (
        routing(x=to(f"/y?a=%2B&{said}&b=+"), y=http()) as server,
        client_of(server.base_url, auth="query:key") as chat,
    ):
        await chat.request(Request("GET", "/x"))
    assert server.heads[1].startswith(f"GET /y?a=%2B&b=+&key={SECRET} HTTP".encode())


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("status", STATUSES)
async def test_no_token_reaches_another_origin(status: str, auth: str) -> None:
    """A redirect elsewhere ends the call with a clear error, and the other server hears nothing at all (row 23)."""
    async with (
        serving(http()) as elsewhere,
        serving(to(f"{elsewhere.base_url}/steal?q=1", status)) as server,
        client_of(server.base_url, auth=auth, retry=3) as chat,
    ):
        with pytest.raises(APIStatusError) as caught:
            await chat.request(Request("GET", "/x"))
    assert f"redirects to {elsewhere.base_url}, another origin" in str(caught.value)
    assert "q=1" not in str(caught.value)
    assert SECRET not in f"{caught.value!r} {vars(caught.value)}"
    assert (len(server.heads), elsewhere.heads) == (1, [])


@pytest.mark.asyncio
async def test_elsewhere_in_the_second_step() -> None:
    """A redirect within the origin gives no leave for one out of it (row 23)."""
    async with (
        serving(http()) as elsewhere,
        routing(x=to("/y"), y=to(elsewhere.base_url)) as server,
        client_of(server.base_url) as chat,
    ):
        with pytest.raises(APIStatusError, match="another origin"):
            await chat.request(Request("GET", "/x"))
    assert (len(server.heads), elsewhere.heads) == (2, [])


@pytest.mark.asyncio
@pytest.mark.parametrize("status", STATUSES)
async def test_a_write_is_not_redirected(status: str) -> None:
    """What is no read is not sent again, not even within the origin; the request id is kept (row 23)."""
    async with serving(to("/y", status, "X-Request-Id: r7")) as server, client_of(server.base_url) as chat:
        with pytest.raises(APIStatusError, match="only reads are followed") as caught:
            await chat.request(Request("POST", "/x", body=b"{}"))
    assert (len(server.heads), caught.value.request_id) == (1, "r7")


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize(("second", "sent"), [("/x", 1), ("/y", 2)])
async def test_a_loop(second: str, sent: int, auth: str) -> None:
    """A redirect to what was asked already is a loop, and is told at once (row 23)."""
    async with (
        routing(x=to(second), y=to("/x")) as server,
        client_of(server.base_url, auth=auth, retry=3) as chat,
    ):
        with pytest.raises(APIStatusError, match="in a loop"):
            await chat.request(Request("GET", "/x"))
    assert len(server.heads) == sent


@pytest.mark.asyncio
@pytest.mark.parametrize("times", [MAX_REDIRECTS, MAX_REDIRECTS + 1])
async def test_so_many_redirects(times: int) -> None:
    """Five redirects are followed, a sixth is not (row 23)."""
    answers = {str(number): to(f"/{number + 1}") for number in range(times)} | {str(times): http()}
    async with routing(**answers) as server, client_of(server.base_url) as chat:
        if times <= MAX_REDIRECTS:
            assert (await chat.request(Request("GET", "/0"))).status == 200
        else:
            with pytest.raises(APIStatusError, match="more than 5 times"):
                await chat.request(Request("GET", "/0"))
    assert len(server.heads) == MAX_REDIRECTS + 1


@pytest.mark.asyncio
async def test_a_redirect_without_a_target() -> None:
    """A redirect that does not say where is an error by its status."""
    async with serving(http(status="301 Moved")) as server, client_of(server.base_url) as chat:
        with pytest.raises(APIStatusError, match="Set base_url"):
            await chat.request(Request("GET", "/x"))


@pytest.mark.asyncio
async def test_the_timeout_is_for_all_steps() -> None:
    """An attempt has one timeout, however often it is redirected (row 22)."""

    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(to(f"/{len(server.heads)}"))
        await writer.drain()

    async with serving(slow) as server, client_of(server.base_url, timeout=0.25) as chat:
        with pytest.raises(APITimeoutError):
            await chat.request(Request("GET", "/x"))
