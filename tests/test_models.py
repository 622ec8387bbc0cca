"""Models: values with `.extra`."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from answers import answer, conversation, message, model, page

from asyncchat._codec import readers
from asyncchat.models import Conversation, Message, Model, Page

if TYPE_CHECKING:
    from collections.abc import Callable

COPIES = [
    pytest.param(copy.copy, id="copy"),
    pytest.param(copy.deepcopy, id="deepcopy"),
    pytest.param(lambda value: pickle.loads(pickle.dumps(value)), id="pickle"),  # noqa: S301 - its own bytes
]


def read(row: dict[str, Any]) -> Conversation:
    return readers(Conversation).page(answer(page([row]))).data[0]


@pytest.fixture
def rich() -> Conversation:
    """A conversation with unknown fields at every depth, and a list that was sent as null."""
    return read(conversation(1, mood="glad", most_recent_message=message(3, x=[1]), recent_messages=None))


def test_unknown_fields_are_in_extra(rich: Conversation) -> None:
    """Fields that the SDK does not know are in `.extra`, on the record that they were sent with."""
    assert rich.most_recent_message is not None
    assert (dict(rich.extra), dict(rich.most_recent_message.extra)) == ({"mood": "glad"}, {"x": [1]})


def test_known_fields_are_not_in_extra(rich: Conversation) -> None:
    """A known field that came as null is its empty value, and nothing in `.extra`."""
    assert rich.recent_messages == []
    assert "recent_messages" not in rich.extra


def test_extra_is_empty_without_unknown_fields() -> None:
    """`.extra` is an empty mapping when everything is known."""
    assert dict(read(conversation(1)).extra) == {}


def test_extra_is_read_only(rich: Conversation) -> None:
    """`.extra` cannot be changed."""
    with pytest.raises(TypeError):
        rich.extra["mood"] = "sad"  # type: ignore[index]


@pytest.mark.parametrize("duplicate", COPIES)
def test_copies_keep_extra(rich: Conversation, duplicate: Callable[[Any], Any]) -> None:
    """A copy equals its original, with `.extra` at every depth."""
    other = duplicate(rich)
    assert other == rich
    assert (other.extra, other.most_recent_message.extra) == ({"mood": "glad"}, {"x": [1]})


@pytest.mark.parametrize("duplicate", COPIES)
def test_pages_are_copied(duplicate: Callable[[Any], Any]) -> None:
    """A page of rows survives copying and pickling."""
    original = readers(Model).page(answer(page([model(1, a=1)], next="x")))
    other = duplicate(original)
    assert other == original
    assert (other.extra, other.data[0].extra) == ({"next": "x"}, {"a": 1})


def test_equality_counts_extra() -> None:
    """Two rows that differ in an unknown field alone are not equal."""
    assert read(conversation(1, mood="glad")) != read(conversation(1, mood="sad"))


def test_equality_counts_fields() -> None:
    """Two rows that differ in a field are not equal."""
    assert read(conversation(1)) != read(conversation(1, platform="app"))


def test_equality_is_by_class() -> None:
    """A record is not equal to something else."""
    assert read(conversation(1)) != conversation(1)


def test_equal_rows_have_one_hash() -> None:
    """Rows can be members of a set, lists inside notwithstanding."""
    assert len({read(conversation(1)), read(conversation(1)), read(conversation(2))}) == 2


def test_rows_are_frozen(rich: Conversation) -> None:
    """A field cannot be set."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        rich.platform = "app"  # type: ignore[misc]


def test_rows_have_no_dict(rich: Conversation) -> None:
    """Rows have slots: no attribute dict to pay for on each of millions."""
    assert not hasattr(rich, "__dict__")


def test_fields_are_keyword_only() -> None:
    """A model is made with keywords alone."""
    with pytest.raises(TypeError):
        Model(1, "name", None)  # type: ignore[arg-type, call-arg]


def test_the_offset_is_kept() -> None:
    """Datetimes are aware, and have the offset that was sent."""
    assert read(conversation(1)).created_at.utcoffset() == timedelta(hours=7)


def test_open_values_stay_plain_texts() -> None:
    """A sender or platform that nobody has heard of is no error."""
    row = read(conversation(1, platform="carrier pigeon", recent_messages=[message(1, sender="owl")]))
    assert (row.platform, row.recent_messages[0].sender) == ("carrier pigeon", "owl")


def test_a_repr_shows_the_fields() -> None:
    """A repr names the class and its fields."""
    row = readers(Message).record(answer(message(7)))
    assert repr(row).startswith("Message(id=7, seq='01JTF4Z7X1', sender='user', message='text 7', created_at=")


def test_records_made_by_hand_have_no_extra() -> None:
    """A record made by a caller, as in a user's test, has an empty `.extra`, and equals one that was read."""
    read_one = readers(Model).record(answer(model(1)))
    made = Model(id=1, name="model 1", created_at=read_one.created_at)
    assert made == read_one
    assert dict(made.extra) == {}


def test_a_page_made_by_hand() -> None:
    """A page can be made for a test double."""
    made: Page[int] = Page(data=[1], page=1, rows_per_page=1, total_pages=1, total_rows=1)
    assert made.data == [1]
