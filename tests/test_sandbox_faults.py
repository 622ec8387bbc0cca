"""Faults: what a plain client sees of each kind."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import zlib
from typing import TYPE_CHECKING, Any, get_args

import aiohttp
import pytest
from contract_shapes import settled
from sandbox_wire import Bytes, connect, everything, get

from asyncchat.sandbox import Fault, Sandbox
from asyncchat.sandbox.mishaps.documents import RECALL, RESHAPE
from asyncchat.sandbox.mishaps.kinds import Kind
from asyncchat.sandbox.mishaps.odd import IDS, STAMPS, TEXTS
from asyncchat.sandbox.serving.wire import BREAK

if TYPE_CHECKING:
    from collections.abc import Iterator

SINCE = "/conversations?since=2024-01-01T00:00:00%2B0700&per_page=20"


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(conversations=40, seed=4) as running:
        yield running


@pytest.fixture
def box(shared: Sandbox) -> Iterator[Sandbox]:
    yield shared
    shared.clear_faults()


async def struck(box: Sandbox, fault: Fault, path: str = "/conversations") -> Bytes:
    box.clear_faults()
    box.faults(fault)
    return await get(box, path)


def broken(box: Sandbox, fault: Fault) -> tuple[bytes, bytes, bool]:
    box.faults(fault)
    return everything(connect(box))


def announced(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


def test_every_kind_is_done_by_something() -> None:
    """No kind of fault is without effect."""
    assert RESHAPE.keys() | RECALL.keys() | BREAK.keys() == set(get_args(Kind))


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [401, 403, 404, 408, 425, 429, 500, 502, 503, 504, 520, 599])
async def test_a_status(box: Sandbox, status: int) -> None:
    """Any status comes with a JSON body that has a message."""
    reply = await struck(box, Fault("status", status=status))
    assert (reply.status, bool(reply.json["message"])) == (status, True)


@pytest.mark.asyncio
async def test_a_status_from_a_gateway(box: Sandbox) -> None:
    """A status may come with an HTML page."""
    reply = await struck(box, Fault("status", status=502, form="html"))
    assert (reply.status, reply.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert reply.body.startswith(b"<!DOCTYPE html>")


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 204, 206, 304, 500])
async def test_a_status_without_a_body(box: Sandbox, status: int) -> None:
    """A status may come with nothing."""
    reply = await struck(box, Fault("status", status=status, form="empty"))
    assert (reply.status, reply.body) == (status, b"")


@pytest.mark.asyncio
async def test_a_status_above_the_answer(box: Sandbox) -> None:
    """A status may stand above the answer that would have come."""
    reply = await struck(box, Fault("status", status=206, form="answer"))
    assert (reply.status, len(reply.json["data"])) == (206, 10)


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["7", "nan", "-1", "5, 10", "\u0661\u0660", "Fri, 31 Dec 99999 23:59:59 GMT"])
async def test_a_retry_after(box: Sandbox, text: str) -> None:
    """A status may bring any Retry-After."""
    reply = await struck(box, Fault("status", status=429, retry_after=text))
    assert reply.headers["Retry-After"] == text


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [None, 301, 307, 308])
async def test_a_redirect(box: Sandbox, status: int | None) -> None:
    """A redirect goes to the place that was given."""
    reply = await struck(box, Fault("redirect", status=status, location="http://127.0.0.2:1/x"))
    assert (reply.status, reply.headers["Location"]) == (status or 302, "http://127.0.0.2:1/x")


@pytest.mark.asyncio
async def test_a_redirect_in_a_loop(box: Sandbox) -> None:
    """A redirect may go to where it came from."""
    reply = await struck(box, Fault("redirect-loop"), "/conversations?page=2&since=2024-01-01T00:00:00%2B0700")
    assert reply.headers["Location"] == "/v1/conversations?page=2&since=2024-01-01T00%3A00%3A00%2B0700"


def test_a_reset_before_the_answer(box: Sandbox) -> None:
    """The connection is reset, and nothing has come."""
    assert broken(box, Fault("reset")) == (b"", b"", True)


def test_a_reset_inside_the_answer(box: Sandbox) -> None:
    """The connection is reset, and half of the body has come."""
    head, body, reset = broken(box, Fault("reset-inside"))
    assert (len(body), reset) == (announced(head) // 2, True)


def test_a_truncated_body(box: Sandbox) -> None:
    """The connection is closed in good order, and half of the body has come."""
    head, body, reset = broken(box, Fault("truncated"))
    assert (len(body), reset) == (announced(head) // 2, False)


def test_a_content_length_that_is_too_large(box: Sandbox) -> None:
    """All of the body comes, and more was announced."""
    head, body, _ = broken(box, Fault("content-length"))
    assert json.loads(body)["page"] == 1
    assert announced(head) == len(body) + 1_000


def test_a_bad_chunk(box: Sandbox) -> None:
    """The second chunk's size is no number."""
    head, body, _ = broken(box, Fault("bad-chunk"))
    size, _, rest = body.partition(b"\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert rest[int(size, 16) :].startswith(b"\r\nzz\r\n")


@pytest.mark.asyncio
async def test_silence(box: Sandbox) -> None:
    """No byte comes; when the caller has gone, the request counts as over, without a status."""
    box.faults(Fault("silence"))
    raw = connect(box)
    await settled(box, "in_flight", 1)
    raw.setblocking(False)
    with pytest.raises(BlockingIOError):
        raw.recv(1)
    raw.close()
    await settled(box, "in_flight", 0)
    assert (box.requests()[-1].status, box.requests()[-1].fault) == (None, "silence")


@pytest.mark.asyncio
async def test_a_slow_body(box: Sandbox) -> None:
    """The headers come, and of the body not one byte for as long as was asked."""
    box.faults(Fault("slow", seconds=3_600))
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {box.token}"}) as session,
        session.get(f"{box.base_url}/models") as response,
    ):
        assert response.status == 200
        reading = asyncio.create_task(response.content.readany())
        assert (await asyncio.wait([reading], timeout=0.01))[0] == set()
        reading.cancel()


