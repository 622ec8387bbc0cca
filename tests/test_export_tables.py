"""CSV and Parquet: what was sent comes back from the files."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from export_api import raw as raw_row
from export_folders import QUERY, opened, report
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_rows import put_back, raw, rows

from asyncchat import AsyncClient, ConfigurationError, RawRow
from asyncchat.export import Batch, export
from asyncchat.export.destinations import parquet
from asyncchat.export.destinations.columns import COLUMNS, Type, Values, to_values
from asyncchat.export.destinations.folder import FolderDestination
from asyncchat.export.destinations.formats import find_format
from asyncchat.export.report import KINDS
from asyncchat.sandbox import Sandbox

FORMULAS = ["=cmd|' /C calc'!A0", "=1+1", "-2+3", "@SUM(A1)", "+1", "-1", "@a", "\t=1", "\r=1", "'=1", "''@a"]
HARMLESS = ["", "a=1", "'a", " =1", '"=1"', "1", "a\r\nb", "a,b"]


@st.composite
def batches(draw: st.DrawFn, kind: str) -> Batch:
    told = draw(st.lists(rows(kind), min_size=1, max_size=4))
    return Batch(
        kind=kind,
        rows=[raw(fields, json.dumps(fields)) for fields in told],
        conversation_id=draw(st.integers(0, 2**63 - 1)) if kind == "messages" else None,
    )


def values_of(given: list[Batch]) -> list[Values]:
    return [to_values(batch.kind, row, batch.conversation_id) for batch in given for row in batch.rows]


def encoded(name: str, given: list[Batch]) -> bytes:
    """The bytes of a part file."""
    file = io.BytesIO()
    writer = find_format(name).begin(file, given[0].kind)
    for batch in given:
        writer.write(batch)
    writer.finish()
    return file.getvalue()


# ---- csv


def read_csv(data: bytes, kind: str, *, guarded: bool) -> list[Values]:
    """Values as a program would read them back."""
    header, *lines = csv.reader(io.StringIO(data.decode(), newline=""))
    assert header == [column.name for column in COLUMNS[kind]]
    types = [column.type for column in COLUMNS[kind]]
    return [tuple(value_of(*pair, guarded=guarded) for pair in zip(types, line, strict=True)) for line in lines]


def value_of(kind: Type, cell: str, *, guarded: bool) -> Any:
    if kind is Type.INTEGER:
        return int(cell) if cell else None
    if kind is Type.TIMESTAMP:
        return datetime.fromisoformat(cell) if cell else None
    bare = cell.lstrip("'")
    return cell[1:] if guarded and bare[:1] in set("=+-@\t\r") and bare != cell else cell


def without_null(values: list[Values], kind: str) -> list[Values]:
    """Python's reader tells NULL from an empty text only from 3.12 on."""
    texts = [column.type in {Type.TEXT, Type.JSON} for column in COLUMNS[kind]]
    return [
        tuple("" if value is None and is_text else value for value, is_text in zip(line, texts, strict=True))
        for line in values
    ]


@pytest.mark.heavy
@settings(max_examples=60)
@given(st.data())
@pytest.mark.parametrize("name", ["csv", "csv-raw"])
@pytest.mark.parametrize("kind", KINDS)
def test_csv(name: str, kind: str, data: st.DataObject) -> None:
    """Every value comes back from CSV, formulas included."""
    given = data.draw(st.lists(batches(kind), min_size=1, max_size=3))
    found = read_csv(encoded(name, given), kind, guarded=name == "csv")
    assert found == without_null(values_of(given), kind)


def message(text: str, row_id: int = 1) -> RawRow:
    told = {"id": row_id, "seq": "", "sender": "user", "message": text, "created_at": "2025-05-05T10:00:00+0700"}
    return raw(told, json.dumps(told))


def cells(name: str, text: str) -> list[str]:
    data = encoded(name, [Batch(kind="messages", rows=[message(text)], conversation_id=7)])
    return list(csv.reader(io.StringIO(data.decode(), newline="")))[1]


@pytest.mark.parametrize("text", [*FORMULAS, *HARMLESS])
def test_formulas(text: str) -> None:
    """A text that a spreadsheet would run is prefixed, unless that is not wanted; no other text is."""
    assert cells("csv", text)[4] == ("'" + text if text in FORMULAS else text)
    assert cells("csv-raw", text)[4] == text


def test_a_line_of_csv() -> None:
    """Texts are quoted and NULL is nothing; numbers and times are bare, the time in UTC; lines end with CR LF."""
    data = encoded("csv", [Batch(kind="messages", rows=[message('a "b"\n')], conversation_id=7)])
    assert data == (
        b"id,conversation_id,seq,sender,message,created_at,created_at_offset,extra\r\n"
        b'1,7,"","user","a ""b""\n",2025-05-05T03:00:00+00:00,"\'+0700",\r\n'
    )


def test_negative_numbers() -> None:
    """A number is no formula, whatever its sign."""
    data = encoded("csv", [Batch(kind="messages", rows=[message("a", row_id=-5)], conversation_id=7)])
    assert data.split(b"\r\n")[1].startswith(b"-5,7,")


def test_csv_of_a_folder(tmp_path: Path) -> None:
    """The option of the folder decides on formulas, and makes another export of it."""
    for is_raw, name in [(False, "csv"), (True, "csv-raw")]:
        out = FolderDestination(tmp_path / name, format="csv", csv_raw=is_raw)
        query = attrs.evolve(QUERY, format=out.format)
        assert out.format == name
        out.open(query, fresh=False)
        out.write(Batch(kind="messages", rows=[message("=1")], conversation_id=7))
        out.commit(["0"])
        out.finish(report({"models": 0, "conversations": 0, "messages": 1}, query))
        out.close()
        text = (tmp_path / name / "messages" / "part-00000.csv").read_text()
        assert ('"=1"' in text, '"\'=1"' in text) == (is_raw, not is_raw)
    with pytest.raises(ConfigurationError, match="format was 'csv-raw', and is 'csv' now"):
        opened(tmp_path / "csv-raw", query=attrs.evolve(QUERY, format="csv"))


