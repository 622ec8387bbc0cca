"""Orders, ties, clamps, ends, counts, fractions and kept pages, seen on the wire."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from contract_shapes import STAMP, ask, check_refusal, walk
from sandbox_steps import NOON, post

from asyncchat.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.asyncio
ALL = "/conversations?per_page=1000"


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(seed=3, conversations=400, clock=NOON) as running:
        yield running


@pytest.fixture
def box(shared: Sandbox) -> Iterator[Sandbox]:
    calm = shared.behaviour
    yield shared
    shared.behave(
        order=calm.order,
        unstable_ties=calm.unstable_ties,
        max_per_page=calm.max_per_page,
        past_end=calm.past_end,
        count_cap=calm.count_cap,
        fractions=calm.fractions,
        prerendered=calm.prerendered,
    )


async def listed(box: Sandbox, path: str = ALL) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await ask(box, path)).body["data"]
    return rows


def crowded(box: Sandbox) -> str:
    """The second in which most conversations begin, quoted."""
    seconds = Counter(str(row["created_at"]) for row in box.truth("conversations"))
    return seconds.most_common(1)[0][0].replace("+", "%2B")


async def ids_within(box: Sandbox, since: str, until: str) -> set[int]:
    return set((await ask(box, f"{ALL}&since={since}&until={until}")).ids)


@pytest.mark.parametrize("sort", ["created_at", "updated_at"])
@pytest.mark.parametrize("order", ["time", "created_at", "updated_at", "id"])
@pytest.mark.parametrize("sign", ["", "-"])
async def test_order(box: Sandbox, order: str, sign: str, sort: str) -> None:
    """Rows come in the order that was set, up or down, and ids break ties in the same direction."""
    await post(box, "/behaviour", {"order": sign + order}, method="PATCH")
    field = sort if order == "time" else order
    keys = [(row[field], row["id"]) for row in await listed(box, f"{ALL}&sort={sort}")]
    assert len(keys) == 400
    assert keys == sorted(keys, reverse=sign == "-")


@pytest.mark.parametrize("path", ["/models", "/conversations/{}/messages"])
async def test_order_of_rows_that_have_no_updated_at(box: Sandbox, path: str) -> None:
    """Where rows have no updated_at an order by it is one by created_at."""
    path = path.format(max(box.truth("messages"), key=lambda row: str(row["created_at"]))["conversation_id"])
    box.behave(order="-updated_at")
    keys = [(row["created_at"], row["id"]) for row in await listed(box, path)]
    assert keys == sorted(keys, reverse=True)


@pytest.mark.parametrize("order", ["time", "-time", "updated_at"])
async def test_unstable_ties(box: Sandbox, order: Any) -> None:
    """Rows of one second change places from answer to answer; no other row does, and none gets lost in one answer."""
    box.behave(order=order, unstable_ties=True)
    first, second = await listed(box), await listed(box)
    field = "updated_at" if order == "updated_at" else "created_at"
    assert first != second
    assert [row[field] for row in first] == [row[field] for row in second]
    assert sorted(row["id"] for row in first) == sorted(row["id"] for row in second)


async def test_unstable_ties_lose_rows_of_a_walk(box: Sandbox) -> None:
    """A walk over pages that cut through a crowded second sees some rows twice and others never."""
    box.behave(unstable_ties=True)
    second = crowded(box)
    seen = [row["id"] async for row in walk(box, f"/conversations?since={second}&until={second}", 3)]
    assert len(seen) > len(set(seen)) > 0


async def test_ties_by_id_are_none(box: Sandbox) -> None:
    """Rows that are ordered by id have no ties."""
    box.behave(order="id", unstable_ties=True)
    assert await listed(box) == await listed(box)


async def test_ties_are_shuffled_by_the_seed() -> None:
    """The same requests to two sandboxes of one seed see the same shuffles."""
    seen = []
    for _ in range(2):
        with Sandbox(seed=3, conversations=400, unstable_ties=True) as box:
            seen.append([(await ask(box, ALL)).text for _ in range(3)])
    assert seen[0] == seen[1]


async def test_a_clamp_at_run_time(box: Sandbox) -> None:
    """max_per_page cuts what was asked, and the answer says how many rows it has."""
    box.behave(max_per_page=7)
    body = (await ask(box, ALL)).body
    assert (len(body["data"]), body["rows_per_page"], body["total_pages"]) == (7, 7, 58)


async def test_a_404_past_the_end(box: Sandbox) -> None:
    """With past_end=404 the page after the last one is a 404 and the last one is not."""
    box.behave(past_end="404")
    assert (await ask(box, "/conversations?per_page=100&page=4")).status == 200
    reply = await ask(box, "/conversations?per_page=100&page=5")
    assert reply.status == 404
    check_refusal(reply.body)


async def test_the_first_page_is_never_past_the_end(box: Sandbox) -> None:
    """A listing without rows has a first page."""
    box.behave(past_end="404")
    assert (await ask(box, "/conversations?since=2030-01-01T00:00:00Z")).status == 200


async def test_counts_are_capped(box: Sandbox) -> None:
    """total_rows and total_pages say no more than the cap, yet the rows beyond it are there."""
    box.behave(count_cap=100)
    body = (await ask(box, "/conversations?per_page=30&page=13")).body
    assert (body["total_rows"], body["total_pages"], len(body["data"])) == (100, 4, 30)


async def test_a_count_below_the_cap_is_true(box: Sandbox) -> None:
    """A listing with fewer rows than the cap tells the truth."""
    box.behave(count_cap=100)
    assert (await ask(box, "/models")).body["total_rows"] == 5


async def test_fractions_divide_a_second(box: Sandbox) -> None:
    """With fractions a bound inside a second parts the rows of that second, which calm rows cannot be."""
    second = crowded(box)
    whole = await ids_within(box, second, second)
    early, late = second.replace("%2B", ".499%2B"), second.replace("%2B", ".500%2B")
    assert await ids_within(box, second, early) == whole
    assert await ids_within(box, late, second.replace("%2B", ".999%2B")) == set()
    box.behave(fractions=True)
    first, rest = await ids_within(box, second, early), await ids_within(box, late, second.replace("%2B", ".999%2B"))
    assert first
    assert rest
    assert (first | rest, first & rest) == (whole, set())


@pytest.mark.parametrize("sort", ["created_at", "updated_at"])
async def test_fractions_make_until_exclude_its_second(box: Sandbox, sort: str) -> None:
    """With fractions a whole second as `until` leaves out the rows of that second, as it comes before them."""
    box.behave(fractions=True)
    rows = await listed(box)
    until = sorted(row[sort] for row in rows)[200]
    reply = await ask(box, f"{ALL}&sort={sort}&until={until.replace('+', '%2B')}")
    whole = {row["id"] for row in rows if row[sort] == until and row["id"] * 7919 % 1000}
    assert whole
    assert set(reply.ids) == {row["id"] for row in rows if row[sort] <= until} - whole
    assert reply.body["total_rows"] == len(reply.ids)


async def test_fractions_do_not_show(box: Sandbox) -> None:
    """Stamps show whole seconds, and rows of one second come by what does not show."""
    box.behave(fractions=True)
    rows = await listed(box)
    assert all(STAMP.fullmatch(row["created_at"]) for row in rows)
    assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows)
    assert [row["id"] for row in rows] != [row["id"] for row in sorted(rows, key=lambda row: int(row["id"]))]


async def test_kept_pages_are_the_same_pages(box: Sandbox) -> None:
    """Pages that are sent from memory are those that the store gives."""
    paths = [
        "/models",
        "/conversations?page=2",
        "/conversations?page=2&per_page=20",
        "/conversations/0",
        "/models?page=x",
    ]
    fresh = [(await ask(box, path)).text for path in paths]
    box.behave(prerendered=True)
    for _ in range(2):
        assert [(await ask(box, path)).text for path in paths] == fresh


async def test_kept_pages_are_kept(box: Sandbox) -> None:
    """A page that would be another one each time is the same one when it is kept."""
    box.behave(prerendered=True, unstable_ties=True)
    assert (await ask(box, ALL)).text == (await ask(box, ALL)).text


async def test_kept_pages_follow_the_behaviour(box: Sandbox) -> None:
    """Another behaviour gives other pages at once."""
    box.behave(prerendered=True)
    up = (await ask(box, ALL)).ids
    box.behave(order="-time")
    assert (await ask(box, ALL)).ids == up[::-1]


async def test_kept_pages_follow_the_rows() -> None:
    """A page is made anew after any change, with the totals of then."""
    with Sandbox(conversations=60, clock=NOON, prerendered=True) as box:
        for _ in range(5):
            before = await listed(box)
            await post(box, "/traffic", {"changes": 5})
            after = (await ask(box, ALL)).body
            assert after["data"] != before
            assert sorted(after["data"], key=lambda row: int(row["id"])) == list(box.truth("conversations"))
            assert after["total_rows"] == len(after["data"])


async def test_everything_at_once() -> None:
    """The behaviours of rows combine: two runs of the same steps are equal to the byte."""
    runs = []
    for _ in range(2):
        with Sandbox(
            conversations=100,
            clock=NOON,
            order="-updated_at",
            unstable_ties=True,
            max_per_page=9,
            past_end="404",
            count_cap=50,
            fractions=True,
            late=3.0,
            replica_lag=2.0,
            traffic=5.0,
        ) as box:
            texts = []
            for page in range(1, 16):
                texts.append((await ask(box, f"/conversations?sort=updated_at&page={page}")).text)
                await post(box, "/clock", {"advance": 1.25})
            runs.append(texts)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 15