@pytest.mark.asyncio
async def test_a_body_byte_by_byte(box: Sandbox) -> None:
    """A slow body is whole in the end, and may come byte by byte."""
    whole = await get(box, "/models?per_page=1")
    box.faults(Fault("slow", seconds=0.001))
    head, body, _ = await asyncio.to_thread(everything, connect(box, "/models?per_page=1"))
    assert (body, announced(head)) == (whole.body, len(whole.body))


@pytest.mark.asyncio
async def test_a_flood_of_cookies(box: Sandbox) -> None:
    """The answer is right, and sets a hundred cookies."""
    box.faults(Fault("cookies"))
    head, body, _ = await asyncio.to_thread(everything, connect(box))
    assert (head.count(b"\r\nSet-Cookie: "), json.loads(body)["page"]) == (100, 1)


def test_a_huge_header(box: Sandbox) -> None:
    """One header has a megabyte."""
    head, body, _ = broken(box, Fault("huge-header"))
    assert (max(map(len, head.split(b"\r\n"))), len(body)) == (2**20 + len("X-Huge: "), announced(head))


def test_many_headers(box: Sandbox) -> None:
    """There are ten thousand headers besides the usual ones."""
    head, body, _ = broken(box, Fault("many-headers"))
    assert (head.count(b"\r\nX-Many-"), len(body)) == (10_000, announced(head))


def test_trailers(box: Sandbox) -> None:
    """After the last chunk there are as many trailers as were asked."""
    _, body, _ = broken(box, Fault("trailers", size=5_000))
    assert body.partition(b"\r\n0\r\n")[2].count(b"X-Trailer-") == 5_000


