"""Blocking code reads the pages of a listing in its own thread, and comes to the same rows and errors as async code."""

from __future__ import annotations

import asyncio
import functools
import threading
import weakref
from typing import Any, cast
from unittest.mock import patch

import pytest
from answers import Listing, message, model, no_tasks_left
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncchat import AsyncChatError, AsyncClient, Client, DecodeError, Page, Response
from asyncchat._paging import AsyncPager
from asyncchat._sync import flow
from asyncchat._sync.flow import BUSY, LEAST, LONG, MOST, next_batch
from asyncchat._turns import Turn
from asyncchat.testing import MockTransport, json_response

MISHAPS: dict[str, Any] = {
    "empty": lambda value: value | {"data": []},
    "empty and the last": lambda value: value | {"data": [], "total_pages": value["page"]},
    "not there": lambda _: Response(status=404),
    "refused": lambda _: json_response({"message": "no"}, status=400),
    "garbage": lambda _: Response(status=200, body=b"{oops}"),
    "no json": lambda _: Response(status=200, body=b"<html>"),
    "another shape": lambda value: value | {"data": [message(1)]},
    "no count": lambda value: value | {"total_pages": 0},
    "more pages": lambda value: value | {"total_pages": value["total_pages"] + 1},
    "fewer pages": lambda value: value | {"total_pages": max(1, value["page"] - 1)},
    "repeated": lambda value: value | {"data": [model(i) for i in range(1, 6)]},
}


def listing(total: int, mishaps: dict[int, tuple[str, int]]) -> Listing:
    """A listing with five rows to a page, of which some have a mishap the first times that they are asked for."""

    def changed(number: int, value: dict[str, Any]) -> Any:
        name, times = mishaps.get(number, ("", 0))
        return MISHAPS[name](value) if name and made.asked.count(number) <= times else value

    made = Listing(total, changed, most=5)
    return made


def asynchronous(served: Listing, **options: Any) -> tuple[list[int], str]:
    rows: list[int] = []

    async def read() -> None:
        async with AsyncClient(transport=MockTransport(served), retry=0) as chat:
            async for row in chat.models.list(per_page=5, **options):
                rows.append(row.id)  # noqa: PERF401 - kept up to the error

    try:
        asyncio.run(read())
    except AsyncChatError as exc:
        return rows, f"{type(exc).__name__}: {exc}"
    return rows, ""


def blocking(served: Listing, **options: Any) -> tuple[list[int], str]:
    rows: list[int] = []
    try:
        with Client(transport=MockTransport(served), retry=0) as chat:
            for row in chat.models.list(per_page=5, **options):
                rows.append(row.id)  # noqa: PERF401 - kept up to the error
    except AsyncChatError as exc:
        return rows, f"{type(exc).__name__}: {exc}"
    return rows, ""


@pytest.mark.parametrize("borrows", [False, True])
@settings(max_examples=150)
@given(
    total=st.integers(0, 60),
    mishaps=st.dictionaries(st.integers(1, 13), st.tuples(st.sampled_from([*MISHAPS]), st.sampled_from([1, 99]))),
    concurrency=st.sampled_from([1, 2, 8]),
)
def test_both_come_to_the_same(
    borrows: bool, total: int, mishaps: dict[int, tuple[str, int]], concurrency: int
) -> None:
    """Whatever becomes of the pages, the rows and the error are those of async code, in order."""
    expected = asynchronous(listing(total, mishaps), concurrency=concurrency)
    with (
        patch.object(AsyncPager, "runs_user_code", not borrows),
        patch.object(flow, "keeps_interpreter", lambda _busy, _computed: borrows),
        patch.object(flow, "LEAST", 2 if borrows else LEAST),
    ):
        assert blocking(listing(total, mishaps), concurrency=concurrency) == expected


@pytest.mark.parametrize("ordered", [True, False])
def test_what_is_added_meanwhile_is_read(ordered: bool) -> None:
    """A page that the last one tells of is read too, though the loop had come to the end by then."""
    served = Listing(50, most=5)
    served.changed = lambda number, value: value | {"total_pages": 12 if number < 10 else 15}
    served.total = 75
    rows, error = blocking(served, ordered=ordered)
    assert (sorted(rows), error) == (list(range(1, 76)), "")


def test_an_error_beyond_the_end_is_nobodys() -> None:
    """Pages that were fetched ahead of an end are dropped, with what became of them."""

    def changed(number: int, value: dict[str, Any]) -> Any:
        if number > 6:
            return json_response({"message": "no such page"}, status=400)
        return value | {"total_pages": 9 if number < 5 else number}

    assert blocking(Listing(20, changed, most=5)) == (list(range(1, 21)), "")


def test_an_error_ends_what_is_fetched_ahead() -> None:
    """A page that cannot be read ends the iteration in the loop, also while somebody keeps the error."""
    served = Listing(5_000, lambda n, value: MISHAPS["another shape"](value) if n == 3 else value, most=5)
    with Client(transport=MockTransport(served), retry=0) as chat:
        with pytest.raises(DecodeError) as caught:
            list(chat.models.list(per_page=5))
        chat._bridge.run(functools.partial(no_tasks_left, but=1))  # the loop's own
        asked = len(served.asked)
        chat.models.list(per_page=5).count()
    assert caught.value.path == "/models"
    assert len(served.asked) == asked + 1


def test_rows_are_made_in_the_consumers_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages after the first, which tells how many there are, are read by the thread that iterates."""
    threads: list[str] = []
    look = Turn.look

    def noting(turn: Turn[Any]) -> Any:
        threads.append(threading.current_thread().name)
        return look(turn)

    monkeypatch.setattr(Turn, "look", noting)
    assert blocking(Listing(50, most=5)) == (list(range(1, 51)), "")
    assert threads == [threading.current_thread().name] * 10


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2 * LONG)), max_size=30))
def test_how_many_pages_cross_at_once(batches: list[tuple[bool, float]]) -> None:
    """More at once where full batches are soon done with, fewer where they take long, and always within bounds."""
    batch = LEAST
    for is_full, busy in batches:
        before, batch = batch, next_batch(batch, batch if is_full else batch - 1, busy)
        assert LEAST <= batch <= MOST
        assert batch <= before or (is_full and busy < BUSY)
        assert batch >= before or busy > LONG


def test_pages_that_are_soon_done_with_cross_in_large_batches() -> None:
    """Rows that are only counted make batches grow to the most, a consumer that waits for a database to the least."""
    batch = LEAST
    for _ in range(5):
        batch = next_batch(batch, batch, BUSY / 2)
    assert batch == MOST
    for _ in range(5):
        batch = next_batch(batch, batch, 2 * LONG)
    assert batch == LEAST


def test_what_was_read_is_let_go() -> None:
    """Pages cross in batches: the answer of one that was read is not kept until a batch is done with."""

    class Answer:
        def __call__(self) -> Page[Any]:
            return Page(data=[], page=1, rows_per_page=1, total_pages=1, total_rows=0)

    answer = Answer()
    seen, turn = weakref.ref(answer), Turn[Any](cast("Any", None), 1, functools.partial(lambda answer: answer, answer))
    del answer
    assert seen() is not None
    assert turn.look() == Page(data=[], page=1, rows_per_page=1, total_pages=1, total_rows=0)
    assert seen() is None
