"""The hidden folder in which an export comes about, and the move of a whole one into place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from asyncchat.export.destinations.files import MANIFEST, sync_folder, write_durably
from asyncchat.export.destinations.holding import kinds_held
from asyncchat.export.destinations.journal import Journal
from asyncchat.export.report import KINDS

STAGING: Final = ".asyncchat-partial"
_JOURNAL: Final = "journal.sqlite3"
_OLD: Final = "replaced"


class Staging:
    """What is unfinished inside an export's folder.

    Args:
        root: The folder.

    Attributes:
        path: The hidden folder.
        journal: The file of its journal.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / STAGING
        self.journal = self.path / _JOURNAL
        self._root = root

    def sync(self) -> None:
        """Make the way to the journal and the parts durable: what they hold is worth nothing without."""
        sync_folder(self.path)
        sync_folder(self._root)

    def move(self, journal: Journal) -> None:
        """Put a whole export in the place of what is there. Each step may be the last, and is done again then.

        Raises:
            OSError: The disk took it not.
        """
        text = json.dumps(journal.manifest, indent=2) + "\n"  # ASCII: a server's words may hold lone surrogates
        kinds = kinds_held(journal.query)
        journal.close()
        place = self._root / MANIFEST
        is_left = any((self.path / kind).exists() for kind in kinds)  # what is there may be the same, and damaged
        if is_left or not place.exists() or place.read_bytes() != text.encode():
            write_durably(self.path / MANIFEST, text)
            place.unlink(missing_ok=True)
            sync_folder(self._root)  # else the old one might be found beside what it does not speak of
            old = self.path / _OLD
            old.mkdir(exist_ok=True)
            for kind in KINDS:
                self._replace(kind, kinds, old)
            sync_folder(old)
            sync_folder(self._root)
            (self.path / MANIFEST).rename(place)
        sync_folder(self._root)
        self.remove()

    def _replace(self, kind: str, kinds: Sequence[str], old: Path) -> None:
        """Take the old folder of a kind away, and put the new one in its place, if there is one."""
        new, place = self.path / kind, self._root / kind
        if kind in kinds and not new.exists():  # it was moved before a kill
            return
        if place.exists():
            place.rename(old / kind)
        if kind in kinds:
            new.rename(place)

    def remove(self) -> None:
        """Remove what is unfinished; the journal goes first, so that nothing half removed is taken for an export."""
        if self.path.exists():
            self.journal.unlink(missing_ok=True)
            sync_folder(self.path)
            shutil.rmtree(self.path)
