"""Where accepted rows go: a destination that blocks, served by one thread, or a consumer that takes batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import anyio

from asyncchat.export.destinations.base import Batch, Destination, Opened, Packing
from asyncchat.export.one_thread import OneThread
from asyncchat.export.report import ExportReport, Query
from asyncchat.export.waiting import Waiting

T = TypeVar("T")

_WRITE_BYTES: Final = 2 * 2**20
"""Bytes of rows that are gathered before they are written."""
_FULL_BYTES: Final = 16 * 2**20
"""Bytes of rows that wait for a slow destination before reading waits too."""
_COMMIT_BYTES: Final = 64 * 2**20
_COMMIT_SECONDS: Final = 10.0
_COMMIT_SHARE: Final = 0.02


class Sink(Protocol):
    """What an engine gives its rows to."""

    def put(self, batch: Batch) -> None:
        """Take rows."""
        ...

    async def settle(self) -> None:
        """Get rid of them if there are many; called after each item that was read."""
        ...


def is_commit_due(size: int, seconds: float, total_seconds: float) -> bool:
    """Whether what was written is worth a commit: each closes files, and a run that is killed reads anew what had none.

    Args:
        size: Bytes written since the last one.
        seconds: Time since the last one.
        total_seconds: Time since the first row.
    """
    return size >= _COMMIT_BYTES or seconds >= max(_COMMIT_SECONDS, _COMMIT_SHARE * total_seconds)


class DestinationSink:
    """Serves a destination in a thread, so that the event loop never waits for a disk or a database.

    Args:
        destination: Where rows go.
        take_mark: Tells what is to be noted of the rows that were put so far; called just before a commit.
    """

    def __init__(self, destination: Destination, take_mark: Callable[[], str]) -> None:
        self._destination = destination
        self._take_mark = take_mark
        self._thread = OneThread(destination.name)
        self._turn = anyio.Lock()
        self._waiting = Waiting(destination.pack if isinstance(destination, Packing) else None)
        self._uncommitted = 0
        self._began = self._committed = time.monotonic()
        self._failed = False

    async def open(self, query: Query, *, fresh: bool) -> Opened:
        """Open the destination."""
        return await self._call(lambda: self._destination.open(query, fresh=fresh))

    def put(self, batch: Batch) -> None:
        """Take rows."""
        self._waiting.put(batch)

    async def settle(self) -> None:
        """Write what has gathered, and commit, if it is time; waits only where the destination is slow.

        Raises:
            Exception: What the destination raised.
        """
        if not self._is_due() or (self._turn.locked() and self._waiting.size < _FULL_BYTES):
            return
        async with self._turn:
            if self._is_due():
                await self._write(commit=self._is_commit_due())

    async def checkpoint(self) -> None:
        """Write and commit all that was put."""
        async with self._turn:
            await self._write(commit=True)

    async def finish(self, report: ExportReport) -> ExportReport:
        """Make the export a finished one."""
        return await self._call(lambda: self._destination.finish(report))

    async def close(self) -> None:
        """Let go of the destination; what was not committed is dropped."""
        try:
            await self._thread.call(self._destination.close)
        finally:
            self._thread.close()

    @property
    def is_sound(self) -> bool:
        """Whether the destination has not failed."""
        return not self._failed

    def _is_due(self) -> bool:
        return self._waiting.size >= _WRITE_BYTES or self._is_commit_due()

    def _is_commit_due(self) -> bool:
        now = time.monotonic()
        return is_commit_due(self._uncommitted + self._waiting.size, now - self._committed, now - self._began)

    async def _write(self, *, commit: bool) -> None:
        size, batches = self._waiting.size, self._waiting.take()
        marks = [self._take_mark()] if commit else []
        self._uncommitted = 0 if commit else self._uncommitted + size
        await self._call(lambda: self._store(batches, marks))
        self._waiting.give_back(batches)
        if commit:
            self._committed = time.monotonic()

    def _store(self, batches: Sequence[Any], marks: Sequence[str]) -> None:
        """Let the destination write, in its thread, what it may have packed itself."""
        for batch in batches:
            self._destination.write(batch)
        if marks:
            self._destination.commit(marks)

    async def _call(self, function: Callable[[], T]) -> T:
        try:
            return await self._thread.call(function)
        except Exception:
            self._failed = True
            raise
