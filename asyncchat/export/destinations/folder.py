"""A folder of part files and a manifest.

While an export is under way, everything of it is in a hidden folder inside the destination: part files, and the journal
that says which of them count. When all is there, the parts are moved into place, the manifest last: a folder with a
manifest is a finished export. A kill at any instant leaves something that the next opening makes right.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import attrs

from asyncchat.errors import ConfigurationError, ExportError
from asyncchat.export.destinations.base import Batch, Opened, Packed, Packing
from asyncchat.export.destinations.files import Lock, find_damage, make_root, read_note, read_report, remove_empty
from asyncchat.export.destinations.folder_contents import FolderContents
from asyncchat.export.destinations.folder_copy import FolderCopy
from asyncchat.export.destinations.formats import find_format
from asyncchat.export.destinations.holding import kinds_held
from asyncchat.export.destinations.journal import Journal
from asyncchat.export.destinations.mending import put_in_place
from asyncchat.export.destinations.parts import Parts, in_order, is_sound, kind_of
from asyncchat.export.destinations.staging import Staging
from asyncchat.export.report import KINDS, ExportReport, Query


class FolderDestination(Packing):
    """Part files in a folder.

    Args:
        root: The folder; it is made if it is not there.
        format: One of `FORMATS`.
        csv_raw: Whether CSV holds texts as they are, also those that a spreadsheet would run as formulas.

    Raises:
        ConfigurationError: There is no such format, or its extra is not installed.
    """

    def __init__(self, root: Path, *, format: str = "jsonl", csv_raw: bool = False) -> None:  # noqa: A002 - its name
        if csv_raw and format != "csv":
            raise ConfigurationError(f"csv_raw is for the format csv, not for {format!r:.40}")
        self.format = f"{format}-raw" if csv_raw else format
        self._form = find_format(self.format)
        self._root = root
        self._staging = Staging(root)
        self._made: list[Path] = []
        self._lock: Lock | None = None
        self._is_ours = False
        self._journal: Journal | None = None
        self._parts: Parts | None = None
        self._copy: FolderCopy | None = None

    @classmethod
    def as_found(cls, root: Path) -> Self:
        """That folder, with the format of the finished export that it holds; where it holds none, with "jsonl".

        Raises:
            ConfigurationError: Its manifest cannot be read, or the format's extra is not installed.
        """
        done = read_report(root)
        form = "jsonl" if done is None else done.query.format
        return cls(root, format=form.removesuffix("-raw"), csv_raw=form.endswith("-raw"))

    @property
    def name(self) -> str:
        """Its path."""
        return str(self._root)

    # ---- opening

    def open(self, query: Query, *, fresh: bool) -> Opened:
        """Lock the folder, make right what a kill has left, and tell what is there.

        Raises:
            ConfigurationError: The path cannot take an export, or holds another one.
            ExportError: Another export writes to it, or what it holds is damaged.
            OSError: It cannot be written.
        """
        self._made = make_root(self._root)
        self._lock = Lock.taken(self._root)
        self._journal = journal = self._journal_of_before(fresh=fresh)  # kept to be closed, whatever is found
        done = read_report(self._root)
        self._refuse_foreign(done)
        if not fresh and journal is not None and journal.query == query:
            return self._go_on(journal)
        if not fresh and done is not None and done.query == query:
            return Opened(report=self._unharmed(done))
        if not fresh and done is not None:
            raise _another(f"{self._root} holds an export", done.query, query)
        if not fresh and journal is not None:
            raise _another(f"{self._root} holds an unfinished export", journal.query, query)
        self._begin(query)
        return Opened()

    def contents(self, *, mending: bool = False) -> FolderContents:
        """Open the finished export that it holds, for reading.

        Args:
            mending: Whether files that are damaged are left out, to be replaced.

        Raises:
            ConfigurationError: It holds none, or an extra is not installed.
            ExportError: Another export writes to it.
        """
        if not self._root.is_dir():
            raise ConfigurationError(f"{self._root} holds no finished export: there is no such folder")
        with contextlib.ExitStack() as undo:
            lock = Lock.taken(self._root)
            undo.callback(lock.release)
            self._unfinished()  # where one had only to be moved into place, it is now
            replace = functools.partial(put_in_place, self._root, self._staging, note=read_note(self._root))
            contents = FolderContents(self._root, lock, mending=mending, replace=replace)
            undo.pop_all()
        return contents

    def copy(self, query: Query | None) -> FolderCopy | None:
        """Open the finished export of a query that it holds, to keep it up to date; None where there is none.

        Args:
            query: What was asked; None: whatever it was.

        Raises:
            ConfigurationError: It holds another export, or an extra is not installed.
            ExportError: Another export writes to it, or what it holds is damaged.
        """
        if not self._root.is_dir():
            return None
        self._lock = Lock.taken(self._root)
        begun, done = self._unfinished(), read_report(self._root)
        if begun is not None and query is not None and begun != query:
            raise _another(f"{self._root} holds an unfinished export", begun, query)
        if begun is not None or done is None:  # it is to be gone on with, or begun, first
            self.close()
            return None
        if query is not None and done.query != query:
            raise _another(f"{self._root} holds an export", done.query, query)
        replace = functools.partial(put_in_place, self._root, self._staging)
        self._copy = FolderCopy(self._root, self._unharmed(done), read_note(self._root), replace)
        return self._copy

    def _unfinished(self) -> Query | None:
        """What an export asked that is not finished; None where there is none."""
        journal = self._journal_of_before(fresh=False)
        if journal is None:
            return None
        with contextlib.closing(journal):
            return journal.query

    def _journal_of_before(self, *, fresh: bool) -> Journal | None:
        """The journal of an unfinished export; one that only had to be moved is finished on the way."""
        try:
            journal = Journal.open(self._staging.journal) if self._staging.path.is_dir() else None
        except ExportError:
            if fresh:
                return None
            raise
        if journal is not None and journal.manifest is not None:
            self._staging.move(journal)
            return None
        return journal

    def _refuse_foreign(self, done: ExportReport | None) -> None:
        foreign = [kind for kind in KINDS if (self._root / kind).exists()]
        if foreign and done is None:
            raise ConfigurationError(
                f"{self._root} holds a {foreign[0]} folder that is no export's: give another folder"
            )

    def _unharmed(self, done: ExportReport) -> ExportReport:
        damaged = find_damage(self._root, done)
        if damaged is not None:
            raise ExportError(f"{damaged} is not as the export left it: export anew with fresh=True")
        if self._journal is None:  # else another export is under way, which will replace this one
            self._staging.remove()
        return done

    def _go_on(self, journal: Journal) -> Opened:
        """Drop what the journal does not know, and trust what it knows only when its bytes are right."""
        parts = journal.parts
        known = {part.file for part in parts}
        for kind in kinds_held(journal.query):
            (self._staging.path / kind).mkdir(exist_ok=True)  # where the power failed just after the journal was made
            for path in (self._staging.path / kind).iterdir():
                if f"{kind}/{path.name}" not in known:
                    path.unlink()
        self._staging.sync()
        for part in parts:
            if not is_sound(self._staging.path, part):
                raise ExportError(
                    f"{self._staging.path / part.file} is not as the export left it: export anew with fresh=True"
                )
        counts = Counter(map(kind_of, parts))
        self._parts, self._is_ours = Parts(self._staging.path, self._form, counts), True
        return Opened(marks=journal.marks)

    def _begin(self, query: Query) -> None:
        if self._journal is not None:
            self._journal.close()
        self._staging.remove()
        self._is_ours = True
        self._staging.path.mkdir()
        for kind in kinds_held(query):
            (self._staging.path / kind).mkdir()
        self._journal = Journal.create(self._staging.journal, query)
        self._staging.sync()
        self._parts = Parts(self._staging.path, self._form, {})

    # ---- writing

    def pack(self, batch: Batch) -> Batch | Packed:
        """What waits in the place of a batch: the lines, where the format has such."""
        return self._form.pack(batch)

    def write(self, batch: Batch | Packed) -> None:
        """Append rows to the part file of their kind.

        Raises:
            OSError: The disk took them not.
        """
        with self._sound() as (parts, _):
            parts.write(batch)

    def commit(self, marks: Sequence[str]) -> None:
        """Make the part files durable, and then name them in the journal.

        Raises:
            OSError: The disk took them not.
        """
        with self._sound() as (parts, journal):
            journal.commit(parts.finish(), marks)

    def finish(self, report: ExportReport) -> ExportReport:
        """Move everything into place, the manifest last.

        Raises:
            ExportError: The parts do not hold what the report says.
            OSError: The disk took it not.
        """
        with self._sound() as (_, journal):
            report = attrs.evolve(report, parts=in_order(journal.parts))
            _compare(report)
            journal.finish(report)
            self._journal = self._parts = None
            self._staging.move(journal)
        return report

    def close(self) -> None:
        """Let go of the folder. May be called twice, and after any failure."""
        if self._parts is not None:
            self._parts.abandon()
        if self._copy is not None:
            self._copy.close()
            self._copy = None
        if self._journal is not None:
            with contextlib.suppress(OSError, sqlite3.Error):  # what has failed may fail again
                is_empty = self._is_ours and not self._journal.parts
                self._journal.close()
                if is_empty:
                    self._staging.remove()
        self._parts, self._journal, self._is_ours = None, None, False
        if self._lock is not None:  # else what was made may be another export's by now
            remove_empty(self._made)
            self._lock.release()
            self._lock = None

    @contextlib.contextmanager
    def _sound(self) -> Iterator[tuple[Parts, Journal]]:
        if self._parts is None or self._journal is None:
            raise ExportError(f"{self._root} is not open, or has failed before: open it again")
        parts, journal = self._parts, self._journal
        try:
            yield parts, journal
        except BaseException:  # what has failed once is not trusted again: see fsyncgate
            parts.abandon()
            self._parts = None
            raise


def _another(what: str, known: Query, query: Query) -> ConfigurationError:
    ours, theirs = query.to_dict(), known.to_dict()
    name = next(name for name in ours if ours[name] != theirs[name])
    return ConfigurationError(
        f"{what} of something else: {name} was {theirs[name]!r:.80}, and is {ours[name]!r:.80} now. "
        "Give another folder, or replace it with fresh=True"
    )


def _compare(report: ExportReport) -> None:
    """Hold the parts against the report: a row that was accepted is in a file, or the export is not finished."""
    written: Counter[str] = Counter()
    for part in report.parts:
        written[kind_of(part)] += part.rows
    for kind, count in report.rows.items():
        if written[kind] != count:
            raise ExportError(
                f"{report.destination} holds {written[kind]} {kind}, of {count} that were read: export anew with "
                "fresh=True, and report this"
            )
