"""Listings: rows, pages, errors at their place, ends. Answers are made up, no network."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from answers import Listing, ids, mock, no_tasks_left, numbers, page, pager_of

from asyncchat import (
    APIConnectionError,
    ConfigurationError,
    InvalidRequestError,
    RawRow,
    Response,
    ServerError,
)
from asyncchat.testing import json_response

if TYPE_CHECKING:
    from asyncchat import AsyncPager

pytestmark = pytest.mark.asyncio

FAILURE = Response(status=400)


async def test_making_one_sends_nothing() -> None:
    """A pager that is only made asks for nothing."""
    listing = Listing(100)
    pager_of(listing)
    assert listing.asked == []


@pytest.mark.parametrize("concurrency", [1, 3, 50])
@pytest.mark.parametrize("total", [0, 1, 10, 11, 95])
async def test_every_row_in_order(total: int, concurrency: int) -> None:
    """Each row comes once, in the server's order, and each page is asked for once."""
    listing = Listing(total)
    assert await ids(pager_of(listing, concurrency=concurrency)) == numbers(total)
    assert sorted(listing.asked) == numbers(max(1, -(-total // 10)))


async def test_unordered_rows_are_the_same_rows() -> None:
    """With `ordered=False` each row comes once, in whatever order."""
    assert sorted(await ids(pager_of(Listing(95), ordered=False))) == numbers(95)


async def test_unordered_pages_do_not_wait_for_each_other() -> None:
    """With `ordered=False` a page that has come is handed out before one that has not."""
    listing = Listing(40)
    client, _ = mock(lambda request: slow(request) if dict(request.params)["page"] == "2" else listing(request))

    async def slow(request: Any) -> Any:
        while len(seen) < 3:
            await no_more_than_a_turn()
        return await listing(request)

    seen: list[int] = []
    async for found in client.models.list(per_page=10, ordered=False).pages():
        seen.append(found.page)  # noqa: PERF401 - the slow answer looks at it
    assert (seen[0], seen[-1], sorted(seen)) == (1, 2, [1, 2, 3, 4])


async def no_more_than_a_turn() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("concurrency", [1, 2, 7])
async def test_the_window_is_full_and_never_fuller(concurrency: int, ordered: bool) -> None:
    """Just `concurrency` fetches are under way."""
    listing = Listing(500)
    await ids(pager_of(listing, concurrency=concurrency, ordered=ordered))
    assert listing.peak == concurrency


async def test_a_slow_consumer_is_not_flooded() -> None:
    """While a page is in the consumer's hands, at most twice the concurrency is fetched ahead."""
    listing = Listing(10_000)
    async for _row in pager_of(listing, concurrency=4):
        for _ in range(200):
            await no_more_than_a_turn()
        break
    await no_tasks_left()
    assert len(listing.asked) == 1 + 2 * 4


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("bad", [1, 2, 5, 9])
async def test_an_error_comes_at_its_place(bad: int, concurrency: int) -> None:
    """An error is raised as itself, after every row before its page."""
    listing = Listing(90, lambda number, value: FAILURE if number == bad else value)
    rows: list[int] = []
    with pytest.raises(InvalidRequestError):
        await read_into(rows, pager_of(listing, concurrency=concurrency))
    assert rows == numbers((bad - 1) * 10)
    await no_tasks_left()


async def read_into(rows: list[int], pager: AsyncPager[Any]) -> None:
    async for row in pager:
        rows.append(row.id)  # noqa: PERF401 - those before an error count


async def test_awaiting_it_is_the_first_page() -> None:
    """`await pager` is its first page, with one request."""
    listing = Listing(95)
    first = await pager_of(listing)
    assert (first.page, first.total_pages, first.total_rows, len(first.data), listing.asked) == (1, 10, 95, 10, [1])


async def test_one_page() -> None:
    """`page(n)` is that page alone."""
    listing = Listing(95)
    assert [row.id for row in (await pager_of(listing).page(10)).data] == numbers(95)[90:]
    assert listing.asked == [10]


@pytest.mark.parametrize("number", [0, -1, True, "1"])
async def test_what_is_no_page_number(number: Any) -> None:
    """Pages are counted from 1."""
    with pytest.raises(ConfigurationError, match="number takes"):
        await pager_of(Listing(5)).page(number)


async def test_pages() -> None:
    """`pages()` gives every page in order, the first one even when it is empty."""
    assert [found.page async for found in pager_of(Listing(45)).pages()] == [1, 2, 3, 4, 5]
    assert [len(found.data) async for found in pager_of(Listing(0)).pages()] == [0]


async def test_count() -> None:
    """`count()` asks for one page of one row, with the listing's filters."""
    client, transport = mock(Listing(95))
    assert await client.models.list(since="2025-05-05").count() == 95
    (request,) = transport.requests
    assert dict(request.params) == {"page": "1", "per_page": "1", "since": "2025-05-05T00:00:00+0000"}


async def test_collect() -> None:
    """`collect()` is every row in a list."""
    assert [row.id for row in await pager_of(Listing(95)).collect()] == numbers(95)


async def test_raw() -> None:
    """`raw()` gives the same rows as they were sent."""
    rows = await pager_of(Listing(25)).raw().collect()
    assert {type(row) for row in rows} == {RawRow}
    assert [row.id for row in rows] == numbers(25)
    assert b'{"id": 7, "name": "model 7"' in rows[6].json


async def test_it_can_be_iterated_again() -> None:
    """Each iteration begins at the first page, and asks the server anew."""
    listing = Listing(25)
    pager = pager_of(listing)
    assert await ids(pager) == await ids(pager) == numbers(25)
    assert len(listing.asked) == 6


async def test_two_iterations_side_by_side() -> None:
    """Two iterations of one pager do not disturb each other."""
    pager = pager_of(Listing(35))
    outer = [(a.id, sum([b.id async for b in pager])) async for a in pager]
    assert outer == [(number, sum(numbers(35))) for number in numbers(35)]


@pytest.mark.parametrize("ordered", [True, False])
async def test_closing_it_while_it_is_read(ordered: bool) -> None:
    """`aclose()` ends an iteration under way with an error, leaves no task and sends nothing more."""
    listing = Listing(1_000)
    pager = pager_of(listing, ordered=ordered)
    rows = pager.__aiter__()
    for _ in range(15):
        await anext(rows)
    await pager.aclose()
    asked = len(listing.asked)
    with pytest.raises(APIConnectionError, match="the listing was closed"):
        await ids_of(rows)
    await no_tasks_left()
    assert len(listing.asked) == asked
    await pager.aclose()


async def test_leaving_its_block_closes_it() -> None:
    """`async with pager` ends what is under way."""
    listing = Listing(1_000)
    async with pager_of(listing) as pager:
        rows = pager.__aiter__()
        assert (await anext(rows)).id == 1
    await no_tasks_left()
    with pytest.raises(APIConnectionError):
        await ids_of(rows)


async def ids_of(rows: Any) -> list[int]:
    return [row.id async for row in rows]


async def test_leaving_early_cancels_what_hangs() -> None:
    """A loop that is left does not wait for fetches that never end: they are cancelled."""
    listing = Listing(100)

    async def handler(request: Any) -> Any:
        answer = await listing(request)
        if dict(request.params)["page"] != "1":
            await asyncio.Event().wait()
        return answer

    client, _ = mock(handler)
    async for _row in client.models.list(per_page=10):
        await no_more_than_a_turn()
        break
    await no_tasks_left()
    assert listing.in_flight == 0


async def test_leaving_early_drops_errors_silently(caplog: pytest.LogCaptureFixture) -> None:
    """A failed fetch whose page nobody reached is nobody's error."""
    listing = Listing(100, lambda number, value: FAILURE if number > 1 else value)
    async for _row in pager_of(listing):
        for _ in range(20):
            await no_more_than_a_turn()
        break
    await no_tasks_left()
    assert caplog.text == ""


async def test_an_error_stops_the_window() -> None:
    """After a failed page, no page behind it is begun."""
    listing = Listing(10_000, lambda number, value: Response(status=500) if number == 3 else value)
    with pytest.raises(ServerError):
        await ids(pager_of(listing, concurrency=2))
    assert max(listing.asked) <= 6


@pytest.mark.parametrize(
    ("name", "value"),
    [("per_page", 0), ("concurrency", 0), ("concurrency", 1.5), ("since", "soon"), ("per_page", "9"), ("ordered", "x")],
)
async def test_arguments_are_checked_at_once(name: str, value: Any) -> None:
    """A wrong argument is refused when the pager is made."""
    with pytest.raises(ConfigurationError, match=name):
        pager_of(Listing(5), **{name: value})


async def test_a_repr_shows_what_is_asked() -> None:
    """A repr names the path, the filters and the window."""
    client, _ = mock([])
    listing = "Listing(path='/conversations/7/messages', filters=())"
    shown = repr(client.messages.list(7, per_page=5))
    assert shown == f"AsyncPager({listing}, per_page=5, concurrency=8, ordered=True)"


async def test_what_each_listing_asks_for() -> None:
    """Each listing has its path, and filters as the contract spells them."""
    client, transport = mock(lambda _: json_response(page([])))
    await client.models.list(until="2025-05-05T05:05:05+0700", per_page=3)
    await client.conversations.list(sort="updated_at")
    await client.conversations.list(model_id=4)
    await client.messages.list(5)
    assert [(request.path, request.query) for request in transport.requests] == [
        ("/models", "page=1&per_page=3&until=2025-05-05T05%3A05%3A05%2B0700"),
        ("/conversations", "page=1&per_page=100&sort=updated_at"),
        ("/models/4/conversations", "page=1&per_page=100"),
        ("/conversations/5/messages", "page=1&per_page=100"),
    ]
