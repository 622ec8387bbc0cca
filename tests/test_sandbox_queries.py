"""Filters, sort and bad parameters, on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from contract_shapes import ask, check_refusal

from asyncchat.sandbox import Sandbox
from asyncchat.sandbox.data.query import Query
from asyncchat.sandbox.data.select import View, listing
from asyncchat.sandbox.data.times import ceil, floor, parse, render

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(seed=3, conversations=300) as running:
        yield running


def conversations(box: Sandbox) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = list(box.truth("conversations"))
    return rows


def middle(box: Sandbox, name: str) -> str:
    """A time that some row has."""
    return sorted(str(row[name]) for row in conversations(box))[150]


def quoted(stamp: str) -> str:
    return stamp.replace("+", "%2B")


@pytest.mark.asyncio
@pytest.mark.parametrize("sort", ["created_at", "updated_at"])
async def test_since_is_inclusive(box: Sandbox, sort: str) -> None:
    """`since` keeps the rows of its own second, on the field that `sort` names."""
    since = middle(box, sort)
    reply = await ask(box, f"/conversations?per_page=1000&sort={sort}&since={quoted(since)}")
    assert sorted(reply.ids) == [row["id"] for row in conversations(box) if row[sort] >= since]


@pytest.mark.asyncio
@pytest.mark.parametrize("sort", ["created_at", "updated_at"])
async def test_until_is_inclusive(box: Sandbox, sort: str) -> None:
    """`until` keeps the rows of its own second, on the field that `sort` names."""
    until = middle(box, sort)
    reply = await ask(box, f"/conversations?per_page=1000&sort={sort}&until={quoted(until)}")
    assert sorted(reply.ids) == [row["id"] for row in conversations(box) if row[sort] <= until]


@pytest.mark.asyncio
async def test_one_second(box: Sandbox) -> None:
    """The same second as since and until gives the rows of that second."""
    second = middle(box, "created_at")
    reply = await ask(box, f"/conversations?since={quoted(second)}&until={quoted(second)}")
    assert reply.ids == [row["id"] for row in conversations(box) if row["created_at"] == second]


@pytest.mark.asyncio
async def test_sort_defaults_to_created_at(box: Sandbox) -> None:
    """Without `sort` the filter is on created_at."""
    since = quoted(middle(box, "updated_at"))
    plain = await ask(box, f"/conversations?since={since}")
    assert plain.text == (await ask(box, f"/conversations?since={since}&sort=created_at")).text


@pytest.mark.asyncio
async def test_sort_orders_by_its_field(box: Sandbox) -> None:
    """Rows come in the order of the field that `sort` names, then by id."""
    reply = await ask(box, "/conversations?per_page=1000&sort=updated_at")
    keys = [(row["updated_at"], row["id"]) for row in reply.body["data"]]
    assert keys == sorted(keys)


@pytest.mark.asyncio
async def test_models_filter_on_created_at(box: Sandbox) -> None:
    """The models' listing has since and until, both inclusive."""
    models: list[dict[str, Any]] = list(box.truth("models"))
    stamp = str(models[2]["created_at"])
    reply = await ask(box, f"/models?since={quoted(stamp)}&until={quoted(stamp)}")
    assert reply.ids == [row["id"] for row in models if row["created_at"] == stamp]


@pytest.mark.asyncio
async def test_a_models_listing_filters_too(box: Sandbox) -> None:
    """The conversations of a model are filtered like all conversations."""
    since = middle(box, "updated_at")
    model_id = conversations(box)[0]["model_id"]
    path = f"/models/{model_id}/conversations?per_page=1000&sort=updated_at&since={quoted(since)}"
    expected = [row["id"] for row in conversations(box) if row["updated_at"] >= since and row["model_id"] == model_id]
    assert sorted((await ask(box, path)).ids) == expected


