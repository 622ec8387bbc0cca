"""Bytes to models: leniency, refusals, paths."""

from __future__ import annotations

import json
from typing import Any

import pytest
from answers import STAMP, answer, conversation, message, model, page

from asyncchat import DecodeError, Response
from asyncchat._codec import dump, readers
from asyncchat.models import Conversation, KeywordNotificationEvent, Message, Model, RawRow

MODELS = readers(Model)
CONVERSATIONS = readers(Conversation)


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def refused(value: Any) -> DecodeError:
    """How the readers of a page refuse something: both in the same way."""
    with pytest.raises(DecodeError) as typed:
        CONVERSATIONS.page(answer(value))
    with pytest.raises(DecodeError) as raw:
        CONVERSATIONS.raw_page(answer(value))
    assert raw.value.paths == typed.value.paths
    return typed.value


@pytest.mark.parametrize("absent", ["null", "missing"])
@pytest.mark.parametrize("name", ["recent_messages", "most_recent_message"])
def test_messages_inside_may_be_absent(name: str, absent: str) -> None:
    """Null or missing messages inside a conversation are read as none, and dumped as they came."""
    row = conversation(1)
    if absent == "null":
        row[name] = None
    else:
        del row[name]
    found = CONVERSATIONS.page(answer(page([row]))).data[0]
    assert not getattr(found, name)
    assert dump(found) == row


@pytest.mark.parametrize("absent", [{"recent_messages": None}, {"most_recent_message": None}, {}])
def test_an_unknown_field_is_not_lost_beside_an_absent_one(absent: dict[str, None]) -> None:
    """A missing field does not hide an unknown one from the count of quotation marks."""
    row = conversation(1, **absent, mood="glad")
    other = conversation(2)
    del other["recent_messages"]
    value = page([row, other], cursor="c")
    assert dump(CONVERSATIONS.page(answer(value))) == value


@pytest.mark.parametrize("escapes", range(5))
@pytest.mark.parametrize("unknown", range(3))
def test_hidden_quotation_marks_hide_no_field(escapes: int, unknown: int) -> None:
    """A quotation mark spelled as an escape does not make up for those of an unknown field."""
    extra = {f"x{i}": i for i in range(unknown)}
    text = body(page([model(1, name="N" * escapes + '"', **extra)])).replace(b"N", b"\\u0022")
    assert dict(MODELS.page(answer(text)).data[0].extra) == extra


def test_an_unknown_field_with_an_empty_name() -> None:
    """The shortest name that a field can have is not lost."""
    assert dict(MODELS.page(answer(page([model(1, **{"": 1})]))).data[0].extra) == {"": 1}


def test_field_names_may_be_spelled_with_escapes() -> None:
    """A known name spelled with an escape is known."""
    text = body(page([model(5)])).replace(b'"id"', b'"\\u0069d"')
    row = MODELS.page(answer(text)).data[0]
    assert (row.id, dict(row.extra)) == (5, {})


@pytest.mark.parametrize("spelled", [b"\\ud800", b"a\\udfffb", b"\\u0000", "😀".encode(), b"\\ud83d\\ude00"])
def test_strange_texts_are_kept(spelled: bytes) -> None:
    """Lone surrogates, NUL and emoji are kept, in the typed page and in the raw one."""
    text = body(page([model(1, name="N")])).replace(b"N", spelled)
    expected = json.loads(b'"' + spelled + b'"')
    assert MODELS.page(answer(text)).data[0].name == expected
    assert json.loads(MODELS.raw_page(answer(text)).data[0].json)["name"] == expected


def test_a_byte_order_mark_is_taken() -> None:
    """UTF-8 with a byte order mark is UTF-8."""
    text = b"\xef\xbb\xbf" + body(page([model(1, a=1)]))
    assert MODELS.page(answer(text)).data[0].extra == {"a": 1}
    assert MODELS.raw_page(answer(text)).data[0].id == 1


@pytest.mark.parametrize("value", ["aGk=", "no base64", 7, None])
def test_no_field_stands_for_the_text_of_a_raw_row(value: Any) -> None:
    """A row's text is what was sent, also where a field has the name that no field should have."""
    row = model(1) | {"\x7f": value}
    raw = MODELS.raw_page(answer(page([row]))).data[0]
    assert (raw.id, json.loads(raw.json)) == (1, row)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_other_encodings_are_refused(encoding: str) -> None:
    """A body in another encoding than UTF-8 is a DecodeError, also where only a passed-on text shows it."""
    text = json.dumps(page([conversation(1, platform="é")]), ensure_ascii=False).encode(encoding)
    assert refused(text).retryable


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({}, "$.data"),
        ([], "$"),
        (None, "$"),
        ("text", "$"),
        (page([]) | {"data": None}, "$.data"),
        (page([]) | {"data": {}}, "$.data"),
        (page([], total_rows="12"), "$.total_rows"),
        (page([], total_rows=-1), "$.total_rows"),
        (page([], total_rows=True), "$.total_rows"),
        (page([], total_rows=1.5), "$.total_rows"),
        (page([], total_rows=float("nan")), "$.total_rows"),
        (page([], total_pages=2**63), "$.total_pages"),
        (page([None]), "$.data[0]"),
        (page([conversation(2**63)]), "$.data[0].id"),
        (page([conversation(1, id="1")]), "$.data[0].id"),
        (page([conversation(1, created_at=None)]), "$.data[0].created_at"),
        (page([conversation(1, created_at=1_746_396_305_000)]), "$.data[0].created_at"),
        (page([conversation(1, created_at="2025-05-05T05:05:05")]), "$.data[0].created_at"),
    ],
)
def test_the_path_of_what_is_wrong(value: Any, path: str) -> None:
    """What is not in the agreed shape is a DecodeError that names its path."""
    error = refused(value)
    assert path in error.paths
    assert path in str(error)
    assert not error.retryable


