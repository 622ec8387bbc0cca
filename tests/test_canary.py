"""A token that is easy to find is driven through every way a call can fail, and must come out nowhere."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any, get_args
from urllib.parse import quote

import anyio
import pytest
from answers import STAMP, model, page
from canary import TOKEN, Net
from rawserver import GET, http, serving

from asyncchat import AsyncChatError, AsyncClient, RetryPolicy
from asyncchat.sandbox import Fault, Sandbox
from asyncchat.sandbox.mishaps.kinds import Kind
from asyncchat.testing import MockTransport, json_response

PLACES = ["bearer", "header:X-Api-Key", "query:api_key"]
STATUSES = [201, 204, 206, *range(300, 309), *range(400, 432), 451, *range(500, 512), *range(520, 528), 599]
TWICE = RetryPolicy(attempts=2, backoff=0)


@pytest.fixture(scope="module")
def boxes() -> Iterator[dict[str, Sandbox]]:
    with ExitStack() as stack:
        yield {
            auth: stack.enter_context(
                Sandbox(models=2, conversations=30, messages_mean=1, token=TOKEN, database=":memory:", auth=auth)
            )
            for auth in PLACES
        }


def client_of(net: Net, base_url: str | None, auth: str, **options: Any) -> AsyncClient:
    hooks = [lambda event: net.add("event", repr(event))]
    return AsyncClient(base_url, **{"token": TOKEN, "auth": auth, "retry": TWICE, "hooks": hooks, **options})


def run(net: Net, main: Coroutine[Any, Any, Any], *, debug: bool = False) -> None:
    """Run something in a loop whose complaints go into the net."""

    async def listening() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: net.add("complaint of the loop", repr(context)))
        loop.slow_callback_duration = 0.0 if debug else 60.0
        await main

    asyncio.run(listening(), debug=debug)


async def fails(net: Net, call: Awaitable[Any], *, draw: bool = False) -> BaseException:
    """Throw what a call ends with into the net."""
    try:
        await call
    except BaseException as error:  # noqa: BLE001 - whatever it is
        net.look(error, draw=draw)
        return error
    raise AssertionError("it did not fail")


# ---- what a sandbox does wrong


@pytest.mark.parametrize("auth", PLACES)
@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_fault(net: Net, boxes: dict[str, Sandbox], kind: Any, auth: str) -> None:
    """Under every fault of the sandbox, no output of a listing shows the token."""
    box = boxes[auth]
    value = {"body": json.dumps({"data": TOKEN}), "row": json.dumps(TOKEN), "envelope": json.dumps(TOKEN)}.get(kind, "")
    name = {"row": "created_at", "envelope": "page"}.get(kind, "")
    box.faults(Fault(kind, value=value, name=name, size=2**21 if kind == "bomb" else None))

    async def main() -> None:
        async with client_of(net, box.base_url, auth, timeout=0.05, max_body=2**20) as chat:
            for call in (chat.conversations.list(per_page=10).collect, chat.models.list().raw().collect):
                try:
                    net.add("rows", repr(await call()))
                except AsyncChatError as error:
                    net.look(error, draw=auth == "query:api_key")

    try:
        run(net, main())
    finally:
        box.clear_faults()


# ---- a server that sends the token back


def anywhere(text: str) -> bytes:
    """An answer of a server that repeats what it was sent in every place."""
    body = json.dumps({"message": f"no {text}", "data": [{"id": text}], "created_at": text}).encode()
    lines = [f"X-Request-Id: {text}", f"Set-Cookie: k={text}", f"X-{text[:3]}: {text}", f"Location: /?key={text}"]
    return http(body, *lines, f"Retry-After: {text}", f"Content-Type: {text}", status=f"STATUS {text}")


ESCAPED = "".join(f"\\u{ord(char):04X}" for char in TOKEN)
ECHOES: dict[str, Callable[[int], bytes]] = {
    "json": lambda code: http(json.dumps({"error": TOKEN}).encode(), status=f"{code} No"),
    "json, other member": lambda code: http(json.dumps({"why": [TOKEN]}).encode(), status=f"{code} No"),
    "json, every letter escaped": lambda code: http(f'{{"message": "{ESCAPED}"}}'.encode(), status=f"{code} No"),
    "json in json": lambda code: http(json.dumps({"message": json.dumps(TOKEN)}).encode(), status=f"{code} No"),
    "plain": lambda code: http(f"key {TOKEN}".encode(), status=f"{code} No"),
    "cut": lambda code: http(b"x" * 290 + TOKEN.encode(), status=f"{code} No"),
    "cut body": lambda code: http(b"<" * 1_990 + TOKEN.encode(), status=f"{code} No"),
    "lower case": lambda code: http(TOKEN.lower().encode(), status=f"{code} No"),
    "percent": lambda code: http(f"/?key={quote(TOKEN, safe='')}".encode(), status=f"{code} No"),
    "percent, small": lambda code: http(quote(TOKEN, safe="").lower().encode(), status=f"{code} No"),
    "percent twice": lambda code: http(quote(quote(TOKEN, safe=""), safe="").encode(), status=f"{code} No"),
    "base64": lambda code: http(base64.b64encode(f"user:{TOKEN}".encode()), status=f"{code} No"),
    "base64 for URLs": lambda code: http(base64.urlsafe_b64encode(f"Bearer {TOKEN}".encode()), status=f"{code} No"),
    "html": lambda code: http(html.escape(f"it is {TOKEN}").encode(), status=f"{code} No"),
    "utf-16": lambda code: http(TOKEN.encode("utf-16"), status=f"{code} No"),
    "latin-1": lambda code: http(f"\xe9 {TOKEN} \xe9".encode("latin-1"), status=f"{code} No"),
    "type": lambda code: http(b"x", f"Content-Type: {'x' * 45}{TOKEN}", status=f"{code} No"),
    "request id": lambda code: http(b"{}", f"X-Request-Id: {'x' * 190}{TOKEN}", status=f"{code} No"),
    "row": lambda code: http(json.dumps(page([model(1, created_at=TOKEN)])).encode(), status=f"{code} No"),
    "long row": lambda code: http(json.dumps(page([model(1, created_at=STAMP + TOKEN)])).encode(), status=f"{code} No"),
    "row, name": lambda code: http(json.dumps(page([{TOKEN: TOKEN}])).encode(), status=f"{code} No"),
    "envelope": lambda code: http(json.dumps({TOKEN: 1, "data": TOKEN}).encode(), status=f"{code} No"),
    "bad header": lambda code: http(b"{}", f"{TOKEN}\0: {TOKEN}", status=f"{code} No"),
    "bad status": lambda code: f"HTTP/1.1 {TOKEN} {code}\r\n\r\n".encode(),
    "bad version": lambda code: f"HTTP/{TOKEN} {code}\r\n\r\n".encode(),
    "bad chunk": lambda code: (
        f"HTTP/1.1 {code} No\r\nTransfer-Encoding: chunked\r\n\r\n{TOKEN}\r\n{TOKEN}\r\n0\r\n\r\n".encode()
    ),
    "bad encoding": lambda code: http(TOKEN.encode(), "Content-Encoding: gzip", status=f"{code} No"),
    "unknown encoding": lambda code: http(TOKEN.encode(), f"Content-Encoding: {TOKEN}", status=f"{code} No"),
    "cut off": lambda code: http(TOKEN.encode(), status=f"{code} No", length=5_000),
}


@pytest.mark.parametrize("auth", PLACES)
@pytest.mark.parametrize("echo", ECHOES)
def test_every_echo(net: Net, echo: str, auth: str) -> None:
    """A server that repeats the token, in whatever place and spelling, finds it in no output of the client."""

    async def main() -> None:
        for code in (200, 400, 429, 500):
            async with (
                serving(ECHOES[echo](code)) as server,
                client_of(net, server.base_url, auth, timeout=1.0, retry=0) as chat,
            ):
                try:
                    net.add("row", repr(await chat.models.get(1)))
                except AsyncChatError as error:
                    net.look(error, draw=code == 400)

    run(net, main())


@pytest.mark.parametrize("auth", PLACES)
def test_every_status(net: Net, auth: str) -> None:
    """Whatever the status is, an answer that repeats the token in all places shows it in no output."""

    async def main() -> None:
        for status in STATUSES:
            raw = anywhere(TOKEN).replace(b"STATUS", str(status).encode())
            async with serving(raw) as server, client_of(net, server.base_url, auth, retry=0) as chat:
                await fails(net, chat.models.list().collect())

    run(net, main())


# ---- connections and time


async def hang(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(http(TOKEN.encode(), length=5_000))
    await writer.drain()
    await hang(writer)


async def _cancel(call: Coroutine[Any, Any, Any]) -> None:
    task = asyncio.create_task(call)
    await asyncio.sleep(0.02)
    task.cancel()
    await task


async def _scope(call: Awaitable[Any]) -> None:
    with anyio.fail_after(0.02):
        await call


async def _group(call: Coroutine[Any, Any, Any]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(call)
        await asyncio.sleep(0.02)
        raise RuntimeError("the group ends")


WAYS: dict[str, Callable[[AsyncClient], Awaitable[Any]]] = {
    "timeout": lambda chat: chat.with_options(timeout=0.02, retry=0).models.get(1),
    "deadline": lambda chat: chat.with_options(deadline=0.02).models.get(1),
    "deadline of a listing": lambda chat: chat.with_options(deadline=0.02).models.list().collect(),
    "task.cancel": lambda chat: _cancel(chat.models.get(1)),
    "asyncio.wait_for": lambda chat: asyncio.wait_for(chat.models.get(1), 0.02),
    "anyio.fail_after": lambda chat: _scope(chat.models.get(1)),
    "asyncio.TaskGroup": lambda chat: _group(chat.models.get(1)),
}


@pytest.mark.parametrize("auth", PLACES)
@pytest.mark.parametrize("handle", [hang, drip])
@pytest.mark.parametrize("way", WAYS)
def test_time_and_cancellation(net: Net, way: str, handle: Any, auth: str) -> None:
    """A call that ends early, in whatever way, leaves no frame behind that shows the token, in debug mode neither."""

    async def main() -> None:
        async with serving(handle) as server, client_of(net, server.base_url, auth) as chat:
            await fails(net, WAYS[way](chat), draw=True)

    run(net, main(), debug=auth.startswith("query"))


@pytest.mark.parametrize("auth", PLACES)
def test_no_connection(net: Net, auth: str) -> None:
    """A server that is not there, does not speak TLS, is not known or hangs up: no output shows the token."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        async with serving(http(), early=True) as plain, serving(b"") as deaf:
            urls = [f"http://127.0.0.1:{port}", plain.base_url.replace("http:", "https:"), deaf.base_url]
            for url in urls:
                async with client_of(net, url, auth) as chat:
                    await fails(net, chat.models.get(1), draw=True)

    run(net, main(), debug=True)