@pytest.mark.asyncio
async def test_since_after_until_is_empty(box: Sandbox) -> None:
    """A window that ends before it begins has no rows and is no error."""
    reply = await ask(box, "/conversations?since=2025-01-02T00:00:00Z&until=2025-01-01T00:00:00Z")
    assert (reply.status, reply.body["total_rows"], reply.body["data"]) == (200, 0, [])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "stamp",
    ["2023-05-05T05:05:05%2B0700", "2023-05-05T05:05:05%2B07:00", "2023-05-04T22:05:05Z", "2023-05-04T17:05:05-0500"],
)
async def test_offsets_may_be_written_in_every_way(box: Sandbox, stamp: str) -> None:
    """One moment written with different offsets gives the same answer."""
    expected = await ask(box, "/conversations?since=2023-05-04T22:05:05Z")
    assert (await ask(box, f"/conversations?since={stamp}")).text == expected.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=2147483648", "page"),
        ("page=" + "9" * 5000, "page"),
        ("page=1.0", "page"),
        ("page=one", "page"),
        ("page=", "page"),
        ("page=%D9%A1", "page"),
        ("page=1&page=1", "page"),
        ("per_page=0", "per_page"),
        ("per_page=1e3", "per_page"),
        ("per_page=2147483648", "per_page"),
        ("since=yesterday", "since"),
        ("since=2025-05-05", "since"),
        ("since=2025-05-05T05:05:05", "since"),
        ("since=2025-02-30T05:05:05Z", "since"),
        ("since=1746396305", "since"),
        ("until=", "until"),
        ("until=2025-05-05T25:05:05Z", "until"),
        ("until=2025-05-05T05:05:05%2B9900", "until"),
        ("sort=id", "sort"),
        ("sort=CREATED_AT", "sort"),
    ],
)
async def test_bad_parameters(box: Sandbox, query: str, parameter: str) -> None:
    """A parameter that cannot be read is a 422 that names it."""
    reply = await ask(box, f"/conversations?{query}")
    assert reply.status == 422
    check_refusal(reply.body)
    assert [error["parameter"] for error in reply.body["errors"]] == [parameter]


@pytest.mark.asyncio
async def test_every_bad_parameter_is_named(box: Sandbox) -> None:
    """One 422 names all that is wrong."""
    reply = await ask(box, "/conversations?page=0&sort=x&since=y")
    assert {error["parameter"] for error in reply.body["errors"]} == {"page", "sort", "since"}


@pytest.mark.asyncio
async def test_a_plus_that_became_a_space(box: Sandbox) -> None:
    """A + that was not escaped is a 422 that says how to send it."""
    reply = await ask(box, "/conversations?since=2025-05-05T05:05:05+0700")
    assert reply.status == 422
    assert "%2B" in reply.body["message"]


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/models?sort=x&other=1", "/conversations/{}/messages?since=x&sort=x"])
async def test_unknown_parameters_are_ignored(box: Sandbox, path: str) -> None:
    """A parameter that the operation does not have changes nothing."""
    known = path.format(conversations(box)[0]["id"])
    assert (await ask(box, known)).text == (await ask(box, known.split("?")[0])).text


def test_times_are_written_with_a_fixed_offset() -> None:
    """A time is written with +0700, without a colon."""
    assert render(floor(parse("2025-05-04T22:05:05Z"))) == "2025-05-05T05:05:05+0700"


def test_fractions_keep_the_bounds_honest() -> None:
    """A bound between two seconds leaves out the second that it cuts."""
    between = parse("1970-01-01T00:00:01.5Z")
    assert (ceil(between), floor(between)) == (2, 1)


def test_the_offset_is_left_to_the_database() -> None:
    """A page is read by LIMIT and OFFSET over the filtered rows, so that a deep page costs what it costs."""
    since = parse("1970-01-01T00:00:09Z")
    select = listing("conversations", Query(page=4, per_page=25, since=since, sort="updated_at"), View(), model_id=7)
    assert select.page.startswith("SELECT id, body FROM conversations WHERE model_id = ? AND updated_at >= ? AND ")
    assert select.page.endswith(" ORDER BY updated_at, id LIMIT ? OFFSET ?")
    assert (select.values, select.tail) == ((7, 9), (25, 75))
