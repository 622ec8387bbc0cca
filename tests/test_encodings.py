"""Packed bodies: whatever way they come in, they come out whole, within the limit, or as an error."""

from __future__ import annotations

import re
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import APIConnectionError, DecodeError
from asyncchat._wire.encodings import Body, encoding_of

FORMS = {"gzip": 31, "x-gzip": 31, "GZip": 31, "deflate": 15, " Deflate ": 15, "deflate, identity": -15}
"""Content-Encodings, and a window of zlib that packs such a body."""

plain = st.binary(max_size=2_000) | st.builds(bytes, st.integers(0, 300_000))
forms = st.sampled_from(sorted(FORMS))
cuts = st.lists(st.integers(0, 400_000), max_size=8)


def packed(data: bytes, form: str, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, wbits=FORMS[form])
    return packer.compress(data) + packer.flush()


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data, cut there; empty chunks come with it."""
    places = sorted([0, *(min(cut, len(data)) for cut in cuts), len(data)])
    return [data[first:last] for first, last in pairwise(places)]


def feed(body: Body, pieces: list[bytes]) -> Body:
    for piece in pieces:
        body.feed(piece)
    return body


def fed(header: str, pieces: list[bytes], limit: int) -> Body:
    return feed(Body(header, limit), pieces)


@given(data=plain, form=forms, cuts=cuts, level=st.integers(0, 9))
def test_round_trip(data: bytes, form: str, cuts: list[int], level: int) -> None:
    """However it is packed and cut, a body of exactly the limit comes out as it was."""
    assert fed(form, chunks(packed(data, form, level), cuts), len(data)).whole() == data


@given(data=plain, cuts=cuts)
def test_plain_round_trip(data: bytes, cuts: list[int]) -> None:
    """A body in no encoding comes out as it came."""
    assert fed("identity", chunks(data, cuts), len(data)).whole() == data


@given(data=plain.filter(len), form=forms | st.just(""), cuts=cuts, less=st.integers(1, 300_000))
def test_never_more_than_the_limit(data: bytes, form: str, cuts: list[int], less: int) -> None:
    """A body one byte or more above the limit is refused, and no more than the limit is kept of it."""
    limit = max(0, len(data) - less)
    body = Body(form, limit)
    with pytest.raises(DecodeError, match="larger than max_body"):
        feed(body, chunks(packed(data, form) if form else data, cuts))
    assert sum(map(len, body._pieces)) <= limit


@given(data=plain, form=forms, cuts=cuts, keep=st.floats(0, 1, exclude_max=True))
def test_a_stream_that_was_cut(data: bytes, form: str, cuts: list[int], keep: float) -> None:
    """A packed body without its end is never taken for a body, unless nothing of it came at all."""
    whole = packed(data, form)
    part = whole[: int(len(whole) * keep)]
    body = fed(form, chunks(part, cuts), len(data))
    if not part:
        assert body.whole() == b""
        return
    with pytest.raises(APIConnectionError, match="cut off") as caught:
        body.whole()
    assert (caught.value.sent, caught.value.retryable) == (True, True)


@given(parts=st.lists(plain, min_size=1, max_size=4), cuts=cuts)
def test_gzip_members(parts: list[bytes], cuts: list[int]) -> None:
    """Gzip members one after another are one body."""
    together = b"".join(parts)
    data = b"".join(packed(part, "gzip") for part in parts)
    assert fed("gzip", chunks(data, cuts), len(together)).whole() == together


@given(data=st.binary(min_size=1, max_size=200), form=forms, cuts=cuts)
def test_garbage(data: bytes, form: str, cuts: list[int]) -> None:
    """Arbitrary bytes are a body, a cut one, or an error that may pass; nothing else ever comes out."""
    found: Exception | None = None
    try:
        fed(form, chunks(data, cuts), 1_000).whole()
    except (DecodeError, APIConnectionError) as error:
        found = error
    assert found is None or re.search("larger than|its Content-Encoding says|cut off", str(found))


@pytest.mark.parametrize("form", ["deflate", "deflate, identity"])
def test_bytes_after_the_end_of_deflate(form: str) -> None:
    """A deflate stream with something behind it is garbled: it has no members."""
    with pytest.raises(DecodeError, match="its Content-Encoding says"):
        fed(form, [packed(b"{}", form) + b"x"], 1_000)


def test_endless_members_of_nothing() -> None:
    """Packed bytes are charged too: members that inflate to nothing end at the limit."""
    with pytest.raises(DecodeError, match="larger than max_body"):
        feed(Body("gzip", 10_000), [packed(b"", "gzip")] * 10_000)


@pytest.mark.parametrize("header", ["", " ", ",", "identity", "Identity, "])
def test_no_encoding(header: str) -> None:
    """An empty list of encodings, or identity, is none."""
    assert encoding_of(header) is None


def test_an_encoding_of_any_length() -> None:
    """The error of an encoding that is not read shows a short part of its name."""
    with pytest.raises(DecodeError) as caught:
        encoding_of("x" * 10_000)
    assert len(str(caught.value)) < 300
