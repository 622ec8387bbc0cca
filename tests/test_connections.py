"""Connections that are kept, dropped, or spoken on out of turn: a request is sent once, and gets its own answer."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from rawserver import GET, client_of, http
from threadserver import Peer, talking

from asyncchat import APIConnectionError, Request, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("any_way")

ATTEMPTS = [1, 2, 4]
MINE, THEIRS = http(b'"mine"'), http(b'"theirs"')


def dropping(*, after: int, how: Callable[[Peer], None]) -> Callable[[Peer], None]:
    """Talk that answers so many requests of the first connection, and drops every request after them."""

    def talk(peer: Peer) -> None:
        if peer.number == 1:
            for _ in range(after):
                peer.head()
                peer.send(MINE)
        peer.head()
        how(peer)

    return talk


def reset(peer: Peer) -> None:
    peer.hang_up(reset=True)


def half_a_head(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-")


def half_a_body(peer: Peer) -> None:
    peer.send(http(b"{", length=10))


@pytest.mark.asyncio
@pytest.mark.parametrize("how", [Peer.hang_up, reset, half_a_head, half_a_body])
@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("attempts", ATTEMPTS)
async def test_attempts_are_requests(attempts: int, after: int, how: Callable[[Peer], None]) -> None:
    """A server that drops new and kept connections gets as many requests as attempts are allowed, and no more."""
    policy = RetryPolicy(attempts=attempts, backoff=0)
    with talking(dropping(after=after, how=how)) as server:
        async with client_of(server.base_url, retry=policy) as chat:
            for _ in range(after):
                assert (await chat.request(GET)).json() == "mine"
            with pytest.raises(APIConnectionError) as caught:
                await chat.request(GET)
    assert (caught.value.attempts, caught.value.sent) == (attempts, True)
    assert len(server.heads) == after + attempts


@pytest.mark.asyncio
@pytest.mark.parametrize("after", [0, 2])
async def test_a_dropped_post_is_sent_once(after: int) -> None:
    """A POST whose connection is dropped reaches the server once, whatever is allowed."""
    with talking(dropping(after=after, how=Peer.hang_up)) as server:
        async with client_of(server.base_url, retry=3) as chat:
            for _ in range(after):
                await chat.request(GET)
            with pytest.raises(APIConnectionError):
                await chat.request(Request("POST", "/x"))
    assert len(server.heads) == after + 1


@pytest.mark.asyncio
async def test_a_connection_is_kept() -> None:
    """Calls one after another share a connection."""
    with talking(dropping(after=9, how=Peer.hang_up)) as server:
        async with client_of(server.base_url) as chat:
            for _ in range(9):
                await chat.request(GET)
    assert (len(server.heads), len(server.connections)) == (9, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("turns", [0, 1, 2, 5])
@pytest.mark.parametrize("what", [b"", THEIRS, b"rubbish\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
async def test_what_comes_on_an_idle_connection(what: bytes, turns: int) -> None:
    """An idle connection that the server closed or wrote to is left: the next call gets its own answer, at once.

    The loop does not run, or only for so many turns, between that and the call; nothing is tried twice.
    """
    idle, done = threading.Event(), threading.Event()

    def talk(peer: Peer) -> None:
        peer.head()
        peer.send(MINE)
        if peer.number == 1:
            idle.wait()
            peer.send(what)
            if not what:
                peer.hang_up()
            done.set()
        peer.head()

    with talking(talk) as server:
        async with client_of(server.base_url, timeout=5) as chat:
            await chat.request(GET)
            idle.set()
            done.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            assert (await chat.request(GET)).json() == "mine"
    assert (len(server.heads), len(server.connections)) == (2, 2)


@pytest.mark.asyncio
@pytest.mark.parametrize("more", [THEIRS, THEIRS * 500, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
async def test_more_than_an_answer(more: bytes) -> None:
    """What comes behind an answer, in the same piece, is not the answer to the next call."""

    def talk(peer: Peer) -> None:
        while True:
            peer.head()
            peer.send(MINE + more)

    with talking(talk) as server:
        async with client_of(server.base_url, timeout=5) as chat:
            found = [(await chat.request(GET)).json() for _ in range(3)]
    assert found == ["mine"] * 3


@pytest.mark.asyncio
async def test_rubbish_behind_an_answer() -> None:
    """An answer with rubbish in the same piece is refused, and nothing of it is left for the next call."""

    def talk(peer: Peer) -> None:
        peer.head()
        peer.send(MINE if peer.number > 1 else MINE + b"\0" * 100)
        peer.head()

    with talking(talk) as server:
        async with client_of(server.base_url, timeout=5) as chat:
            with pytest.raises(APIConnectionError, match="no proper HTTP"):
                await chat.request(GET)
            assert (await chat.request(GET)).json() == "mine"
