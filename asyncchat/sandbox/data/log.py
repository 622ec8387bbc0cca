"""The log: every row that a change touched, in the order in which that became visible."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncchat.sandbox.data.changes import Touch
    from asyncchat.sandbox.data.tables import Kind


@frozen
class Logged:
    """What happened to one row.

    Attributes:
        serial: Its number in the log, from 1.
        time: When the change was made, in epoch seconds; rows carry the whole second of that.
        visible_at: When it became visible: later than that for a late one.
        change: What happened.
        kind: Which table the row is in.
        id: Its id.
        sha256: Of the row's line in the truth; None: it is gone.
    """

    serial: int
    time: float
    visible_at: float
    change: Literal["created", "updated", "deleted"]
    kind: Kind
    id: int
    sha256: str | None


class Log:
    """Entries, numbered from 1."""

    def __init__(self) -> None:
        self._entries: list[Logged] = []

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, touched: Iterable[Touch], time: float, visible_at: float) -> None:
        """Write down what a change touched, when it was made and when it became visible."""
        for touch in touched:
            sha256 = None if touch.line is None else hashlib.sha256(touch.line).hexdigest()
            serial, times = len(self._entries) + 1, (round(time, 3), round(visible_at, 3))
            self._entries.append(Logged(serial, *times, touch.change, touch.kind, touch.row_id, sha256))

    def after(self, serial: int) -> list[Logged]:
        """The entries after the one of that number."""
        return self._entries[max(serial, 0) :]
