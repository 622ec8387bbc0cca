"""Rows of every sort, mostly as agreed, now and then with anything in them; and back from values to what was sent."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
from hypothesis import strategies as st

from asyncchat import RawRow
from asyncchat.export.destinations.columns import COLUMNS, Type, Values

TIMES = st.sampled_from(
    [
        "2025-05-05T10:00:00+0700",
        "2025-05-05T10:00:00+07:00",
        "2025-05-05T10:00:00.25Z",
        "2025-05-05T10:00:00.123456-0330",
        "2025-05-05T10:00:00.123456789-0330",
        "2025-05-05T10:00:59.9999999+0000",
        "2025-05-05 10:00:00+0700",
        "2025-05-05T10:00:00,5+0700",
        "20250505T100000+0700",
        "0001-01-01T00:00:00+0700",
        "9999-12-31T23:59:59-0700",
    ]
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.just("\ud800")
    | st.just("\0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FITTING = {Type.INTEGER: st.integers(-(2**63), 2**63 - 1), Type.TEXT: st.text(), Type.JSON: ANYTHING}


def moment(sent: str) -> datetime:
    """A time as the client reads it; forms that it does not take are read as well as they can be."""
    try:
        return msgspec.convert(sent, datetime)
    except msgspec.ValidationError:
        return datetime.fromisoformat(sent)


@st.composite
def rows(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Fields of a row: mostly as agreed, each of them now and then anything, missing, or joined by unknown ones."""
    fields: dict[str, Any] = {"id": draw(st.integers(-(2**63), 2**63 - 1)), "created_at": draw(TIMES)}
    for column in COLUMNS[kind]:
        if column.name in {*fields, "extra", "conversation_id"} or column.name.endswith("_offset"):
            continue
        if column.type is Type.TIMESTAMP:
            fields[column.name] = draw(TIMES | st.none())
        elif draw(st.integers(0, 9)):
            fields[column.name] = draw(FITTING[column.type])
        elif draw(st.booleans()):
            fields[column.name] = draw(ANYTHING)
    known = {column.name for column in COLUMNS[kind]} - {"extra", "conversation_id", "created_at_offset"}
    unknown = st.text() | st.sampled_from(["extra", "conversation_id", "created_at_offset", "\ud800"])
    return fields | draw(st.dictionaries(unknown.filter(lambda name: name not in known), ANYTHING, max_size=2))


def raw(fields: dict[str, Any], text: str) -> RawRow:
    changed = fields.get("updated_at")
    return RawRow(
        id=fields["id"],
        created_at=moment(fields["created_at"]),
        updated_at=moment(changed) if isinstance(changed, str) else None,
        json=text.encode(),
    )


def put_back(kind: str, values: Values) -> dict[str, Any]:
    """What was sent, told from the values alone; fields that are NULL are left out."""
    fields: dict[str, Any] = {}
    by_name = dict(zip([column.name for column in COLUMNS[kind]], values, strict=True))
    for column in COLUMNS[kind]:
        value = by_name[column.name]
        if value is None or column.name in {"conversation_id", "extra"} or column.name.endswith("_offset"):
            continue
        if column.type is Type.JSON:
            fields[column.name] = json.loads(value)
        elif column.type is Type.TIMESTAMP:
            rest = by_name[f"{column.name}_offset"]
            offset = moment(f"2025-05-05T10:00:00{rest}").utcoffset()
            assert offset is not None
            fields[column.name] = (value + offset).replace(tzinfo=None).isoformat()[:19] + rest
        else:
            fields[column.name] = value
    return {**fields, **json.loads(by_name["extra"] or "{}")}
