"""What a body was packed in, undone piece by piece and never further than a limit."""

from __future__ import annotations

import contextlib
import zlib
from typing import Final, Protocol

from asyncchat.errors import APIConnectionError, DecodeError

ACCEPTED: Final = "gzip, deflate"
"""What requests ask for, and all that is read."""

_GZIP, _ZLIB, _RAW = 31, 15, -15
_WINDOWS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
_PIECE: Final = 2**18
_SHOWN: Final = 60


def encoding_of(header: str) -> str | None:
    """The encoding that a Content-Encoding names, None for none.

    Source: RFC 9110, 8.4: a list without regard to case; x-gzip is gzip, identity is nothing.

    Raises:
        DecodeError: It is none of those that were asked for, or several on top of each other.
    """
    names = [name for name in (part.strip().lower() for part in header.split(",")) if name not in {"", "identity"}]
    if not names:
        return None
    if len(names) == 1 and names[0] in _WINDOWS:
        return names[0]
    raise DecodeError(
        f"the answer's Content-Encoding is {', '.join(names)[:_SHOWN]!r}, which was not asked for: only one of "
        f"{ACCEPTED} is read. Look at what stands before the API (a proxy or CDN)"
    )


class _Inflater(Protocol):
    """What of zlib's decompression object is used."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Body:
    """A body while it comes in: at most `limit` bytes, and inflated one byte further at most, to see that it is more.

    What comes in packed is bounded too, by what a body of `limit` bytes can grow to when it is packed; so bytes that
    inflate to nothing end as well.

    Args:
        header: The answer's Content-Encoding; "" for none.
        limit: Bytes of the body at most, inflated.
    """

    def __init__(self, header: str, limit: int) -> None:
        self._header = header
        self._encoding: str | None = None
        self._limit = limit
        self._left = limit
        self._received_left = limit + limit // 8 + 1024  # deflateBound() of zlib is less for every setting
        self._pieces: list[bytes] = []
        self._inflater: _Inflater | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes as they came.

        Raises:
            DecodeError: The body is larger than the limit, or is not in its encoding, or that is none that is read.
        """
        if self._header:  # the first bytes: without any, as in answers to HEAD, the encoding does not matter
            self._encoding, self._header = encoding_of(self._header), ""
        if self._encoding is None:
            self._keep(data)
            return
        self._received_left -= len(data)
        if self._received_left < 0:
            raise self._too_large()
        while data:
            data = self._unpack(data)

    def whole(self) -> bytes:
        """The body, once everything has come. An empty one is empty in every encoding.

        Raises:
            APIConnectionError: The packed stream stops before its end.
        """
        if self._inflater is not None:
            raise APIConnectionError(f"the answer was cut off inside its {self._encoding}: try again", sent=True)
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _keep(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._left < 0:
            raise self._too_large()
        if piece:
            self._pieces.append(piece)

    def _unpack(self, data: bytes) -> bytes:
        """Inflate to the end of the data or of the stream in it; what follows that stream is given back."""
        inflater = self._inflater = self._inflater or self._begin(data)
        more = True
        while more and not inflater.eof:
            asked = min(_PIECE, self._left + 1)
            piece = self._inflated(inflater, data, asked)
            self._keep(piece)
            data = inflater.unconsumed_tail
            more = bool(data) or len(piece) == asked  # a piece as long as asked may have more behind it
        if not inflater.eof:
            return b""
        self._inflater = None
        if inflater.unused_data and self._encoding == "deflate":
            raise self._garbled()
        return inflater.unused_data  # RFC 1952, 2.2: one gzip member after another

    def _begin(self, data: bytes) -> _Inflater:
        """An inflater for the stream that begins here. Half of the servers' deflate is without zlib's header."""
        window = _WINDOWS[self._encoding or ""]
        if window == _ZLIB and data[0] & 0x0F != zlib.DEFLATED:
            window = _RAW
        return zlib.decompressobj(window)

    def _inflated(self, inflater: _Inflater, data: bytes, most: int) -> bytes:
        with contextlib.suppress(zlib.error):
            return inflater.decompress(data, most)
        raise self._garbled()

    def _garbled(self) -> DecodeError:
        return DecodeError(
            f"the answer's body is not the {self._encoding} that its Content-Encoding says: try again, then look at "
            "what stands before the API (a proxy or CDN)",
            retryable=True,
        )

    def _too_large(self) -> DecodeError:
        return DecodeError(
            f"the answer is larger than max_body ({self._limit} bytes): ask for fewer rows with per_page=, "
            "or allow more with max_body="
        )
