"""The finished export in a database, read back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.contents import Kept
from asyncchat.export.destinations.store import Store, Values
from asyncchat.export.report import ExportReport


class DatabaseContents:
    """What a database holds.

    Args:
        store: The database, connected.
        report: What the export said of itself.
        ask: Executes a query, and translates what the database raises.
        mend: Puts rows into the export.
        close: Lets go of the database.
    """

    can_mend: Final = True

    def __init__(
        self,
        store: Store,
        report: ExportReport,
        *,
        ask: Callable[[str, Values], list[Values]],
        mend: Callable[[Sequence[Batch]], None],
        close: Callable[[], None],
    ) -> None:
        self.report = report
        self._store = store
        self._ask = ask
        self.mend = mend
        self.close = close

    def damaged(self) -> list[str]:
        """None: a database sees to its own files."""
        return []

    def models(self) -> set[int]:
        """The ids of its models."""
        return {row_id for (row_id,) in self._ask("SELECT id FROM models", ())}

    def conversations(self) -> Iterator[Kept]:
        """Its conversations."""
        second = self._store.dialect.second.format("created_at")
        return (Kept(*row) for row in self._ask(f"SELECT id, {second}, model_id FROM conversations", ()))  # noqa: S608

    def message_counts(self) -> Mapping[int, int]:
        """How many messages it holds of each conversation, by the conversation's id."""
        return dict(self._ask("SELECT conversation_id, count(*) FROM messages GROUP BY conversation_id", ()))

    def message_ids(self, conversation_ids: Collection[int]) -> Mapping[int, set[int]]:
        """The ids of messages of some conversations."""
        sql = "SELECT id FROM messages WHERE conversation_id = ?"
        return {each: {row_id for (row_id,) in self._ask(sql, (each,))} for each in conversation_ids}
