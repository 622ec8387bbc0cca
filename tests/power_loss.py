"""A disk whose power fails: what a run did to a folder, and every state in which a crash may leave it.

The rules are those of POSIX, and no kinder: what was written into a file is there from its fsync on; what became of a
name is there from the fsync of its folder on (of the target's folder, after a rename). All else may be there or not,
each by itself. A rename is one step. A commit of SQLite is believed: it syncs by itself, out of sight.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
import pytest

from asyncchat.export.destinations.journal import Journal

Place: TypeAlias = tuple[int, str]
"""A folder's inode and a name in it."""
Tree: TypeAlias = Mapping[str, bytes | None]
"""Files with their bytes, folders with None, by their path."""

_STEPS: Final[list[tuple[Any, str]]] = [(os, "mkdir"), (os, "unlink"), (os, "rmdir"), (os, "rename"), (os, "fsync")]
_COMMITS: Final[list[tuple[Any, str]]] = [(Journal, "create"), (Journal, "commit"), (Journal, "finish")]


class Killed(BaseException):
    """The process has ended: nothing of it may run any more."""


@attrs.frozen
class Change:
    """Something that became of names: an inode is put somewhere, or taken away.

    Attributes:
        source: Where it was, None: it is new.
        target: Where it is, None: it is gone.
    """

    inode: int
    source: Place | None
    target: Place | None

    @property
    def durable_by(self) -> int:
        """The inode of the folder whose sync makes it durable."""
        place = self.target or self.source
        assert place is not None
        return place[0]

    def apply(self, names: dict[Place, int]) -> None:
        """Let it become of some names."""
        for place in [place for place, inode in names.items() if inode == self.inode]:
            del names[place]
        if self.target is not None:
            names[self.target] = self.inode


