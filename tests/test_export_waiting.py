"""Rows that wait for their destination, in memory that is used again."""

from __future__ import annotations

import tracemalloc
from collections import defaultdict
from collections.abc import Sequence

from export_api import raw
from hypothesis import given
from hypothesis import strategies as st

from asyncchat.export.destinations.base import Batch, Packed
from asyncchat.export.destinations.formats import to_packed
from asyncchat.export.lines import to_lines
from asyncchat.export.waiting import CHUNK_BYTES, Waiting

SIZES = st.sampled_from([10, 1_000, 40_000, CHUNK_BYTES // 2, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES])
KINDS = st.sampled_from(["models", "conversations"])


def batch_of(kind: str, number: int, size: int) -> Batch:
    """A row whose line has that many bytes."""
    text = b'{"id":%d,"x":"' % number
    return Batch(kind=kind, rows=[raw(number, text=text + b"x" * max(0, size - len(text) - 3) + b'"}')])


def written(items: Sequence[Batch | Packed]) -> dict[str, bytes]:
    """What each kind's file is given."""
    files: dict[str, bytes] = defaultdict(bytes)
    for item in items:
        assert isinstance(item, Packed)
        files[item.kind] += bytes(item.text)
    return dict(files)


@given(st.lists(st.lists(st.tuples(KINDS, SIZES), max_size=8), max_size=4))
def test_what_is_put_is_taken(rounds: list[list[tuple[str, int]]]) -> None:
    """Each kind's lines come in their order, round for round, whatever memory they wait in."""
    waiting = Waiting(to_packed)
    for sizes in rounds:
        batches = [batch_of(kind, number, size) for number, (kind, size) in enumerate(sizes)]
        expected: dict[str, bytes] = defaultdict(bytes)
        for batch in batches:
            expected[batch.kind] += to_lines(batch.rows, None)
            waiting.put(batch)
        assert waiting.size == sum(map(len, expected.values()))
        items = waiting.take()
        assert written(items) == dict(expected)
        assert sum(item.count for item in items) == len(batches)
        assert (waiting.size, waiting.take()) == (0, [])
        waiting.give_back(items)


def test_rows_that_are_not_packed_wait_as_they_are() -> None:
    """A destination that takes batches gets the very same ones."""
    waiting, batches = Waiting(None), [batch_of("models", 1, 10), batch_of("conversations", 2, 10)]
    for batch in batches:
        waiting.put(batch)
    taken = waiting.take()
    assert all(one is other for one, other in zip(taken, batches, strict=True))
    waiting.give_back(taken)


def test_memory_serves_again() -> None:
    """A hundred rounds of a megabyte take the memory of one."""
    waiting, batch = Waiting(to_packed), batch_of("messages", 1, 10_000)
    tracemalloc.start()
    try:
        for _ in range(100):
            for _ in range(100):
                waiting.put(batch)
            waiting.give_back(waiting.take())
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
    finally:
        tracemalloc.stop()
