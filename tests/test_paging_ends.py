"""Where a listing ends, when a server counts wrongly, repeats itself, grows or shrinks. No network."""

from __future__ import annotations

from typing import Any

import pytest
from answers import Listing, ids, mock, model, no_tasks_left, numbers, page, pager_of

from asyncchat import AsyncPager, DecodeError, Model, NotFoundError, Response

pytestmark = pytest.mark.asyncio


async def read_into(rows: list[Model], pager: AsyncPager[Model]) -> None:
    """Keep each row that comes, also where an error comes in the end."""
    async for row in pager:
        rows.append(row)  # noqa: PERF401 - a comprehension keeps none of them


async def test_a_404_past_the_end_is_the_end() -> None:
    """A server that answers 404 past the last page ends the listing."""
    listing = Listing(30, lambda number, value: Response(status=404) if number > 2 else value)
    assert await ids(pager_of(listing)) == numbers(20)


async def test_a_404_for_the_first_page_is_an_error() -> None:
    """A listing that is not there is a NotFoundError, not an empty one."""
    with pytest.raises(NotFoundError):
        await ids(pager_of(Listing(0, lambda _number, _value: Response(status=404))))


async def test_an_empty_page_in_the_middle_is_read_again() -> None:
    """A page that comes empty once although more follow loses no row."""
    listing = Listing(50, lambda n, value: value | {"data": []} if n == 3 and listing.asked.count(3) == 1 else value)
    assert await ids(pager_of(listing)) == numbers(50)
    assert listing.asked.count(3) == 2


async def test_a_page_that_stays_empty_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """A page that comes empty twice does not hide the pages behind it, and is logged."""
    listing = Listing(50, lambda number, value: value | {"data": []} if number == 3 else value)
    assert await ids(pager_of(listing)) == [*range(1, 21), *range(31, 51)]
    assert "page 3 of 5 came empty twice" in caplog.text


async def test_a_page_that_only_looks_like_json_is_asked_for_again() -> None:
    """Garbage between braces costs one request more; what stays garbage is an error at its place, which it knows."""
    garbage = Response(status=200, body=b'{"data":[}')
    listing = Listing(50, lambda n, value: garbage if n == 3 and listing.asked.count(3) == 1 else value)
    assert await ids(pager_of(listing)) == numbers(50)
    assert listing.asked.count(3) == 2
    listing = Listing(50, lambda n, value: garbage if n == 3 else value)
    rows: list[Model] = []
    with pytest.raises(DecodeError, match="is not JSON") as caught:
        await read_into(rows, pager_of(listing))
    assert [row.id for row in rows] == numbers(20)
    assert listing.asked.count(3) == 2
    assert (caught.value.method, caught.value.path, caught.value.attempts) == ("GET", "/models", 1)
    await no_tasks_left()


async def test_a_page_of_another_shape_is_an_error_at_its_place() -> None:
    """What the server will not say otherwise is not asked for again; the error names the place, and knows where."""
    listing = Listing(50, lambda n, value: value | {"data": [model(1, name=7)]} if n == 3 else value)
    rows: list[Model] = []
    with pytest.raises(DecodeError, match=r"\$\.data\[0\]\.name") as caught:
        await read_into(rows, pager_of(listing))
    assert [row.id for row in rows] == numbers(20)
    assert listing.asked.count(3) == 1
    assert (caught.value.method, caught.value.path) == ("GET", "/models")


async def test_an_empty_first_page_is_read_again() -> None:
    """A first page that comes empty although there are more is asked for once more."""
    listing = Listing(30, lambda _number, value: value | {"data": []} if len(listing.asked) == 1 else value)
    assert await ids(pager_of(listing)) == numbers(30)


@pytest.mark.parametrize("ordered", [True, False])
async def test_the_same_page_for_ever_is_an_error(ordered: bool) -> None:
    """A server that ignores the page number is an error that says so, after the second page."""
    listing = Listing(10**6, lambda number, value: page([model(1)], page=number, total_pages=10**5, total_rows=10**6))
    with pytest.raises(DecodeError, match="the server ignores the page number"):
        await ids(pager_of(listing, ordered=ordered))
    assert len(listing.asked) < 30
    await no_tasks_left()


@pytest.mark.parametrize("ordered", [True, False])
async def test_no_total_pages_beside_rows(ordered: bool) -> None:
    """A server that counts no pages is read until an empty one."""
    listing = Listing(35, lambda _number, value: value | {"total_pages": 0, "total_rows": 0})
    assert sorted(await ids(pager_of(listing, ordered=ordered))) == numbers(35)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("total", [10, 40, 45])
async def test_a_billion_pages_that_are_not_there(total: int, ordered: bool) -> None:
    """A server that claims 10**9 pages is left after empty ones: rows kept, and a bounded number of requests."""
    listing = Listing(total, lambda _number, value: value | {"total_pages": 10**9})
    assert sorted(await ids(pager_of(listing, ordered=ordered))) == numbers(total)
    assert len(listing.asked) < 60
    await no_tasks_left()


async def test_a_listing_that_grows_is_read_to_its_end() -> None:
    """Pages that are added while the listing is read are read too."""

    def changed(_number: int, value: dict[str, Any]) -> Any:
        if len(listing.asked) == 2:
            listing.total = 70
        return value

    listing = Listing(30, changed)
    assert await ids(pager_of(listing, concurrency=1)) == numbers(70)


async def test_a_listing_that_shrinks_ends() -> None:
    """Pages that are gone when they are asked for end the listing."""

    def changed(number: int, value: dict[str, Any]) -> Any:
        if number == 1:
            listing.total = 25
        return value

    listing = Listing(90, changed)
    assert await ids(pager_of(listing)) == numbers(25)


async def test_a_smaller_page_size_is_followed() -> None:
    """A server that gives 4 rows for 10 asked is asked for 4 from then on."""
    listing = Listing(30, most=4)
    client, transport = mock(listing)
    assert await ids(client.models.list(per_page=10)) == numbers(30)
    assert [dict(request.params)["per_page"] for request in transport.requests] == ["10", *["4"] * 7]


async def test_a_larger_page_size_is_not_believed() -> None:
    """A server that says it gives more than asked is asked for the same again."""
    listing = Listing(30, lambda _number, value: value | {"rows_per_page": 50})
    assert await ids(pager_of(listing)) == numbers(30)
