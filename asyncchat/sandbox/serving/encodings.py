"""Encodings: compressed bodies, honest ones and bombs."""

from __future__ import annotations

import gzip
import zlib
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from attrs import evolve

if TYPE_CHECKING:
    from asyncchat.sandbox.behaviour import Compression
    from asyncchat.sandbox.mishaps.kinds import Encoding
    from asyncchat.sandbox.serving.answers import Answer

_HEAD: Final = b'{"data":['
_TAIL: Final = b'],"page":1,"rows_per_page":10,"total_pages":0,"total_rows":0}'
_BLOCK: Final = 2**17
_LEVEL: Final = 6


def accepts(header: str, encoding: str) -> bool:
    """Whether an Accept-Encoding allows an encoding."""
    weights: dict[str, bool] = {}
    for item in header.split(","):
        name, _, weight = item.partition(";")
        weights[name.strip().lower()] = weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return weights.get(encoding, weights.get("*", False))


def encoded(answer: Answer, encoding: Compression, accept: str) -> Answer:
    """Compress an answer for who accepts it, unless it is empty or encoded already."""
    if encoding == "none" or not answer.body or "Content-Encoding" in answer.headers or not accepts(accept, encoding):
        return answer
    headers = dict(answer.headers) | {"Content-Encoding": encoding, "Vary": "Accept-Encoding"}
    return evolve(answer, body=compress(answer.body, encoding), headers=headers)


def compress(body: bytes, encoding: str) -> bytes:
    """Compress with "gzip" or with "deflate", which is zlib's format on the wire."""
    return gzip.compress(body, _LEVEL, mtime=0) if encoding == "gzip" else zlib.compress(body, _LEVEL)


@lru_cache(maxsize=8)
def bomb(encoding: Encoding, size: int) -> bytes:
    """A page without rows that is `size` bytes long, nearly all of them spaces, compressed.

    Raises:
        ValueError: If the encoding is "br" and no library for it is there.
    """
    padding = max(0, size - len(_HEAD) - len(_TAIL))
    if encoding == "zstd":
        return _zstd(padding)
    compressor = _compressor(encoding)
    blocks = (b" " * min(_BLOCK, padding - start) for start in range(0, padding, _BLOCK))
    parts = [compressor.compress(part) for part in (_HEAD, *blocks, _TAIL)]
    return b"".join((*parts, compressor.flush()))


def check_library(encoding: Encoding) -> None:
    """Make sure that bodies can be made in an encoding.

    Raises:
        ValueError: If it needs a library that is not there.
    """
    if encoding == "br":
        _Brotli()


class _Brotli:
    """The brotli library's compressor, called as zlib's is."""

    def __init__(self) -> None:
        try:
            self._compressor = import_module("brotli").Compressor(quality=_LEVEL)
        except ImportError as error:
            raise ValueError("a br bomb needs the brotli library: install it, or use gzip or zstd") from error

    def compress(self, part: bytes) -> bytes:
        return bytes(self._compressor.process(part))

    def flush(self) -> bytes:
        return bytes(self._compressor.finish())


def _compressor(encoding: Encoding) -> zlib._Compress | _Brotli:
    if encoding == "br":
        return _Brotli()
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, 31 if encoding == "gzip" else 15)


def _zstd(padding: int) -> bytes:
    """A Zstandard frame by hand (RFC 8878, 3.1.1): a raw block, run-length blocks of spaces, a raw block."""
    runs = [min(_BLOCK, padding - start) for start in range(0, padding, _BLOCK)]
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x38"  # magic number, no content size, a window of 128 KiB
    frame += _zstd_block(0, len(_HEAD)) + _HEAD
    frame += b"".join(_zstd_block(1, run) + b" " for run in runs)
    return frame + _zstd_block(0, len(_TAIL), last=True) + _TAIL


def _zstd_block(kind: int, size: int, *, last: bool = False) -> bytes:
    return (size << 3 | kind << 1 | last).to_bytes(3, "little")
