"""CSV part files: what other readers find in them."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from database_rows import OWNER
from export_folders import QUERY, opened
from hypothesis import given
from hypothesis import strategies as st
from odd_rows import raw, rows

from asyncchat.export import Batch
from asyncchat.export.destinations.columns import COLUMNS, Type, Values, to_values
from asyncchat.export.destinations.formats import find_format
from asyncchat.export.report import KINDS

pytestmark = pytest.mark.heavy

HEADER = ["id", "name", "created_at", "created_at_offset", "extra"]
STAMP = "2025-05-05T10:00:00+0700"


def written(form: str, batch: Batch) -> str:
    file = io.BytesIO()
    sheet = find_format(form).begin(file, batch.kind)
    sheet.write(batch)
    sheet.finish()
    return file.getvalue().decode()


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def one(message: str, form: str = "csv") -> list[str]:
    """The cells of a message with that text."""
    fields = {"id": 1, "seq": "01", "sender": "user", "message": message, "created_at": STAMP}
    header, line = table(written(form, batch("messages", [fields])))
    assert header == [column.name for column in COLUMNS["messages"]]
    return line


def batch(kind: str, sent: list[dict[str, Any]]) -> Batch:
    owner = OWNER if kind == "messages" else None
    return Batch(kind=kind, rows=[raw(fields, json.dumps(fields)) for fields in sent], conversation_id=owner)


def cells(kind: str, values: Values) -> list[str]:
    """What a reader of CSV finds for values."""
    return [
        "" if value is None else value if isinstance(value, str) else as_text(column.type, value)
        for column, value in zip(COLUMNS[kind], values, strict=True)
    ]


def as_text(kind: Type, value: Any) -> str:
    return value.isoformat() if kind is Type.TIMESTAMP else f"{value:d}"


@given(st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_raw_round_trip(kind: str, data: st.DataObject) -> None:
    """Read back, raw cells are the values of the columns; times read as times in UTC."""
    sent = data.draw(st.lists(rows(kind), min_size=1, max_size=3))
    block = batch(kind, sent)
    found = table(written("csv-raw", block))
    expected = [to_values(kind, row, block.conversation_id) for row in block.rows]
    assert found[1:] == [cells(kind, values) for values in expected]
    at = [column.name for column in COLUMNS[kind]].index("created_at")
    for line, values in zip(found[1:], expected, strict=True):
        assert values[at] is None or datetime.fromisoformat(line[at]) == values[at]


@given(st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_safe_round_trip(kind: str, data: st.DataObject) -> None:
    """No text begins like a formula, and the texts are told from the cells again."""
    block = batch(kind, [data.draw(rows(kind))])
    line = table(written("csv", block))[1]
    values = to_values(kind, block.rows[0], block.conversation_id)
    texts = [column.type in {Type.TEXT, Type.JSON} for column in COLUMNS[kind]]
    assert not any(is_text and cell.startswith(tuple("=+-@\t\r")) for is_text, cell in zip(texts, line, strict=True))
    told = [re.sub(r"^'('*[=+\-@\t\r])", r"\1", c) if is_text else c for is_text, c in zip(texts, line, strict=True)]
    assert told == cells(kind, values)


@given(st.text() | st.text("'=+-@\t\r\n\0\", "))
def test_texts(text: str) -> None:
    """A text that begins like a formula gets an apostrophe, or another one; no other does."""
    safe = "'" + text if text.lstrip("'").startswith(tuple("=+-@\t\r")) else text
    try:
        text.encode()
    except UnicodeEncodeError:
        return  # no text of its column
    assert one(text)[4] == safe
    assert one(text, "csv-raw")[4] == text


def test_bytes() -> None:
    """Lines end with CR LF, texts are quoted, NULL is nothing, an empty text is two quotes, numbers stay numbers."""
    fields = {"id": -1, "seq": "", "sender": None, "message": 'a "b",\nc', "created_at": STAMP, "more": [-1]}
    assert written("csv", batch("messages", [fields])) == (
        "id,conversation_id,seq,sender,message,created_at,created_at_offset,extra\r\n"
        '-1,70,"",,"a ""b"",\nc",2025-05-05T03:00:00+00:00,"\'+0700","{""more"":[-1]}"\r\n'
    )


def test_json_is_text() -> None:
    """JSON that begins like a formula is a text too; a fraction of a second is kept."""
    fields = {"id": 1, "created_at": "2025-05-05T10:00:00.25Z", "most_recent_message": -5}
    line = table(written("csv", batch("conversations", [fields])))[1]
    assert (line[7], line[3]) == ("'-5", "2025-05-05T10:00:00.250000+00:00")
    assert datetime.fromisoformat(line[3]) == datetime(2025, 5, 5, 10, 0, 0, 250_000, tzinfo=UTC)


def test_every_part_has_a_header(tmp_path: Path) -> None:
    """Each part is a sheet of its own."""
    folder, _ = opened(tmp_path / "out", query=attrs.evolve(QUERY, format="csv"))
    for number in range(2):
        folder.write(batch("models", [{"id": number, "name": "m", "created_at": STAMP}]))
        folder.commit([str(number)])
    folder.close()
    parts = sorted((tmp_path / "out" / ".asyncchat-partial" / "models").iterdir())
    assert [table(part.read_bytes().decode()) for part in parts] == [
        [HEADER, [str(i), "m", "2025-05-05T03:00:00+00:00", "'+0700", ""]] for i in range(2)
    ]
