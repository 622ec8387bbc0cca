"""A server in threads of its own, which talks on each connection as a test likes while the test's loop stands still."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@define
class ThreadServer:
    """Where it listens, and what it got."""

    base_url: str
    heads: list[bytes] = field(factory=list)
    connections: list[socket.socket] = field(factory=list)


@define
class Peer:
    """One connection, seen from the server."""

    server: ThreadServer
    sock: socket.socket
    number: int

    def head(self) -> bytes:
        """Read a request without a body; at the end of the connection the talk ends."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            more = self.sock.recv(2**16)
            if not more:
                raise ConnectionError
            data += more
        self.server.heads.append(data)
        return data

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def hang_up(self, *, reset: bool = False) -> None:
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@contextmanager
def talking(talk: Callable[[Peer], None]) -> Iterator[ThreadServer]:
    """Let a function talk on each connection, numbered from 1, and hang up after it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = ThreadServer(f"http://127.0.0.1:{listener.getsockname()[1]}")
    threads: list[threading.Thread] = []

    def run(peer: Peer) -> None:
        with peer.sock, contextlib.suppress(OSError):
            talk(peer)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                server.connections.append(sock)
                threads.append(threading.Thread(target=run, args=(Peer(server, sock, len(server.connections)),)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield server
    finally:
        for sock in (listener, *server.connections):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        accepting.join()
        listener.close()
        for thread in threads:
            thread.join()
