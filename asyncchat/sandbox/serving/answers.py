"""Calls and answers: HTTP as plain values, so that what is decided needs no server."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec
from attrs import asdict, frozen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from asyncchat.sandbox.data.query import Problem

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@frozen
class Call:
    """One request.

    Attributes:
        method: As sent, such as "GET".
        path: The path as sent, not decoded.
        headers: Found whatever their case.
        query: Decoded names and values in the order sent.
        body: What came after the headers; read for the control routes only.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: tuple[tuple[str, str], ...]
    body: bytes = b""


@frozen
class Pace:
    """How a body trickles: so many bytes after each pause of so many seconds."""

    step: int
    pause: float


@frozen
class Answer:
    """One response with a whole body.

    Attributes:
        status: The HTTP status.
        body: JSON in UTF-8, unless the headers say otherwise.
        headers: Beyond those that every answer has, or in their place.
        pace: How the body trickles; None: at once.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = _NONE
    pace: Pace | None = None


Ending: TypeAlias = Literal["close", "reset", "wait"]


@frozen
class Raw:
    """Bytes for a connection that no HTTP library would send, and what becomes of the connection.

    Attributes:
        status: The HTTP status; None: not one byte is sent.
        headers: Beyond those that every answer has, or in their place; nothing is added to them.
        payload: What follows the headers, framed as it shall be.
        ending: "close": after the last byte; "reset": likewise, by RST; "wait": never by this side.
    """

    status: int | None
    headers: tuple[tuple[str, str], ...] = ()
    payload: bytes = b""
    ending: Ending = "close"


@frozen
class Stream:
    """A response of newline-delimited JSON that is sent as it is made."""

    chunks: AsyncIterator[bytes]


def ok(value: object) -> Answer:
    """A 200 with a value as JSON."""
    return Answer(200, msgspec.json.encode(value))


def refusal(status: int, message: str, problems: Iterable[Problem] = (), headers: Mapping[str, str] = _NONE) -> Answer:
    """An error.

    Args:
        status: 4xx.
        message: A sentence for the person who reads it.
        problems: The parameters that are wrong.
        headers: Such as Allow.
    """
    body = {"message": message, "errors": [asdict(problem) for problem in problems]}
    return Answer(status, msgspec.json.encode(body), headers)


def wrong_method(method: str, allowed: str) -> Answer:
    """A 405 that names the method to use."""
    return refusal(405, f"{method} is not allowed here: use {allowed}", headers={"Allow": allowed})
