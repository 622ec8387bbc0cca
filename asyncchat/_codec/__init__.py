"""Bytes to models and back: the one place that knows how the wire spells things.

Two readers, one result:

* the quick one decodes straight into the models in C (msgspec) and takes what has exactly the agreed shape;
* the patient one (cattrs) takes every lenient form, and names the path of what is wrong.

msgspec skips unknown fields without a word. That none was skipped is proved by counting: every field name and every
text of the agreed shape stands between two quotation marks, and `bytes.count` is nearly free. Where the count differs,
the answer is read once more, and what is unknown goes into `.extra`.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar, cast

import attrs
import msgspec

from asyncchat._codec.marks import nothing_skipped, page_marks
from asyncchat._codec.patient import dump, keep_residue, read_patiently
from asyncchat._codec.slices import row_texts
from asyncchat._wire.response import Response, decode_error
from asyncchat.models import Count, Page, RawRow, Record

__all__ = ["Readers", "dump", "readers"]

T = TypeVar("T")
R = TypeVar("R", bound=Record)

_BOM: Final = b"\xef\xbb\xbf"
_REFUSALS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@attrs.frozen
class Readers(Generic[R]):
    """The functions that read answers about one kind of record.

    Each raises `DecodeError` where the answer is not what it reads.

    Attributes:
        record: Reads one record.
        page: Reads a page of them.
        raw_page: Reads a page, leaving each row as it was sent, but for its id and times.
    """

    record: Callable[[Response], R]
    page: Callable[[Response], Page[R]]
    raw_page: Callable[[Response], Page[RawRow]]


def readers(kind: type[R]) -> Readers[R]:
    """The readers of a kind of record."""

    def record(response: Response) -> R:
        _expect_ok(response)
        return cast("R", read_patiently(response, kind))

    return Readers(record, _page_reader(kind), _raw_page_reader(kind))


def _expect_ok(response: Response) -> None:
    if response.status != HTTPStatus.OK:
        raise decode_error(
            response,
            f"the answer's status is {response.status}, which brings nothing to read: 200 was expected. "
            "Check that base_url is the API's",
        )


def _page_reader(kind: type[R]) -> Callable[[Response], Page[R]]:
    page_type: Any = Page[kind]  # type: ignore[valid-type]
    quick = msgspec.json.Decoder(page_type)
    expected = page_marks(kind)

    def read(response: Response) -> Page[R]:
        _expect_ok(response)
        page: Page[R] | None = None
        with contextlib.suppress(*_REFUSALS):
            page = quick.decode(response.body)
        if page is None:
            return cast("Page[R]", read_patiently(response, page_type))
        if not nothing_skipped(response.body, page, expected(page.data)):
            keep_residue(page, response.json())
        return page

    return read


# ---------------------------------------------------------------- rows left as they came


class _Envelope(msgspec.Struct, Generic[T]):
    data: list[T]
    page: Count
    rows_per_page: Count
    total_pages: Count
    total_rows: Count


_TEXTS: Final = msgspec.json.Decoder(_Envelope[msgspec.Raw])
_HEADS: Final = msgspec.json.Decoder(_Envelope[RawRow])
_put_text: Final[Callable[[RawRow, bytes], None]] = RawRow.__dict__["json"].__set__
"""Gives a row its text. `RawRow(...)` for each would take half as long again as decoding."""


def _raw_page_reader(kind: type[Record]) -> Callable[[Response], Page[RawRow]]:
    def read(response: Response) -> Page[RawRow]:
        _expect_ok(response)
        body = response.body.removeprefix(_BOM)
        with contextlib.suppress(*_REFUSALS):
            body.decode()  # what is passed on unread is UTF-8 at least
            page = _HEADS.decode(body)
            deque(map(_put_text, page.data, map(bytes, _TEXTS.decode(body).data)), 0)
            return _raw_page(page, page.data)
        page = read_patiently(response, Page[kind])  # type: ignore[valid-type]
        texts = _encoded_rows(response)
        return _raw_page(page, [_raw_row(row, text) for row, text in zip(page.data, texts, strict=True)])

    return read


def _encoded_rows(response: Response) -> list[bytes]:
    try:
        return [row.encode() for row in row_texts(response.body.removeprefix(_BOM).decode())]
    except ValueError as exc:
        reason = str(exc)
    raise decode_error(
        response,
        f"the answer cannot be passed on as JSON: {reason}. Read these rows without raw(), or tell the API's makers",
        paths=("$.data",),
    )


def _raw_row(row: Any, text: bytes) -> RawRow:
    return RawRow(id=row.id, created_at=row.created_at, updated_at=getattr(row, "updated_at", None), json=text)


def _raw_page(page: Any, rows: list[RawRow]) -> Page[RawRow]:
    return Page(
        data=rows,
        page=page.page,
        rows_per_page=page.rows_per_page,
        total_pages=page.total_pages,
        total_rows=page.total_rows,
    )
