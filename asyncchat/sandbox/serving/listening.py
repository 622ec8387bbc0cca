"""Listening: the socket that the sandbox answers at."""

from __future__ import annotations

import socket
from typing import Final

BACKLOG: Final = 1024
"""Connections that may wait to be accepted."""


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Args:
        host: An address of this machine.
        port: 0: any free one.

    Raises:
        OSError: If the port cannot be had; it says which and what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"cannot listen on {host}:{port} ({reason}): choose another port, or 0") from error
