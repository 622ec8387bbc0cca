"""Rows that wait for their destination, their lines in memory that is used again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from asyncchat.export.destinations.base import Batch, Packed

CHUNK_BYTES: Final = 2**18


class Waiting:
    """What was put and is not written yet.

    Packed rows of a kind are copied side by side into chunks, which serve again once they were written. Copying costs
    less than new memory for each: that is a page fault every 4 KiB, and not in the processor's caches.

    Args:
        pack: Makes of a batch what waits in its place; None: batches wait as they are.

    Attributes:
        size: Bytes of it.
    """

    def __init__(self, pack: Callable[[Batch], Batch | Packed] | None) -> None:
        self._pack = pack
        self._items: list[Batch | Packed] = []
        self._chunks: dict[str, _Chunk] = {}
        self._spare: list[bytearray] = []
        self.size = 0

    def put(self, batch: Batch) -> None:
        """Add rows."""
        item = batch if self._pack is None else self._pack(batch)
        self.size += item.size
        if isinstance(item, Packed) and item.size <= CHUNK_BYTES:
            self._chunk_for(item).append(item)
        else:
            self._end_chunk(item.kind)
            self._items.append(item)

    def take(self) -> list[Batch | Packed]:
        """Take all of it: those of a kind in the order in which they were put."""
        for kind in tuple(self._chunks):
            self._end_chunk(kind)
        items, self._items, self.size = self._items, [], 0
        return items

    def give_back(self, items: Iterable[Batch | Packed]) -> None:
        """Take back the memory of what was taken, and is written."""
        for item in items:
            if isinstance(item, Packed) and isinstance(item.text, memoryview):
                buffer = item.text.obj
                item.text.release()
                assert isinstance(buffer, bytearray)
                self._spare.append(buffer)

    def _chunk_for(self, packed: Packed) -> _Chunk:
        chunk = self._chunks.get(packed.kind)
        if chunk is None or chunk.room < packed.size:
            self._end_chunk(packed.kind)
            buffer = self._spare.pop() if self._spare else bytearray(CHUNK_BYTES)
            chunk = self._chunks[packed.kind] = _Chunk(packed.kind, buffer)
        return chunk

    def _end_chunk(self, kind: str) -> None:
        chunk = self._chunks.pop(kind, None)
        if chunk is not None:
            self._items.append(chunk.packed())


class _Chunk:
    """Packed rows of one kind, side by side."""

    __slots__ = ("_buffer", "_count", "_kind", "_size")

    def __init__(self, kind: str, buffer: bytearray) -> None:
        self._kind = kind
        self._buffer = buffer
        self._size = self._count = 0

    @property
    def room(self) -> int:
        """Bytes that are free."""
        return len(self._buffer) - self._size

    def append(self, packed: Packed) -> None:
        """Add rows, for which there is room."""
        end = self._size + packed.size
        self._buffer[self._size : end] = packed.text
        self._size = end
        self._count += packed.count

    def packed(self) -> Packed:
        """All of them."""
        return Packed(kind=self._kind, count=self._count, text=memoryview(self._buffer)[: self._size])
