"""Rows as values in columns: nothing of what was sent is lost, whatever it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from database_rows import OWNER
from hypothesis import given
from hypothesis import strategies as st
from odd_rows import moment, put_back, raw, rows

from asyncchat import RawRow
from asyncchat.export.destinations import columns
from asyncchat.export.destinations.columns import COLUMNS, Type, to_values
from asyncchat.export.report import KINDS


def check_types(kind: str, values: columns.Values) -> None:
    kinds = {Type.INTEGER: int, Type.TEXT: str, Type.TIMESTAMP: datetime, Type.JSON: str}
    for column, value in zip(COLUMNS[kind], values, strict=True):
        assert value is None or type(value) is kinds[column.type]
        if isinstance(value, int):
            assert -(2**63) <= value < 2**63
        elif isinstance(value, datetime):
            assert value.utcoffset() == timedelta()
        elif isinstance(value, str):
            value.encode()


@given(st.data())
@pytest.mark.parametrize("nul", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost(kind: str, nul: bool, data: st.DataObject) -> None:
    """What was sent is told by the values again, every value has its column's type, and U+0000 is where it may be."""
    fields = data.draw(rows(kind))
    text = json.dumps(fields, indent=data.draw(st.sampled_from([None, 1])))
    owner = OWNER if kind == "messages" else None
    values = to_values(kind, raw(fields, text), owner, nul=nul)
    assert put_back(kind, values) == {name: value for name, value in fields.items() if value is not None} | (
        {name: None for name in put_back(kind, values) if fields.get(name, 0) is None}
    )
    check_types(kind, values)
    assert nul or not any("\0" in value for value in values if isinstance(value, str))


@given(st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_agree(kind: str, data: st.DataObject) -> None:
    """The quick way gives what the patient one gives."""
    fields = data.draw(rows(kind))
    row = raw(fields, json.dumps(fields))
    assert to_values(kind, row, OWNER) == columns._patiently(kind, row, OWNER, nul=True)


def test_a_row_as_agreed() -> None:
    """A row of the agreed shape is all in its columns, with its owner and its time in UTC."""
    fields = {"id": 1, "seq": "01", "sender": "user", "message": "a", "created_at": "2025-05-05T10:00:00.5+0700"}
    values = to_values("messages", raw(fields, json.dumps(fields)), OWNER)
    moment = datetime(2025, 5, 5, 3, 0, 0, 500_000, tzinfo=UTC)
    assert values == (1, OWNER, "01", "user", "a", moment, ".5+0700", None)


@pytest.mark.parametrize("number", ["1e400", "1.0", "9" * 5000, "-0", str(2**63)])
def test_numbers_that_do_not_fit(number: str) -> None:
    """A number that is no 64-bit integer is kept as it is spelled, known field or not."""
    fields = {"id": 1, "created_at": "2025-05-05T10:00:00Z", "model_id": "NUMBER", "more": ["NUMBER"], "half": "\ud800"}
    text = json.dumps(fields, separators=(",", ":")).replace('"NUMBER"', number)
    row = RawRow(id=1, created_at=moment("2025-05-05T10:00:00Z"), json=text.encode())
    values = to_values("conversations", row)
    extra = values[-1]
    assert f'"more":[{number}]' in extra
    assert values[1] == 0 or f'"model_id":{number}' in extra


def test_an_owner_that_disagrees() -> None:
    """A message that names another conversation than it was read from keeps what it says."""
    fields = {"id": 1, "created_at": "2025-05-05T10:00:00Z", "conversation_id": 5}
    values = to_values("messages", raw(fields, json.dumps(fields)), OWNER)
    assert values[1] == OWNER
    assert json.loads(values[-1]) == {"conversation_id": 5}
    fields["conversation_id"] = OWNER
    assert to_values("messages", raw(fields, json.dumps(fields)), OWNER)[-1] is None


def test_every_column_is_described() -> None:
    """Every column has a sentence for people, and a kind's columns have one name each."""
    for kind in KINDS:
        assert all(column.comment.endswith(".") for column in COLUMNS[kind])
        assert len({column.name for column in COLUMNS[kind]}) == len(COLUMNS[kind])
