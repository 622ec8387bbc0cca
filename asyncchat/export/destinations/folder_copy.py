"""The finished export in a folder, kept up to date.

Part files are never changed. A commit makes a whole new export beside the one that is there, and moves it into its
place: files without a row that has changed are linked, those that have some are written anew without these, and what
has come is written behind. So the next run finds one state or the other, whatever is killed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from asyncchat import ExportError, RawRow
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.contents import Kept
from asyncchat.export.destinations.copy import Known, Messages
from asyncchat.export.destinations.digests import digests_as_in, read_digests
from asyncchat.export.destinations.keys import read_keys
from asyncchat.export.destinations.mending import Remake
from asyncchat.export.destinations.parts import PART_BYTES, is_sound, kind_of
from asyncchat.export.destinations.row_index import RowIndex, Stored
from asyncchat.export.report import ExportReport, Part


class Replace(Protocol):
    """Puts an export that is made of a finished one in its place, with what a sync notes."""

    def __call__(self, done: ExportReport, remake: Remake, *, note: Mapping[str, Any] | None) -> ExportReport:
        """Do so."""
        ...


class FolderCopy:
    """What a folder holds, and what a sync changes of it.

    Args:
        root: The folder.
        report: What the export says of itself.
        note: What the last commit noted beside that, if there was one.
        replace: Puts another export in the place of the one that is there.
    """

    commits_cheaply: Final = False

    def __init__(self, root: Path, report: ExportReport, note: Mapping[str, Any] | None, replace: Replace) -> None:
        self.report = report
        self.state: str | None = None if note is None else note["state"]
        self._root = root
        self._replace = replace
        self._unproven: list[tuple[int, int]] = [] if note is None else [(each, on) for each, on in note["unproven"]]
        self._opened: RowIndex | None = None

    # ---- reading

    def models(self) -> set[int]:
        """The ids of its models."""
        return self._index.ids("models")

    def conversations(self) -> Iterator[Kept]:
        """Its conversations."""
        return self._index.conversations()

    def known(self, conversation_ids: Collection[int], *, latest: int) -> Mapping[int, Known]:
        """What is there of some conversations, with so many of the latest messages of each."""
        return self._index.known(conversation_ids, latest=latest)

    def known_ids(self, kind: str, ids: Collection[int]) -> set[int]:
        """Which rows of some ids are there."""
        return self._index.known_ids(kind, ids)

    def digests(self, kind: str, ids: Collection[int]) -> Mapping[int, int]:
        """The digests of rows of some ids, of those that are there."""
        return self._index.digests(kind, ids)

    def digests_of(self, kind: str, rows: Sequence[RawRow], conversation_id: int | None = None) -> Mapping[int, int]:
        """The digests that rows would have if they were there, by id."""
        return digests_as_in(rows, kind, conversation_id, self.report.query.format)

    def messages(self, conversation_ids: Collection[int]) -> Mapping[int, Messages]:
        """The messages of some conversations."""
        return self._index.messages(conversation_ids)

    def message_counts(self, conversation_ids: Collection[int]) -> Mapping[int, int]:
        """How many messages are there of some conversations; those that have none are left out."""
        return self._index.message_counts(conversation_ids)

    def latest(self) -> int | None:
        """The second of the last change of any conversation; None where there is none."""
        return self._index.latest()

    def moved(self, most: int) -> list[tuple[int, int]]:
        """Conversations that have changed after they were made, those first that have not since for longest."""
        return self._index.moved(most)

    # ---- writing

    def write(self, batch: Batch) -> None:
        """Put rows in, over those with the same ids."""
        self._index.put(batch)

    def mark_deleted(self, kind: str, ids: Collection[int]) -> None:
        """Take rows out, which have no mark in a file; with conversations also their messages."""
        self._index.remove(kind, ids)

    def doubt(self, conversation_ids: Collection[int], round_number: int) -> None:
        """Note conversations whose messages ought to be counted one day."""
        self._index.doubt((each, round_number) for each in conversation_ids)

    def prove(self, conversation_ids: Collection[int]) -> None:
        """Note that the messages of some conversations have been counted, or read."""
        self._index.prove(conversation_ids)

    def doubtful(self, most: int | None = None) -> list[int]:
        """Conversations that were noted with `doubt`, those first that have been so for longest."""
        return [each for each, _ in self._index.doubtful(most)]

    def commit(self, state: str, report: ExportReport) -> None:
        """Put what is there now in the place of what was, durably, with what is to be noted of it.

        Raises:
            ExportError: A file that is to be written anew is not as the export left it.
            OSError: The disk took it not.
        """
        if self._opened is not None:
            self._unproven = self._opened.doubtful()
        note = {"state": state, "unproven": self._unproven}
        self.report = self._replace(report, self._remake(), note=note)
        self.state = state
        self.close()  # the files are others now

    def close(self) -> None:
        """Forget what was not committed. May be called twice."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def _index(self) -> RowIndex:
        if self._opened is None:
            self._opened = RowIndex(self.digests_of)
            self._opened.load((kind_of(part), self._rows_of(part)) for part in self.report.parts)
            self._opened.doubt(self._unproven)
        return self._opened

    def _rows_of(self, part: Part) -> Iterator[Stored]:
        path, form = self._root / part.file, self.report.query.format
        try:
            with path.open("rb") as file:
                for key, (_, digest) in zip(
                    read_keys(path, kind_of(part), form), read_digests(file, form), strict=True
                ):
                    yield Stored(key, digest)
        except Exception as exc:  # each library has its own for what is cut off or garbled
            raise _damaged(path) from exc

    def _remake(self) -> Remake:
        """What becomes of the files. Where rows come, a small last one of their kind is written anew with them."""
        parts, index = self.report.parts, self._opened
        if index is None:
            return Remake(kept=parts)
        without: dict[Part, Collection[int]] = {parts[at]: ids for at, ids in index.dropped().items()}
        for kind in index.fresh_kinds():
            last = [part for part in parts if kind_of(part) == kind][-1:]
            without |= {part: without.get(part, ()) for part in last if part.size < PART_BYTES}
        for part in without:
            if not is_sound(self._root, part):
                raise _damaged(self._root / part.file)
        kept = [part for part in parts if part not in without]
        return Remake(kept=kept, without=without, further=index.fresh())


def _damaged(path: Path) -> ExportError:
    return ExportError(
        f"{path} is not as the export left it: `verify` with repair=True puts it right, or export anew with fresh=True"
    )
