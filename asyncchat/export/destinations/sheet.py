"""Part files in CSV, for spreadsheets and whatever reads tables.

As RFC 4180 has it, in UTF-8: a header, lines that end with CR LF, quotes doubled. Every text is quoted, so that an
empty one is told from NULL, which is nothing at all; numbers and times (ISO 8601, in UTC) are not.

A text that a spreadsheet would run as a formula has `'` put before, and so has one that would look as if it had been.
To take one `'` away from every text of the form `'...=`, with as many `'` as there are, gives back what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import IO, Any, Final

from asyncchat.export.destinations.base import Batch, Packed
from asyncchat.export.destinations.columns import COLUMNS, Type, to_values

_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_SUSPECT: Final = frozenset("'=+-@\t\r")
_END: Final = "\r\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _guarded(text: str) -> str:
    if text[:1] in _SUSPECT and _FORMULA.match(text):
        return _quoted("'" + text)
    return _quoted(text)


def _cell_of(kind: Type, *, guarded: bool) -> Callable[[Any], str]:
    """What makes a cell of a value that is not NULL."""
    if kind is Type.INTEGER:
        return str
    if kind is Type.TIMESTAMP:
        return datetime.isoformat
    return _guarded if guarded else _quoted


class Sheet:
    """A file of CSV.

    Args:
        file: Where it goes.
        kind: Of its rows.
        guarded: Whether texts are kept from being run as formulas.
    """

    def __init__(self, file: IO[bytes], kind: str, *, guarded: bool) -> None:
        self._file = file
        self._kind = kind
        self._cells = [_cell_of(column.type, guarded=guarded) for column in COLUMNS[kind]]
        file.write((",".join(column.name for column in COLUMNS[kind]) + _END).encode())

    def write(self, batch: Batch | Packed) -> None:
        """Append rows."""
        if isinstance(batch, Packed):
            self._file.write(batch.text)
            return
        lines = []
        for row in batch.rows:
            values = zip(self._cells, to_values(self._kind, row, batch.conversation_id), strict=True)
            lines.append(",".join(["" if value is None else cell(value) for cell, value in values]))
        self._file.write((_END.join(lines) + _END).encode())

    def finish(self) -> None:
        """Nothing is held back."""