# ---- errors of others, inside of a call


def _broken(_: object) -> None:
    raise ZeroDivisionError("a hook of the user's")


@pytest.mark.parametrize("auth", PLACES)
def test_hooks_and_transports_that_fail(net: Net, auth: str) -> None:
    """Exceptions of hooks are logged, those of readers and transports come out of a call, without the token."""

    def refused(_: object) -> Any:
        try:
            int(TOKEN)
        except ValueError as exc:
            raise AsyncChatError("refused") from exc

    async def main() -> None:
        async with serving(http()) as server, client_of(net, server.base_url, auth, hooks=[_broken]) as chat:
            await chat.request(GET)  # what the hook raised is in the log
        async with serving(http()) as server, client_of(net, server.base_url, auth) as chat:
            await fails(net, chat.call(GET, _broken), draw=True)
        async with client_of(net, None, auth, transport=MockTransport(refused)) as chat:
            error = await fails(net, chat.request(GET), draw=True)
        assert "behind it: ValueError" in error.__notes__[0]

    run(net, main())


@pytest.mark.parametrize("auth", PLACES)
def test_a_double_of_the_transport(net: Net, auth: str) -> None:
    """What a test double has recorded shows the token neither in its repr nor in its values, nor in a pickle."""
    transport = MockTransport([json_response(model(1)), json_response({}, 404)])

    async def main() -> None:
        async with client_of(net, None, auth, transport=transport) as chat:
            await chat.models.get(1)
            await fails(net, chat.models.get(1), draw=True)
            await fails(net, chat.models.get(1))

    run(net, main())
    for text in (repr(transport.requests), *(repr(vars(transport)),)):
        net.add("recorded requests", text)


@pytest.mark.parametrize("auth", PLACES)
def test_listings(net: Net, auth: str) -> None:
    """A listing that repeats, fails at a page, is closed, or never awaited: no output shows the token."""
    same = json_response(page([model(1)], total_pages=9, total_rows=9))

    async def main() -> None:
        async with client_of(net, None, auth, transport=MockTransport(lambda _: same)) as chat:
            assert "page 2 brings the same rows" in str(await fails(net, chat.models.list(per_page=1).collect()))
        answers = lambda request: same if ("page", "1") in request.params else json_response({"message": TOKEN}, 500)  # noqa: E731
        async with client_of(net, None, auth, transport=MockTransport(answers)) as chat:
            pager = chat.models.list(per_page=1)
            net.add("pager", repr(pager))
            await fails(net, pager.collect(), draw=True)
            task = asyncio.create_task(chat.models.get(1))
            await asyncio.wait([task])
            del task  # its error is told by the loop: nobody retrieved it

    run(net, main(), debug=True)
