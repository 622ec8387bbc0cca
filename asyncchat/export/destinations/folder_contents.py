"""The finished export in a folder, read back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from asyncchat.errors import ConfigurationError, ExportError
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.contents import Kept
from asyncchat.export.destinations.files import Lock, read_report
from asyncchat.export.destinations.formats import find_format
from asyncchat.export.destinations.keys import Key, read_keys
from asyncchat.export.destinations.parts import is_sound
from asyncchat.export.report import ExportReport


class FolderContents:
    """What a folder of part files holds. Of a file that is damaged, what can be read is there.

    Args:
        root: The folder.

    Raises:
        ConfigurationError: It holds no finished export, or an extra is not installed.
        ExportError: Another export writes to it.
    """

    is_synced: Final = False
    can_mend: Final = False

    def __init__(self, root: Path) -> None:
        report = read_report(root)
        if report is None:
            raise ConfigurationError(
                f"{root} holds no finished export: give the folder of one, which has manifest.json"
            )
        self.report: ExportReport = report
        find_format(report.query.format)
        self._root = root
        self._damaged: set[str] = set()
        self._lock = Lock.taken(root)

    def damaged(self) -> list[str]:
        """Files that are not as the export left them: missing, changed, or not to be read."""
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

    def mend(self, batches: Sequence[Batch]) -> None:  # noqa: ARG002 - as the others have it
        """Refuse: part files are replaced as a whole.

        Raises:
            ExportError: Always.
        """
        raise ExportError(f"{self._root} holds part files, which rows are not put into: export anew with fresh=True")

    def close(self) -> None:
        """Let go of it. May be called twice."""
        self._lock.release()

    def _keys(self, kind: str) -> Iterator[Key]:
        for part in self.report.parts:
            if part.file.split("/")[0] != kind:
                continue
            try:
                yield from read_keys(self._root / part.file, kind, self.report.query.format)
            except GeneratorExit:
                raise
            except Exception:  # noqa: BLE001 - each library has its own for what is cut off or garbled
                self._damaged.add(part.file)