@attrs.frozen(kw_only=True)
class Instant:
    """What was on the disk, and what may not have been, when the power failed.

    Attributes:
        promised: What the run had been told to be durable: how many marks, and whether it was finished.
    """

    root: int
    names: Mapping[Place, int]
    pending: tuple[Change, ...]
    durable: Mapping[int, bytes]
    written: Mapping[int, bytes]
    folders: frozenset[int]
    promised: tuple[int, bool]

    def trees(self) -> Iterator[Tree]:
        """The states that the disk may be found in: alike ones may come twice."""
        for changes in self._survivors():
            names = dict(self.names)
            for change in changes:
                change.apply(names)
            for contents in (self.durable, self._torn()):
                yield dict(self._walk(self.root, "", names, contents))

    def _survivors(self) -> Iterator[tuple[Change, ...]]:
        """Which changes may have come through: a beginning of them, one alone, all but one."""
        pending = self.pending
        yield from (pending[:i] for i in range(len(pending) + 1))
        yield from ((change,) for change in pending)
        yield from (pending[:i] + pending[i + 1 :] for i in range(len(pending)))

    def _torn(self) -> Mapping[int, bytes]:
        torn = {inode: data[: len(data) // 2] for inode, data in self.written.items() if inode not in self.durable}
        return {**torn, **self.durable}

    def _walk(
        self, folder: int, path: str, names: Mapping[Place, int], contents: Mapping[int, bytes]
    ) -> Iterator[tuple[str, bytes | None]]:
        for (parent, name), inode in names.items():
            if parent == folder and inode in self.folders:
                yield f"{path}{name}", None
                yield from self._walk(inode, f"{path}{name}/", names, contents)
            elif parent == folder:
                yield f"{path}{name}", contents.get(inode, b"")


class Disk:
    """Records what is done in a folder, which is durable as it is at the beginning.

    Args:
        root: The folder.
        skip_sync: The number of the fsync that is left out on purpose, None: none.
        dies_at: The number of the step before which the process is killed, None: none.

    Attributes:
        syncs: What was synced, by name.
        steps: How many steps there were.
    """

    def __init__(self, root: Path, *, skip_sync: int | None = None, dies_at: int | None = None) -> None:
        self._root = root
        self._skip_sync = skip_sync
        self._dies_at = dies_at
        self.steps = 0
        self._held: dict[int, int] = {}
        self._folders: set[int] = set()
        self._pending: list[Change] = []
        self._promised = (0, False)
        self._names, self._written = self._look()
        self._durable_names, self._durable = dict(self._names), dict(self._written)
        self.instants: list[Instant] = []
        self.syncs: list[str] = []

    def record(self, patch: pytest.MonkeyPatch) -> None:
        """Watch every step of what is done from now on."""
        for owner, name in _STEPS:
            patch.setattr(owner, name, self._watched(getattr(owner, name), is_sync=name == "fsync"))
        for owner, name in _COMMITS:
            patch.setattr(owner, name, self._committing(getattr(owner, name)))

    def promise(self, marks: int, finished: bool) -> None:
        """Note what the run has been told to be durable."""
        self._promised = (marks, finished)
        self._note()

    def close(self) -> None:
        """Let go of all files."""
        for descriptor in self._held.values():
            os.close(descriptor)

    def _watched(self, step: Callable[..., Any], *, is_sync: bool) -> Callable[..., Any]:
        def watched(*arguments: Any, **settings: Any) -> Any:
            self._step()
            if is_sync and self._is_left_out(arguments[0]):
                return None
            result = step(*arguments, **settings)
            if is_sync:
                self._synced(os.fstat(arguments[0]))
            self._note()
            return result

        return watched

    def _committing(self, commit: Callable[..., Any]) -> Any:
        def committing(*arguments: Any, **settings: Any) -> Any:
            self._step()
            result = commit(*arguments, **settings)
            self._note(committed=True)
            return result

        return committing

    def _step(self) -> None:
        self._note()
        self.steps += 1
        if self.steps - 1 == self._dies_at:
            raise Killed

    def _is_left_out(self, descriptor: int) -> bool:
        status = os.fstat(descriptor)
        names = [name for (_, name), inode in self._names.items() if inode == status.st_ino]
        self.syncs.append(names[0] if names else "")
        return len(self.syncs) - 1 == self._skip_sync

    def _synced(self, status: os.stat_result) -> None:
        if not stat.S_ISDIR(status.st_mode):
            self._durable[status.st_ino] = self._written[status.st_ino]
        for change in [change for change in self._pending if change.durable_by == status.st_ino]:
            change.apply(self._durable_names)
            until = self._pending.index(change) + 1  # where it was before is settled with it
            self._pending = [
                other for i, other in enumerate(self._pending) if i >= until or other.inode != change.inode
            ]

    def _note(self, *, committed: bool = False) -> None:
        before = self._names
        self._names, self._written = self._look()
        self._pending += _changes(before, self._names)
        if committed:
            journal = next(inode for (_, name), inode in self._names.items() if name == "journal.sqlite3")
            self._durable[journal] = self._written[journal]
        self.instants.append(
            Instant(
                root=self._root.stat().st_ino,
                names=dict(self._durable_names),
                pending=tuple(self._pending),
                durable=dict(self._durable),
                written=self._written,
                folders=frozenset(self._folders),
                promised=self._promised,
            )
        )

    def _look(self) -> tuple[dict[Place, int], dict[int, bytes]]:
        names, written = dict[Place, int](), dict[int, bytes]()
        for folder, _, files in os.walk(self._root):
            inode = self._hold(Path(folder))
            self._folders.add(inode)
            if Path(folder) != self._root:
                names[self._hold(Path(folder).parent), Path(folder).name] = inode
            for name in files:
                names[inode, name] = self._hold(Path(folder, name))
                written[names[inode, name]] = Path(folder, name).read_bytes()
        return names, written

    def _hold(self, path: Path) -> int:
        """Keep what is there open, so that its inode is given to nothing else."""
        inode = path.stat().st_ino
        if inode not in self._held:
            self._held[inode] = os.open(path, os.O_RDONLY)
        return inode


def _changes(before: Mapping[Place, int], now: Mapping[Place, int]) -> Iterator[Change]:
    places = {inode: place for place, inode in before.items()}
    for place, inode in now.items():
        if before.get(place) != inode:
            yield Change(inode, places.get(inode), place)
    there = set(now.values())
    for place, inode in before.items():
        if inode not in there and place not in now:  # else another one has taken its name
            yield Change(inode, place, None)


def put(tree: Tree, root: Path) -> None:
    """Make a folder of what a disk was found to hold."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path, data in tree.items():  # a folder comes before what is in it
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)
