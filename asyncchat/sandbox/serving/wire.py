"""Faults on the wire: answers that are broken, endless or silent below what an HTTP library would send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlencode

from attrs import evolve

from asyncchat.sandbox.serving.answers import Answer, Ending, Pace, Raw
from asyncchat.sandbox.serving.encodings import bomb, compress

if TYPE_CHECKING:
    from asyncchat.sandbox.mishaps.faults import Fault
    from asyncchat.sandbox.mishaps.kinds import Kind
    from asyncchat.sandbox.serving.answers import Call

Breakage: TypeAlias = Callable[["Fault", "Call", Answer], Answer | Raw]
_PROMISED: Final = 1_000  # bytes that a content-length has too many
_CHUNKED: Final = (("Transfer-Encoding", "chunked"),)


def _redirect(fault: Fault, _: Call, __: Answer) -> Answer:
    return Answer(fault.status or 302, b"", {"Location": fault.location})


def _loop(fault: Fault, call: Call, _: Answer) -> Answer:
    query = f"?{urlencode(call.query)}" if call.query else ""
    return Answer(fault.status or 302, b"", {"Location": f"{call.path}{query}"})


def _cut(ending: Ending) -> Breakage:
    def cut(_: Fault, __: Call, answer: Answer) -> Raw:
        return _raw(answer, answer.body[: len(answer.body) // 2], ending, _length(answer))

    return cut


def _too_long(_: Fault, __: Call, answer: Answer) -> Raw:
    return _raw(answer, answer.body, "close", _length(answer, _PROMISED))


def _bad_chunk(_: Fault, __: Call, answer: Answer) -> Raw:
    half = answer.body[: len(answer.body) // 2]
    return _raw(answer, _chunk(half) + b"zz\r\nwhat?\r\n0\r\n\r\n", "close", _CHUNKED)


def _trailers(fault: Fault, _: Call, answer: Answer) -> Raw:
    trailers = b"".join(b"X-Trailer-%d: and on\r\n" % number for number in range(fault.extent))
    return _raw(answer, _chunk(answer.body) + b"0\r\n" + trailers + b"\r\n", "close", _CHUNKED)


def _headed(more: Callable[[int], tuple[tuple[str, str], ...]]) -> Breakage:
    return lambda fault, _, answer: _raw(answer, answer.body, "close", _length(answer) + more(fault.extent))


def _cookies(size: int) -> tuple[tuple[str, str], ...]:
    return tuple(("Set-Cookie", f"flood-{number}={number:064}; Path=/; Domain=127.0.0.1") for number in range(size))


def _bomb(fault: Fault, _: Call, answer: Answer) -> Answer:
    headers = dict(answer.headers) | {"Content-Encoding": fault.encoding}
    return evolve(answer, status=200, body=bomb(fault.encoding, fault.extent), headers=headers)


def _nested(_: Fault, __: Call, answer: Answer) -> Answer:
    inner = answer.headers.get("Content-Encoding", "gzip")
    body = answer.body if "Content-Encoding" in answer.headers else compress(answer.body, "gzip")
    headers = dict(answer.headers) | {"Content-Encoding": f"{inner}, gzip"}
    return evolve(answer, body=compress(body, "gzip"), headers=headers)


def _raw(answer: Answer, payload: bytes, ending: Ending, framing: tuple[tuple[str, str], ...]) -> Raw:
    return Raw(answer.status, (*answer.headers.items(), *framing), payload, ending)


def _length(answer: Answer, more: int = 0) -> tuple[tuple[str, str], ...]:
    return (("Content-Length", str(len(answer.body) + more)),)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


BREAK: Final[Mapping[Kind, Breakage]] = MappingProxyType(
    {
        "redirect": _redirect,
        "redirect-loop": _loop,
        "reset": lambda _, __, ___: Raw(None, ending="reset"),
        "reset-inside": _cut("reset"),
        "truncated": _cut("close"),
        "content-length": _too_long,
        "bad-chunk": _bad_chunk,
        "silence": lambda _, __, ___: Raw(None, ending="wait"),
        "slow": lambda fault, _, answer: evolve(answer, pace=Pace(1, fault.seconds)),
        "cookies": _headed(_cookies),
        "huge-header": _headed(lambda size: (("X-Huge", "x" * size),)),
        "many-headers": _headed(lambda size: tuple((f"X-Many-{number}", "x") for number in range(size))),
        "trailers": _trailers,
        "bomb": _bomb,
        "nested-encoding": _nested,
    }
)
"""What a kind of fault makes of the answer, once it is compressed."""
