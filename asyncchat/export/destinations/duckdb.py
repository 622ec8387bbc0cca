"""A DuckDB file as a destination.

While an export writes to it, DuckDB lets no other process open the file. In JSON columns an escape that is no character
(half of a surrogate pair) has its backslash doubled: DuckDB's JSON does not hold it as it is.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from asyncchat import ConfigurationError, ExportError
from asyncchat.export.destinations.columns import Type
from asyncchat.export.destinations.database import Database
from asyncchat.export.destinations.filelock import FileLock
from asyncchat.export.destinations.store import Store, Values
from asyncchat.export.destinations.tables import ALL_COLUMNS, Dialect, upsert

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_MEMORY: Final = "512MB"
"""What DuckDB may keep in memory, by default 80 % of all there is: the key of a table alone grows with its rows. Less
than 400 MB did not take rows of 3 MB."""
_ESCAPE: Final = re.compile(
    r"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(?P<half>\\u[dD][89a-fA-F])|\\.", re.DOTALL
)


class DuckDBDestination(Database):
    """A `Destination` in a DuckDB file.

    Args:
        path: The file; it is made if it is not there. Its folder must be there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(_DuckDB(Path(path)))


class _DuckDB(Store):
    dialect: ClassVar = Dialect(
        types={
            Type.INTEGER: "BIGINT",
            Type.TEXT: "VARCHAR",
            Type.TIMESTAMP: "TIMESTAMPTZ",
            Type.JSON: "JSON",
        },
        json="VARCHAR",
        second="CAST(floor(epoch({})) AS BIGINT)",
    )

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._shown = str(path)
        self._lock = FileLock(self._path.with_name(f".{self._path.name}.asyncchat-lock"))
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._is_new = self._is_useless = False

    @property
    def name(self) -> str:
        return f"duckdb:///{self._shown}"

    @property
    def _open(self) -> duckdb.DuckDBPyConnection:
        assert self._connection is not None
        return self._connection

    # ---- opening and closing

    def connect(self) -> None:
        _check_installed()
        import duckdb  # noqa: PLC0415 - an extra

        if not self._path.parent.is_dir():
            raise ConfigurationError(f"{self.name}: there is no folder {self._path.parent}: make it first")
        if self._path.exists() and not self._path.is_file():
            raise ConfigurationError(f"{self._path} is no file: give a file, which is made if it is not there")
        self.errors = (duckdb.Error,)
        self._lock.acquire(self.name)
        self._is_new, self._is_useless = not self._path.exists(), False
        try:
            self._connection = duckdb.connect(str(self._path))
            self._connection.execute(f"SET memory_limit = '{_MEMORY}'")
        except duckdb.Error as exc:
            reason = _one_line(exc)
        else:
            return
        if "lock" in reason:
            raise ExportError(f"another program has {self.name} open: end it, or give another file ({reason})")
        raise ConfigurationError(f"{self.name} cannot be opened ({reason}): give a DuckDB file, or one to be made")

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(*self.errors):  # a broken database refuses everything
                self._connection.close()  # rolls back
            self._connection = None
            if self._is_useless:
                self._path.unlink(missing_ok=True)
        self._lock.release()

    # ---- statements

    def names(self, wanted: Sequence[str]) -> set[str]:
        taken = self.execute(
            "SELECT lower(table_name) FROM information_schema.tables "
            "WHERE table_catalog = current_database() AND table_schema = current_schema()"
        )
        return set(wanted) & {name for (name,) in taken}

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(row[1] for row in self.execute(f"PRAGMA table_info('{table}')"))

    def execute(self, sql: str, values: Values = ()) -> list[Values]:
        return self._open.execute(sql, values).fetchall()

    def load(self, table: str, kind: str, rows: Sequence[Values]) -> None:
        self._open.register("asyncchat_rows", _arrow(kind, rows))
        try:
            self.execute(upsert(table, kind, "SELECT * FROM asyncchat_rows"))
        finally:
            self._open.unregister("asyncchat_rows")

    def comparable(self, kind: Type, value: Any) -> Any:
        return keepable(value) if kind is Type.JSON else super().comparable(kind, value)

    def forget(self) -> None:
        """Let a file go that was made for an export: nobody else can have put anything into it."""
        self._is_useless = self._is_new

    def explain(self, error: Exception) -> ExportError:
        return ExportError(
            f"{self.name} cannot be written ({_one_line(error)}); what was committed stays: "
            "see that its disk has room and is sound, and run the same command again: it goes on"
        )


def _check_installed() -> None:
    try:
        import duckdb  # noqa: F401, PLC0415 - an extra
        import pyarrow as pa  # noqa: F401, PLC0415 - an extra
    except ImportError as exc:
        missing = exc.name
    else:
        return
    raise ConfigurationError(f"DuckDB needs {missing}: pip install 'asyncchat[duckdb]'")


def _arrow(kind: str, rows: Sequence[Values]) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    types = {
        Type.INTEGER: pa.int64(),
        Type.TEXT: pa.string(),
        Type.TIMESTAMP: pa.timestamp("us", "UTC"),
        Type.JSON: pa.string(),
    }
    pool = pa.system_memory_pool()  # Arrow's own one keeps what was freed
    arrays = {}
    for column, values in zip(ALL_COLUMNS[kind], zip(*rows, strict=True), strict=True):
        kept = [keepable(text) for text in values] if column.type is Type.JSON else values
        arrays[column.name] = pa.array(kept, types[column.type], memory_pool=pool)
    return pa.table(arrays)


def keepable(text: str | None) -> str | None:
    """JSON that DuckDB takes: an escape of half a surrogate pair becomes the text of that escape."""
    if text is None or not ("\\ud" in text or "\\uD" in text):
        return text
    return _ESCAPE.sub(lambda match: "\\" + match[0] if match["half"] else match[0], text)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
