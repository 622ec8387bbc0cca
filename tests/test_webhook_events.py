"""What the platform posts: read as values, or refused with the places that are wrong."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import WebhookError
from asyncchat.webhooks import KeywordNotificationEvent, UnknownEvent, parse_event

MESSAGE = {"id": 5, "seq": "01", "sender": "user", "message": "urgent!", "created_at": "2025-05-05T05:05:05+0700"}
PAYLOAD: dict[str, Any] = {
    "id": 123,
    "model_id": 7,
    "model_name": "Acme",
    "created_at": "2025-05-05T05:05:05+0700",
    "keyword": "urgent",
    "most_recent_message": MESSAGE,
    "recent_messages": [MESSAGE],
    "platform": "web",
    "platform_user_id": "u1",
}


def body(**changes: Any) -> bytes:
    payload = {name: value for name, value in {**PAYLOAD, **changes}.items() if value is not ...}
    return json.dumps({"event": "keyword-notification", "payload": payload}).encode()


def test_a_notification() -> None:
    """It is typed; `updated_at` may be missing, as in the reference, and other values are open."""
    event = parse_event(body(platform="carrier pigeon", keyword="r\u00fcckgabe", extra_field=[1]))
    assert isinstance(event, KeywordNotificationEvent)
    assert (event.payload.id, event.payload.keyword, event.payload.updated_at) == (123, "r\u00fcckgabe", None)
    assert event.payload.extra == {"extra_field": [1]}
    assert event.payload.recent_messages[0].message == "urgent!"
    assert parse_event(b"\xef\xbb\xbf" + body()) == parse_event(body())


def test_null_messages() -> None:
    """Null and missing messages are none."""
    event = parse_event(body(recent_messages=None, most_recent_message=...))
    assert isinstance(event, KeywordNotificationEvent)
    assert (event.payload.recent_messages, event.payload.most_recent_message) == ([], None)


def test_an_unknown_event() -> None:
    """An event of another name is kept as it was posted."""
    sent = b'{"event": "reaction-added", "payload": {"emoji": "x"}, "more": 1}'
    assert parse_event(sent) == UnknownEvent(event="reaction-added", payload={"emoji": "x"}, body=sent)
    assert parse_event(b'{"event": ""}') == UnknownEvent(event="", payload=None, body=b'{"event": ""}')


@pytest.mark.parametrize(
    ("sent", "paths"),
    [
        (b"", ("$",)),
        (b"not json", ("$",)),
        (b"\xff\xfe{", ("$",)),
        ('{"event": "keyword-notification"}'.encode("utf-16"), ("$",)),
        (b"[" * 200_000, ("$",)),
        (b"[]", ("$",)),
        (b"null", ("$",)),
        (b'"keyword-notification"', ("$",)),
        (b"{}", ("$.event",)),
        (b'{"event": 5}', ("$.event",)),
        (b'{"event": "keyword-notification"}', ("$.payload",)),
        (b'{"event": "keyword-notification", "payload": []}', ("$.payload",)),
        (body(keyword=...), ("$.payload.keyword",)),
        (body(id="../x", keyword=7), ("$.payload.id", "$.payload.keyword")),
        (body(id=2**63), ("$.payload.id",)),
        (body(created_at="yesterday"), ("$.payload.created_at",)),
        (body(recent_messages=[{**MESSAGE, "id": None}]), ("$.payload.recent_messages[0].id",)),
    ],
)
def test_what_is_none(sent: bytes, paths: tuple[str, ...]) -> None:
    """Each place that is wrong is named; the error is data, and holds no body."""
    with pytest.raises(WebhookError) as caught:
        parse_event(sent)
    assert set(caught.value.paths) == set(paths)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert (str(again), again.paths) == (str(caught.value), caught.value.paths)
    assert caught.value.__context__ is None


@given(st.binary(max_size=200))
def test_any_bytes(sent: bytes) -> None:
    """Whatever comes is an event or a WebhookError."""
    try:
        event = parse_event(sent)
    except WebhookError:
        return
    assert isinstance(event, KeywordNotificationEvent | UnknownEvent)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.fixed_dictionaries({"event": st.just("keyword-notification"), "payload": json_values}))
def test_any_payload(value: Any) -> None:
    """A payload of any shape is refused by its places, or is one."""
    paths: tuple[str, ...] = ()
    try:
        parse_event(json.dumps(value).encode())
    except WebhookError as error:
        paths = error.paths
    assert all(path.startswith("$.payload") for path in paths)
