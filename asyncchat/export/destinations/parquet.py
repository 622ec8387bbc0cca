"""Part files in Parquet, written by pyarrow: compressed with zstd, times as timestamps in UTC."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import attrs

from asyncchat import __version__
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.columns import COLUMNS, Column, Type, Values, to_values

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES: Final = 2 * 2**20
_BLOCK_ROWS: Final = 8_192
"""From these on rows go from Python's memory into Arrow's, which needs less."""
_GROUP_BYTES: Final = 16 * 2**20
_GROUP_ROWS: Final = 131_072
"""From these on they are written as a row group; bytes are those of the rows as they were sent."""


@attrs.frozen(kw_only=True)
class Block:
    """Rows that were read from a part file.

    Attributes:
        kind: "models", "conversations" or "messages".
        rows: The rows.
    """

    kind: str
    rows: pa.RecordBatch

    @property
    def count(self) -> int:
        """How many rows."""
        return int(self.rows.num_rows)


def read_blocks(path: Path, kind: str, without: Collection[int]) -> Iterator[Block]:
    """The rows of a part file, but for those of some ids."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.compute as pc  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    left_out = pa.array(without, pa.int64())
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BLOCK_ROWS):
            is_left_out = pc.call_function("is_in", [batch.column("id")], pc.SetLookupOptions(left_out))
            rows = batch.filter(pc.call_function("invert", [is_left_out]))
            if rows.num_rows:
                yield Block(kind=kind, rows=rows)


class Parquet:
    """A file of Parquet.

    Args:
        file: Where it goes.
        kind: Of its rows.
    """

    def __init__(self, file: IO[bytes], kind: str) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

        self._kind = kind
        self._pool = pa.system_memory_pool()  # Arrow's own one keeps what was freed
        self._schema = _schema(kind)
        self._writer = pq.ParquetWriter(_Stream(file), self._schema, compression="zstd", memory_pool=self._pool)
        self._rows: list[Values] = []
        self._row_bytes = 0
        self._blocks: list[pa.RecordBatch] = []
        self._block_rows = self._block_bytes = 0

    def write(self, batch: Batch | Block) -> None:
        """Append rows."""
        if isinstance(batch, Block):
            self._pack()
            self._add(batch.rows, batch.rows.nbytes)
            return
        for row in batch.rows:
            self._rows.append(to_values(self._kind, row, batch.conversation_id))
            self._row_bytes += len(row.json)
            if self._row_bytes >= _BLOCK_BYTES or len(self._rows) >= _BLOCK_ROWS:
                self._pack()

    def finish(self) -> None:
        """Write the rows that are held back, and the foot of the file."""
        self._pack()
        self._write_group()
        self._writer.close()

    def _pack(self) -> None:
        if not self._rows:
            return
        import pyarrow as pa  # noqa: PLC0415 - an extra

        arrays = [
            pa.array(values, field.type, memory_pool=self._pool)
            for field, values in zip(self._schema, zip(*self._rows, strict=True), strict=True)
        ]
        size, self._rows, self._row_bytes = self._row_bytes, [], 0
        self._add(pa.record_batch(arrays, schema=self._schema), size)

    def _add(self, block: pa.RecordBatch, size: int) -> None:
        """Note rows of which so many bytes were sent, and write those that are a row group together."""
        self._blocks.append(block)
        self._block_rows += block.num_rows
        self._block_bytes += size
        if self._block_bytes >= _GROUP_BYTES or self._block_rows >= _GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        if not self._blocks:
            return
        import pyarrow as pa  # noqa: PLC0415 - an extra

        table = pa.Table.from_batches(self._blocks, self._schema)
        self._blocks, self._block_rows, self._block_bytes = [], 0, 0
        self._writer.write_table(table, row_group_size=table.num_rows)


class _Stream:
    """A file that is only written to, as pyarrow wants it: it tells where it stands, and stays open."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = 0

    def write(self, data: Any) -> int:
        written = self._file.write(data)
        self._at += written
        return written

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """It is closed by whoever has opened it."""


def _schema(kind: str) -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    types: Mapping[Type, pa.DataType] = {
        Type.INTEGER: pa.int64(),
        Type.TEXT: pa.string(),
        Type.TIMESTAMP: pa.timestamp("us", "UTC"),
        Type.JSON: pa.string(),
    }

    def field(column: Column) -> pa.Field[Any]:
        return pa.field(column.name, types[column.type], column.name != "id", {"comment": column.comment})

    return pa.schema(map(field, COLUMNS[kind]), {"asyncchat": __version__, "asyncchat.kind": kind})