@pytest.mark.asyncio
@pytest.mark.parametrize(("encoding", "inflate"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
async def test_a_bomb(box: Sandbox, encoding: Any, inflate: Any) -> None:
    """A small body inflates to the size that was asked, and is a page."""
    reply = await struck(box, Fault("bomb", encoding=encoding, size=2**24))
    assert reply.headers["Content-Encoding"] == encoding
    assert len(reply.body) < 2**16
    inflated = inflate(reply.body)
    assert (len(inflated), json.loads(inflated)["data"]) == (2**24, [])


@pytest.mark.asyncio
async def test_a_zstandard_bomb(box: Sandbox) -> None:
    """A Zstandard bomb is a frame of run-length blocks (RFC 8878), and needs no library."""
    reply = await struck(box, Fault("bomb", encoding="zstd", size=2**26))
    assert reply.headers["Content-Encoding"] == "zstd"
    assert reply.body.startswith(b"\x28\xb5\x2f\xfd")
    assert len(reply.body) < 2**12
    assert len(unpacked(reply.body)) == 2**26


def unpacked(frame: bytes) -> bytes:
    """Unpack a Zstandard frame that has raw and run-length blocks only."""
    place, last, parts = 6, 0, []
    while not last:
        header = int.from_bytes(frame[place : place + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        assert size <= 2**17
        taken = size if kind == 0 else 1
        parts.append(frame[place + 3 : place + 3 + taken] * (1 if kind == 0 else size))
        place += 3 + taken
    assert place == len(frame)
    return b"".join(parts)


def test_a_brotli_bomb_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb that needs a library says so where the fault is made."""
    monkeypatch.setitem(sys.modules, "brotli", None)
    with pytest.raises(ValueError, match="install it"):
        Fault("bomb", encoding="br")


@pytest.mark.asyncio
async def test_nested_encodings(box: Sandbox) -> None:
    """The body is compressed twice, and says so."""
    reply = await struck(box, Fault("nested-encoding"))
    assert reply.headers["Content-Encoding"] == "gzip, gzip"
    assert json.loads(gzip.decompress(gzip.decompress(reply.body)))["page"] == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "encoding", "mark"), [("utf-16", "utf-16", b"\xff\xfe"), ("bom", "utf-8-sig", b"\xef\xbb\xbf{")]
)
async def test_another_encoding_of_text(box: Sandbox, kind: Kind, encoding: str, mark: bytes) -> None:
    """The answer is the same, written in other bytes."""
    right = (await get(box)).json
    reply = await struck(box, Fault(kind))
    assert reply.body.startswith(mark)
    assert json.loads(reply.body.decode(encoding)) == right


@pytest.mark.asyncio
async def test_latin_1(box: Sandbox) -> None:
    """The answer is JSON in Latin-1 that is no UTF-8."""
    reply = await struck(box, Fault("latin-1"))
    assert json.loads(reply.body.decode("latin-1"))["caf\u00e9"] == "\u00e9"
    with pytest.raises(UnicodeDecodeError):
        reply.body.decode()


@pytest.mark.asyncio
@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"data":null}', "", "\ud800"])
async def test_a_given_body(box: Sandbox, body: str) -> None:
    """A 200 may have any body."""
    reply = await struck(box, Fault("body", value=body))
    assert (reply.status, reply.body) == (200, body.encode("utf-8", "surrogatepass"))


@pytest.mark.asyncio
async def test_a_login_page(box: Sandbox) -> None:
    """A 200 may be an HTML page."""
    reply = await struck(box, Fault("html"))
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"log in" in reply.body


@pytest.mark.asyncio
async def test_an_empty_body(box: Sandbox) -> None:
    """A 200 may have nothing in it and still be called JSON."""
    reply = await struck(box, Fault("empty"))
    assert (reply.status, reply.body, reply.headers["Content-Type"]) == (200, b"", "application/json")


@pytest.mark.asyncio
async def test_invalid_json(box: Sandbox) -> None:
    """A whole 200 may be no JSON."""
    reply = await struck(box, Fault("invalid-json"))
    assert reply.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.body)


@pytest.mark.asyncio
async def test_deep_json(box: Sandbox) -> None:
    """JSON may be nested 200,000 deep."""
    reply = await struck(box, Fault("deep"))
    assert reply.body == b"[" * 200_000 + b"]" * 200_000


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["total_rows", "total_pages", "rows_per_page", "page", "data", "next"])
@pytest.mark.parametrize("value", ["NaN", '"12"', "-1", "1e400", "9" * 5_000, "0", "1000000000", "null"])
async def test_a_member_of_the_envelope(box: Sandbox, name: str, value: str) -> None:
    """Any member of the page may have any value, also one that is no JSON, just as it was written."""
    reply = await struck(box, Fault("envelope", name=name, value=value))
    assert f'"{name}":{value}'.encode() in reply.body


@pytest.mark.asyncio
async def test_a_missing_member_of_the_envelope(box: Sandbox) -> None:
    """Without a value the member is missing."""
    reply = await struck(box, Fault("envelope", name="total_rows"))
    assert set(reply.json) == {"data", "page", "rows_per_page", "total_pages"}


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/conversations", "/conversations/{id}"])
async def test_a_member_of_every_row(box: Sandbox, path: str) -> None:
    """Any member of the rows may have any value, in a page as in an answer with one row."""
    first = (await get(box)).json["data"][0]["id"]
    reply = await struck(box, Fault("row", name="platform", value='["odd"]'), path.format(id=first))
    assert {str(row["platform"]) for row in reply.json.get("data", [reply.json])} == {"['odd']"}


@pytest.mark.asyncio
@pytest.mark.parametrize("form", STAMPS)
async def test_odd_stamps(box: Sandbox, form: str) -> None:
    """Every time of a page, at any depth, is written in the odd form."""
    right = (await get(box)).json["data"]
    odd = (await struck(box, Fault("stamps", value=form))).json["data"]
    for before, after in zip(right, odd, strict=True):
        assert after["created_at"] == STAMPS[form](before["created_at"])
        for was, now in zip(before["recent_messages"], after["recent_messages"], strict=True):
            assert now["created_at"] == STAMPS[form](was["created_at"])


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("z", "2025-05-04T22:05:05Z"),
        ("colon", "2025-05-05T05:05:05+07:00"),
        ("fractions", "2025-05-05T05:05:05.123456+0700"),
        ("milliseconds", 1_746_396_305_000),
        ("zero", 0),
        ("year-9999", "9999-12-31T23:59:59+0700"),
        ("no-zone", "2025-05-05T05:05:05"),
        ("null", None),
        ("empty", ""),
        ("no-such-day", "2025-02-30T05:05:05+0700"),
    ],
)
def test_the_forms_of_a_stamp(form: str, written: object) -> None:
    """What each odd form of a time looks like."""
    assert STAMPS[form]("2025-05-05T05:05:05+0700") == written


@pytest.mark.asyncio
async def test_all_odd_stamps_in_turn(box: Sandbox) -> None:
    """Without a name the odd forms take turns."""
    odd = (await struck(box, Fault("stamps"))).json["data"]
    right = (await get(box)).json
    assert odd != right
    assert {type(row["created_at"]) for row in odd} >= {str, int}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", TEXTS)
async def test_odd_texts(box: Sandbox, name: str) -> None:
    """Every text of a person, at any depth, is the odd one; NUL and half a pair of surrogates pass too."""
    rows = (await struck(box, Fault("texts", value=name))).json["data"]
    said = [message["message"] for row in rows for message in row["recent_messages"]]
    assert {*said, *(row["model_name"] for row in rows), *(row["platform_user_id"] for row in rows)} == {TEXTS[name]}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", IDS)
async def test_odd_ids(box: Sandbox, name: str) -> None:
    """Every id is the odd one."""
    rows = (await struck(box, Fault("ids", value=name))).json["data"]
    assert all(row["id"] == IDS[name] and type(row["id"]) is type(IDS[name]) for row in rows)


@pytest.mark.asyncio
async def test_nulls(box: Sandbox) -> None:
    """What need not be there is null."""
    rows = (await struck(box, Fault("nulls"))).json["data"]
    assert {(row["most_recent_message"], row["recent_messages"]) for row in rows} == {(None, None)}


@pytest.mark.asyncio
async def test_missing_members(box: Sandbox) -> None:
    """What need not be there is not there."""
    rows = (await struck(box, Fault("missing"))).json["data"]
    assert not any({"most_recent_message", "recent_messages"} & row.keys() for row in rows)


@pytest.mark.asyncio
async def test_unknown_members(box: Sandbox) -> None:
    """The page, its rows and their messages have members that the contract does not know."""
    page = (await struck(box, Fault("extra"))).json
    row = next(row for row in page["data"] if row["recent_messages"])
    assert page["new_flag"] is row["new_flag"] is row["recent_messages"][0]["new_flag"] is True


@pytest.mark.asyncio
async def test_a_repeated_row(box: Sandbox) -> None:
    """The first row comes again in place of the last one."""
    right = [row["id"] for row in (await get(box)).json["data"]]
    odd = [row["id"] for row in (await struck(box, Fault("repeated-row"))).json["data"]]
    assert odd == [*right[:-1], right[0]]


@pytest.mark.asyncio
async def test_a_foreign_row(box: Sandbox) -> None:
    """The first row is older than what was asked for, the others are not."""
    rows = (await struck(box, Fault("foreign-row"), SINCE)).json["data"]
    assert [row["created_at"] < "2024" for row in rows] == [True] + [False] * (len(rows) - 1)


@pytest.mark.asyncio
async def test_a_filter_that_is_ignored(box: Sandbox) -> None:
    """Rows and totals are those of all time."""
    everybody = (await get(box, "/conversations?per_page=20")).json
    assert (await get(box, SINCE)).json["total_rows"] < everybody["total_rows"]
    assert (await struck(box, Fault("unfiltered"), SINCE)).json == everybody


@pytest.mark.asyncio
async def test_the_same_page_for_every_number(box: Sandbox) -> None:
    """The rows are those of page 1, and the number is the one that was asked."""
    first = (await get(box)).json
    assert (await struck(box, Fault("same-page"), "/conversations?page=3")).json == first | {"page": 3}


@pytest.mark.asyncio
async def test_an_empty_page_in_the_middle(box: Sandbox) -> None:
    """A page has no rows although its totals say otherwise."""
    right = (await get(box, "/conversations?page=2")).json
    assert (await struck(box, Fault("empty-page"), "/conversations?page=2")).json == right | {"data": []}


@pytest.mark.asyncio
async def test_errors_have_no_rows_to_change(box: Sandbox) -> None:
    """A fault in the rows leaves an answer alone that has none."""
    right = await get(box, "/conversations/0")
    assert (await struck(box, Fault("ids"), "/conversations/0")).body == right.body
