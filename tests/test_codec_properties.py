"""What holds of every answer, however it is made and spelled."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
import spelling
from answers import answer, conversation, model, page
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import DecodeError
from asyncchat._codec import dump, readers
from asyncchat._codec.slices import row_texts
from asyncchat.models import Conversation, Message, Model

KINDS: dict[str, type[Any]] = {"models": Model, "messages": Message, "conversations": Conversation}
PAGES = {
    "models": spelling.pages(spelling.models),
    "messages": spelling.pages(spelling.messages),
    "conversations": spelling.pages(spelling.conversations),
}
randoms = st.randoms(use_true_random=False)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), rnd=randoms)
def test_what_is_read_is_dumped_as_it_was(kind: str, data: st.DataObject, rnd: Random) -> None:
    """`dump(read(page))` is the page: no unknown, null or missing field is lost, whatever the spelling."""
    value = data.draw(PAGES[kind])
    read = readers(KINDS[kind]).page(answer(spelling.spelled(value, rnd).encode()))
    assert spelling.canonical(dump(read)) == spelling.canonical(value)


@given(value=PAGES["conversations"], rnd=randoms)
def test_both_readers_agree(value: Any, rnd: Random) -> None:
    """The quick reader and the patient one make equal pages: a byte order mark leads to the patient one."""
    body = spelling.spelled(value, rnd).encode()
    read = readers(Conversation).page
    quick, patient = read(answer(body)), read(answer(b"\xef\xbb\xbf" + body))
    assert quick == patient
    assert spelling.canonical(dump(quick)) == spelling.canonical(dump(patient))


@given(value=PAGES["conversations"], rnd=randoms)
def test_pickles_keep_everything(value: Any, rnd: Random) -> None:
    """A page that went through pickle is dumped as it was sent."""
    read = readers(Conversation).page(answer(spelling.spelled(value, rnd).encode()))
    again = pickle.loads(pickle.dumps(read))  # noqa: S301 - its own bytes
    assert again == read
    assert spelling.canonical(dump(again)) == spelling.canonical(value)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), rnd=randoms)
def test_raw_rows_are_the_bytes_that_were_sent(kind: str, data: st.DataObject, rnd: Random) -> None:
    """Each row of a raw page is its exact bytes, in the order of the page."""
    value = data.draw(PAGES[kind])
    rows = [spelling.spelled(row, rnd).strip(" \t\r\n").encode() for row in value["data"]]
    marker = "rows go here"
    frame = spelling.spelled(value | {"data": [marker] if rows else []}, rnd)
    body = frame.encode().replace(spelling_of(frame, marker), b" ,\n".join(rows)) if rows else frame.encode()
    read = readers(KINDS[kind]).raw_page(answer(body))
    assert [row.json for row in read.data] == rows
    assert [row.id for row in read.data] == [row["id"] for row in value["data"]]


def spelling_of(frame: str, marker: str) -> bytes:
    """How a frame spells the one row of its data."""
    (found,) = row_texts(frame.strip(" \t\r\n"))
    assert json.loads(found) == marker
    return found.encode()


@given(
    moment=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - the offset is added as text
    fraction=st.sampled_from(["", ".5", ".123", ".123456", ".1234567", ".999999999"]),
    offset=st.sampled_from(["+0700", "+07:00", "-0330", "-03:30", "Z", "z", "+0000", "-00:00"]),
    between=st.sampled_from("Tt "),
)
def test_timestamps_mean_one_instant_in_both_readers(
    moment: datetime, fraction: str, offset: str, between: str
) -> None:
    """A timestamp in any form is one instant with the offset that was sent, whichever reader takes it."""
    text = f"{moment:%Y-%m-%d}{between}{moment:%H:%M:%S}{fraction}{offset}"
    value = page([conversation(1, created_at=text)])
    quick = readers(Conversation).page(answer(value)).data[0].created_at
    patient = readers(Conversation).record(answer(value["data"][0])).created_at
    plain = datetime.fromisoformat(f"{moment:%Y-%m-%dT%H:%M:%S}{offset.upper()}")
    assert quick.utcoffset() == patient.utcoffset() == plain.utcoffset()
    assert quick.astimezone(UTC) == patient.astimezone(UTC)
    assert abs((quick - plain).total_seconds() - float(fraction or 0)) < 1e-6


BREAKS: dict[str, list[Any]] = {
    "id": ["1", 1.5, None, True, [], 2**63, -(2**63) - 1],
    "platform": [1, None, [], {}, False],
    "created_at": ["soon", 5, None, "2025-05-05T05:05:05", "2025-13-05T05:05:05Z", "2025-05-05T05:05:05.5"],
    "recent_messages": [5, "x", {}],
    "most_recent_message": [5, "x", [], False],
}


@given(
    size=st.integers(1, 30),
    data=st.data(),
)
def test_malformed_rows_are_named_exactly(size: int, data: st.DataObject) -> None:
    """`paths` has every bad place, and no good one."""
    rows = [conversation(number) for number in range(size)]
    places = st.tuples(st.integers(0, size - 1), st.sampled_from(sorted(BREAKS)))
    bad = data.draw(st.sets(places, min_size=1, max_size=5))
    for index, name in bad:
        rows[index][name] = data.draw(st.sampled_from(BREAKS[name]))
    with pytest.raises(DecodeError) as caught:
        readers(Conversation).page(answer(page(rows)))
    assert sorted(caught.value.paths) == sorted(f"$.data[{index}].{name}" for index, name in bad)


def read_all(body: bytes) -> None:
    """Give a body to every reader; only a DecodeError is allowed."""
    for kind in KINDS.values():
        for read in (readers(kind).page, readers(kind).raw_page, readers(kind).record):
            try:
                read(answer(body))
            except DecodeError:
                continue


@given(body=st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Bytes are read, or a DecodeError."""
    read_all(body)


@given(value=spelling.json_values, rnd=randoms)
def test_any_json_is_read_or_refused(value: Any, rnd: Random) -> None:
    """JSON is read, or a DecodeError."""
    read_all(spelling.spelled(value, rnd).encode())


@given(value=spelling.json_values, data=st.data())
def test_any_value_anywhere_is_read_or_refused(value: Any, data: st.DataObject) -> None:
    """A page with any value in place of one of its own is read, or a DecodeError."""
    whole = page([conversation(1), conversation(2)])
    name = data.draw(st.sampled_from([*whole, *whole["data"][0]]))
    target = whole if name in whole else whole["data"][1]
    target[name] = value
    read_all(spelling.spelled(whole, Random(0)).encode())  # noqa: S311 - spelling


@given(data=st.data())
def test_a_damaged_page_is_read_or_refused(data: st.DataObject) -> None:
    """A page with bytes cut out or changed is read, or a DecodeError."""
    body = bytearray(answer(page([model(1, name='a"\\\u20ac', x=[1.5, None]), model(2)])).body)
    start = data.draw(st.integers(0, len(body)))
    body[start : start + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=3))
    read_all(bytes(body))
