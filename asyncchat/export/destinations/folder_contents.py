"""The finished export in a folder, read back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from asyncchat import RawRow
from asyncchat.errors import ConfigurationError
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.contents import Kept
from asyncchat.export.destinations.digests import digests_as_in, read_digests
from asyncchat.export.destinations.files import Lock, read_note, read_report
from asyncchat.export.destinations.formats import find_format
from asyncchat.export.destinations.keys import Key, read_keys
from asyncchat.export.destinations.mending import Remake
from asyncchat.export.destinations.parts import is_sound, kind_of
from asyncchat.export.report import ExportReport, Part

T = TypeVar("T")
Replace: TypeAlias = Callable[[ExportReport, Remake], ExportReport]


class FolderContents:
    """What a folder of part files holds. Of a file that is damaged, what can be read is there.

    Args:
        root: The folder.
        lock: Holds it.
        mending: Whether files that are damaged are left out, to be replaced.
        replace: Puts another export in the place of the one that is there.

    Raises:
        ConfigurationError: It holds no finished export, or an extra is not installed.
    """

    def __init__(self, root: Path, lock: Lock, *, mending: bool, replace: Replace) -> None:
        report = read_report(root)
        if report is None:
            raise ConfigurationError(
                f"{root} holds no finished export: give the folder of one, which has manifest.json"
            )
        self.report: ExportReport = report
        self.is_synced = read_note(root) is not None
        find_format(report.query.format)
        self._root = root
        self._lock = lock
        self._replace = replace
        self._mending = mending
        self._damaged = {part.file for part in report.parts if not is_sound(root, part)} if mending else set()

    def damaged(self) -> list[str]:
        """Files that are not as the export left them: missing, changed, or not to be read."""
        if self._mending:  # they have been looked at, and are left out
            return sorted(self._damaged)
        changed = {part.file for part in self.report.parts if not is_sound(self._root, part)}
        return sorted(changed | self._damaged)

    def models(self) -> set[int]:
        """The ids of its models."""
        return {key.id for key in self._keys("models")}

    def conversations(self) -> Iterator[Kept]:
        """Its conversations."""
        return (Kept(key.id, key.second, key.owner) for key in self._keys("conversations"))

    def message_counts(self) -> Mapping[int, int]:
        """How many messages it holds of each conversation, by the conversation's id."""
        return Counter(key.owner for key in self._keys("messages") if key.owner is not None)

    def message_ids(self, conversation_ids: Collection[int]) -> Mapping[int, set[int]]:
        """The ids of messages of some conversations."""
        found: dict[int, set[int]] = {conversation_id: set() for conversation_id in conversation_ids}
        for key in self._keys("messages") if found else ():
            if key.owner in found:
                found[key.owner].add(key.id)
        return found

    def digests(self, kind: str) -> Iterator[tuple[int, int]]:
        """Id and digest of each row of a kind."""

        def read(path: Path) -> Iterator[tuple[int, int]]:
            with path.open("rb") as file:
                yield from read_digests(file, self.report.query.format)

        return self._read(kind, read)

    def digests_of(self, kind: str, rows: Sequence[RawRow], conversation_id: int | None = None) -> Mapping[int, int]:
        """The digests that rows would have if they were kept here, by id."""
        return digests_as_in(rows, kind, conversation_id, self.report.query.format)

    def distrust(self, kind: str, ids: Collection[int]) -> bool:
        """Hold the files for damaged that have rows of these ids."""
        before, wanted = len(self._damaged), set(ids)
        for part in self._parts_of(kind):
            if any(key.id in wanted for key in read_keys(self._root / part.file, kind, self.report.query.format)):
                self._damaged.add(part.file)
        return len(self._damaged) > before

    def mend(self, batches: Sequence[Batch]) -> None:
        """Put rows in as new files, in the place of those that are damaged.

        Raises:
            ExportError: The folder holds an unfinished export besides.
            OSError: The disk took it not.
        """
        kept = [part for part in self.report.parts if part.file not in self._damaged]
        self.report = self._replace(self.report, Remake(kept=kept, further=batches))

    def close(self) -> None:
        """Let go of it. May be called twice."""
        self._lock.release()

    def _parts_of(self, kind: str) -> list[Part]:
        """The files of a kind; where they will be replaced, but for those that are damaged."""
        left_out = self._damaged if self._mending else ()
        parts = [part for part in self.report.parts if kind_of(part) == kind]
        return [part for part in parts if part.file not in left_out]

    def _keys(self, kind: str) -> Iterator[Key]:
        return self._read(kind, lambda path: read_keys(path, kind, self.report.query.format))

    def _read(self, kind: str, read: Callable[[Path], Iterator[T]]) -> Iterator[T]:
        for part in self._parts_of(kind):
            try:
                yield from read(self._root / part.file)
            except GeneratorExit:
                raise
            except Exception:  # noqa: BLE001 - each library has its own for what is cut off or garbled
                self._damaged.add(part.file)