def test_raw_is_no_format_of_its_own() -> None:
    """The formats that are told do not list the option."""
    with pytest.raises(ConfigurationError, match=r"format takes jsonl, jsonl\.gz, jsonl\.zst, csv or parquet, not 'x'"):
        find_format("x")
    with pytest.raises(ConfigurationError, match="csv_raw is for the format csv, not for 'jsonl'"):
        FolderDestination(Path("a"), csv_raw=True)


# ---- parquet


@settings(max_examples=40, deadline=None)
@given(st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_parquet(kind: str, data: st.DataObject) -> None:
    """Every value comes back from Parquet with its type, however the rows are put into groups."""
    pq = pytest.importorskip("pyarrow.parquet")
    given = data.draw(st.lists(batches(kind), min_size=1, max_size=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "_BLOCK_ROWS", data.draw(st.integers(1, 3)))
        patch.setattr(parquet, "_GROUP_ROWS", data.draw(st.integers(1, 5)))
        file = encoded("parquet", given)
    table = pq.read_table(io.BytesIO(file))
    assert table.schema.names == [column.name for column in COLUMNS[kind]]
    assert [tuple(row.values()) for row in table.to_pylist()] == values_of(given)


def test_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group has a size in rows and one in bytes."""
    pq = pytest.importorskip("pyarrow.parquet")
    given = [Batch(kind="messages", rows=[message("a" * 100, i)], conversation_id=7) for i in range(20)]
    size = len(given[0].rows[0].json)

    def groups(**limits: int) -> list[int]:
        with monkeypatch.context() as patch:
            for name, value in limits.items():
                patch.setattr(parquet, name, value)
            found = pq.ParquetFile(io.BytesIO(encoded("parquet", given))).metadata
        return [found.row_group(i).num_rows for i in range(found.num_row_groups)]

    assert groups() == [20]
    assert groups(_BLOCK_ROWS=4, _GROUP_ROWS=8) == [8, 8, 4]
    assert groups(_BLOCK_BYTES=2 * size, _GROUP_BYTES=6 * size) == [6, 6, 6, 2]


def test_what_a_parquet_file_says() -> None:
    """Times are timestamps in UTC, columns are compressed with zstd and described, the file says who wrote it."""
    pq = pytest.importorskip("pyarrow.parquet")
    file = pq.ParquetFile(io.BytesIO(encoded("parquet", [Batch(kind="models", rows=[raw_row(1)])])))
    schema = file.schema_arrow
    assert str(schema.field("created_at").type) == "timestamp[us, tz=UTC]"
    assert schema.field("name").metadata == {b"comment": b"Its name."}
    assert (schema.field("id").nullable, schema.field("name").nullable) == (False, True)
    assert schema.metadata[b"asyncchat.kind"] == b"models"
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_duckdb_reads_both(tmp_path: Path) -> None:
    """DuckDB finds the same rows in both, with times as times and NULL told from an empty text."""
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    lacking = RawRow(id=3, created_at=message("").created_at, json=b'{"id":3}')
    told = [message("", 1), message('a,"b"\r\n=c', 2), lacking]
    found = []
    for name, reader in [("csv-raw", "read_csv('{}', allow_quoted_nulls = false)"), ("parquet", "read_parquet('{}')")]:
        path = tmp_path / f"rows.{name}"
        path.write_bytes(encoded(name, [Batch(kind="messages", rows=told, conversation_id=7)]))
        columns = "id, message, message IS NULL, epoch(created_at)"
        found.append(duckdb.sql(f"SELECT {columns} FROM {reader.format(path)} ORDER BY id").fetchall())  # noqa: S608
    seconds = message("").created_at.timestamp()
    assert found[0] == [(1, "", False, seconds), (2, 'a,"b"\r\n=c', False, seconds), (3, None, True, None)]
    assert found[1] == found[0]


def test_parquet_without_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow it is told in one line what to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ConfigurationError, match=r"^format 'parquet' needs an extra: pip install 'asyncchat\[parquet\]'$"
    ):
        FolderDestination(tmp_path, format="parquet")


# ---- from a server


@pytest.mark.asyncio
async def test_a_whole_export(tmp_path: Path) -> None:
    """An export into either format holds what the server holds, and tells its rows in the manifest."""
    pq = pytest.importorskip("pyarrow.parquet")
    with Sandbox(seed=3, models=2, conversations=20, messages_mean=6) as box:
        async with AsyncClient(box.base_url, token=box.token, auth=box.auth) as client:
            for name in ("csv", "parquet"):
                report = await export(client, tmp_path / name, format=name)
                assert report.rows["messages"] == len(list(box.truth("messages")))
        for kind in ("models", "conversations", "messages"):
            rows = [tuple(row.values()) for row in pq.read_table(tmp_path / "parquet" / kind).to_pylist()]
            told = [put_back(kind, row) | ({"conversation_id": row[1]} if kind == "messages" else {}) for row in rows]
            truth = [{name: value for name, value in row.items() if value is not None} for row in box.truth(kind)]
            assert sorted(told, key=lambda row: int(row["id"])) == truth
            sheets = [
                row
                for path in (tmp_path / "csv" / kind).iterdir()
                for row in read_csv(path.read_bytes(), kind, guarded=True)
            ]
            assert sorted(sheets, key=repr) == sorted(without_null(rows, kind), key=repr)