def test_every_bad_path_and_no_good_one() -> None:
    """Among many rows, `paths` has exactly the bad places."""
    rows = [conversation(i) for i in range(20)]
    rows[3]["platform"] = 5
    del rows[7]["model_name"]
    rows[11]["recent_messages"][1]["created_at"] = "soon"
    rows[17]["most_recent_message"] = {"id": 1}
    with pytest.raises(DecodeError) as caught:
        CONVERSATIONS.page(answer(page(rows)))
    lost = {f"$.data[17].most_recent_message.{name}" for name in ("seq", "sender", "message", "created_at")}
    expected = {"$.data[3].platform", "$.data[7].model_name", "$.data[11].recent_messages[1].created_at"} | lost
    assert set(caught.value.paths) == expected
    assert len(caught.value.paths) == len(expected)
    assert "and 4 more" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [b"", b"<html>Log in</html>", b"{", body(page([]))[:-1], b"[" * 200_000, b'{"a":' * 100_000, b"\xff", b"1" * 5_000],
)
def test_what_is_no_json_may_be_asked_for_again(text: bytes) -> None:
    """A body that is cut off or no JSON at all is a retryable DecodeError."""
    assert refused(text).retryable


def test_a_huge_number_is_refused() -> None:
    """A count of 5,000 digits is a DecodeError, not work for the interpreter."""
    refused(body(page([])).replace(b'"total_rows": 0', b'"total_rows": ' + b"9" * 5_000))


def test_a_web_page_is_named() -> None:
    """An HTML page is called one, with the hint to the base URL."""
    assert "an HTML page: check that base_url" in str(refused(b"\n <!doctype html>"))


@pytest.mark.parametrize("status", [201, 204, 206, 304])
def test_only_200_is_read(status: int) -> None:
    """Another success than 200 brings no page."""
    with pytest.raises(DecodeError, match=str(status)):
        MODELS.page(Response(status=status, body=body(page([]))))


def test_one_record() -> None:
    """A single record is read with its unknown fields."""
    row = conversation(1, mood="glad")
    assert dump(CONVERSATIONS.record(answer(row))) == row


def test_one_record_in_another_shape() -> None:
    """A single record that lacks a field is a DecodeError with its path."""
    with pytest.raises(DecodeError) as caught:
        CONVERSATIONS.record(answer({**conversation(1), "platform": None}))
    assert caught.value.paths == ("$.platform",)


def test_a_keyword_notification_without_updated_at() -> None:
    """The webhook's payload may lack updated_at, as in its reference."""
    payload = conversation(1, keyword="help")
    del payload["updated_at"]
    value = {"event": "keyword-notification", "payload": payload}
    event = readers(KeywordNotificationEvent).record(answer(value))
    assert event.payload.updated_at is None
    assert dump(event) == value


def test_the_last_of_two_fields_of_a_name_counts() -> None:
    """A name that comes twice in an object has its last value, in both readers."""
    text = body(page([model(1)])).replace(b'"id": 1', b'"id": 1, "id": 2')
    assert MODELS.page(answer(text)).data[0].id == MODELS.raw_page(answer(text)).data[0].id == 2


def test_raw_rows_are_byte_for_byte() -> None:
    """A raw row is the very bytes that were sent."""
    first, second = b'{ "id":1,"created_at" : "2025-05-05T05:05:05Z","z":1.50e1}', body(conversation(2))
    envelope = body(page([0], total_rows=2)).replace(b"[0]", b"[\n" + first + b" ,\t" + second + b"]")
    rows = CONVERSATIONS.raw_page(answer(envelope)).data
    assert [row.json for row in rows] == [first, second]


def test_raw_rows_know_their_times() -> None:
    """A raw row has its id and times; updated_at is None where there is none."""
    (row,) = readers(Message).raw_page(answer(page([message(4)]))).data
    assert isinstance(row, RawRow)
    assert (row.id, row.created_at.isoformat(), row.updated_at) == (4, "2025-05-05T05:05:05+07:00", None)


def test_raw_rows_need_no_more_than_their_head() -> None:
    """A raw row may be malformed elsewhere: it is passed on as it is."""
    (row,) = CONVERSATIONS.raw_page(answer(page([{"id": 1, "created_at": STAMP, "platform": 5}]))).data
    assert json.loads(row.json)["platform"] == 5


def test_a_number_that_json_does_not_have() -> None:
    """NaN in an unknown field, as some servers write it, is not passed on in a raw row, which is JSON."""
    with pytest.raises(DecodeError, match="NaN is no JSON"):
        MODELS.raw_page(answer(page([model(1, ratio=float("nan"))])))
