"""Rows as lines."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from export_api import raw
from hypothesis import given
from hypothesis import strategies as st
from spelling import spelled

from asyncchat.export.lines import to_lines

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.dictionaries(st.text(max_size=20) | st.just("conversation_id"), VALUES, max_size=4)


def with_id(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"id": 1}


@pytest.mark.parametrize(
    "text",
    [
        b'{"id":1}',
        b'{ "id" : 1 ,\t"x":1.50e+3, "y" : 12345678901234567890123 }',
        '{"id":1,"x":"é\u2028\x85\\u00e9\\/"}'.encode(),
        rb'{"id":1,"x":"\ud800\r\n"}',
    ],
    ids=["compact", "spaced", "letters", "escapes"],
)
def test_byte_for_byte(text: bytes) -> None:
    """A row that came on one line goes out as it came, whatever its spelling."""
    assert to_lines([raw(1, text=text)], None) == text + b"\n"


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_line_ends_are_folded(end: bytes) -> None:
    """A row that came on several lines goes out on one; its spelling stays, also of what no decoder takes."""
    text = end.join([b"{", rb' "id": 1.50e1, "x": "\ud800"', b"}"])
    line = to_lines([raw(1, text=text)], None)
    assert line == text.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


@given(ROWS.map(with_id), st.randoms(use_true_random=False))
def test_a_line_is_the_row(row: dict[str, Any], rnd: Random) -> None:
    """However a server spells a row, the line is one line and the same JSON value."""
    line = to_lines([raw(1, text=spelled(row, rnd).strip().encode())], None)
    assert line.splitlines() == [line[:-1]]
    assert json.loads(line) == row


@given(ROWS.map(with_id), st.integers(0, 2**63 - 1), st.randoms(use_true_random=False))
def test_a_message_has_its_conversation(row: dict[str, Any], owner: int, rnd: Random) -> None:
    """A message's line is the row and its conversation_id: ours, or the server's own if it sent one."""
    line = to_lines([raw(1, text=spelled(row, rnd).strip().encode())], owner)
    pairs = json.loads(line, object_pairs_hook=list)
    assert [name for name, _ in pairs].count("conversation_id") == 1
    assert json.loads(line) == {"conversation_id": owner} | row


@given(
    st.lists(ROWS.map(with_id), min_size=1, max_size=5), st.none() | st.integers(0), st.randoms(use_true_random=False)
)
def test_many_lines(rows: list[dict[str, Any]], owner: int | None, rnd: Random) -> None:
    """Rows together are what they are one by one."""
    texts = [raw(1, text=spelled(row, rnd).strip().encode()) for row in rows]
    assert to_lines(texts, owner) == b"".join(to_lines([text], owner) for text in texts)


def test_the_conversation_comes_first() -> None:
    """`conversation_id` is put before the message's own bytes, which stay as they are."""
    assert to_lines([raw(1, text=b'{"id": 1 }')], 7) == b'{"conversation_id":7,"id": 1 }\n'


@pytest.mark.parametrize("text", [rb'{"id":1,"conversation_id":null}', rb'{"conversation_id":"\ud800","id":1}'])
def test_the_servers_own_conversation_stays(text: bytes) -> None:
    """A conversation_id that the server sends is not sent twice, whatever it is."""
    assert to_lines([raw(1, text=text)], 7) == text + b"\n"


def test_a_conversation_named_in_the_text() -> None:
    """A message that only speaks of a conversation_id gets its own."""
    line = to_lines([raw(1, text=rb'{"id":1,"message":"\"conversation_id\"","x":{"conversation_id":3}}')], 7)
    assert json.loads(line)["conversation_id"] == 7
