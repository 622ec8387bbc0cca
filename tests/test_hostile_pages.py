"""Pages of a hostile server: envelopes, rows and values that no careful server sends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hostile import CONVERSATIONS, TOKEN, check_usable, client_of, counted, failure_of, ids_under, named, truth

from asyncchat import AsyncClient, ConfigurationError, DecodeError
from asyncchat.sandbox import Fault, Sandbox

COUNTS = ("total_rows", "total_pages", "page", "rows_per_page")


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(models=3, conversations=CONVERSATIONS, messages_mean=2, token=TOKEN) as box:
        yield box


@pytest.fixture
def box(running: Sandbox) -> Iterator[Sandbox]:
    running.clear_faults()
    yield running
    running.behave(max_per_page=1_000, past_end="empty")


# ---- envelopes


@pytest.mark.asyncio
@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", ["NaN", "Infinity", '"12"', "-1", "1e400", "1.5", "null", "true", str(2**63), ""])
async def test_a_count_that_is_none(box: Sandbox, name: str, value: str) -> None:
    """A count that is no whole number in range, or that is missing, is told at once with its path (row 4)."""
    error, sent = await failure_of(box, Fault("envelope", name=name, value=value))
    assert isinstance(error, DecodeError)
    assert (error.paths, sent) == ((f"$.{name}",), 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("value", ["0", "1000000000", str(2**63 - 1)])
@pytest.mark.parametrize("name", COUNTS)
async def test_a_count_that_lies(box: Sandbox, name: str, value: str) -> None:
    """Whatever an envelope counts, every row comes once, and the walk ends by empty pages (row 5)."""
    ids, sent = await ids_under(box, Fault("envelope", name=name, value=value))
    assert sorted(ids) == sorted(truth(box))
    assert sent <= 3 + 3 * 8, "a window of 8 pages past the end, each asked for again at most"


@pytest.mark.asyncio
@pytest.mark.parametrize("most", [1, 7])
async def test_a_page_that_is_clamped(box: Sandbox, most: int) -> None:
    """A server that gives fewer rows than asked is followed (row 6)."""
    box.behave(max_per_page=most)
    ids, sent = await ids_under(box)
    assert (sorted(ids), sent) == (sorted(truth(box)), -(-CONVERSATIONS // most))


@pytest.mark.asyncio
async def test_404_past_the_end(box: Sandbox) -> None:
    """A 404 past the end ends a walk without a true number of pages (row 5)."""
    box.behave(past_end="404")
    ids, sent = await ids_under(box, Fault("envelope", name="total_pages", value="0"))
    assert (sorted(ids), sent) == (sorted(truth(box)), 4)


@pytest.mark.asyncio
async def test_the_same_page_for_every_number(box: Sandbox) -> None:
    """A server that ignores the page number is told so after the second page (row 7)."""
    error, sent = await failure_of(box, Fault("same-page"))
    assert isinstance(error, DecodeError)
    assert "ignores the page number" in str(error)
    assert sent <= 4


@pytest.mark.asyncio
async def test_an_empty_page_in_the_middle(box: Sandbox) -> None:
    """An empty page in the middle is read again, and every row comes (row 8)."""
    ids, sent = await ids_under(box, Fault("empty-page", page=2, nth=1))
    assert (sorted(ids), sent) == (sorted(truth(box)), 4)


@pytest.mark.asyncio
async def test_nothing_but_empty_pages(box: Sandbox) -> None:
    """A server whose pages are all empty, whatever it counts, is asked for each twice at most (row 8)."""
    ids, sent = await ids_under(box, Fault("empty-page"))
    assert (ids, sent <= 6) == ([], True)


# ---- rows


@pytest.mark.asyncio
async def test_a_row_that_comes_twice(box: Sandbox) -> None:
    """A listing hands rows out as they were sent (row 9)."""
    ids, _ = await ids_under(box, Fault("repeated-row", page=2))
    assert (len(ids), len(set(ids))) == (CONVERSATIONS, CONVERSATIONS - 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["foreign-row", "unfiltered"])
async def test_a_filter_that_is_ignored(box: Sandbox, kind: Any) -> None:
    """A listing hands out what a server gives beyond the asked window; only an export refuses it (row 10)."""
    box.faults(Fault(kind))
    async with client_of(box) as chat:
        rows = await chat.conversations.list(since="2024-01-01").collect()
        assert any(row.created_at < datetime(2024, 1, 1, tzinfo=UTC) for row in rows)
        await check_usable(box, chat)


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["z", "colon", "fractions", "year-9999"])
async def test_a_stamp_in_a_known_form(box: Sandbox, form: str) -> None:
    """A time with an offset is read in every usual form, and is aware (row 14)."""
    box.faults(Fault("stamps", value=form))
    async with client_of(box) as chat:
        rows = await chat.conversations.list().collect()
        assert all(row.created_at.tzinfo is not None for row in rows)
        assert form != "year-9999" or {row.created_at.year for row in rows} == {9999}
        await check_usable(box, chat)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fault",
    [
        *(
            Fault("stamps", value=form)
            for form in ("milliseconds", "zero", "no-zone", "null", "empty", "no-such-day", "")
        ),
        *(
            Fault("ids", value=form)
            for form in ("path", "slash", "empty", "too-large", "text", "fraction", "true", "null", "")
        ),
        Fault("row", name="platform", value="7"),
        Fault("row", name="model_name"),
        Fault("row", name="recent_messages", value="{}"),
        Fault("row", name="recent_messages", value="[null]"),
    ],
    ids=named,
)
async def test_a_value_of_another_shape(box: Sandbox, fault: Fault) -> None:
    """Times, ids and texts that are none are told at once, with the path of each (rows 14, 15)."""
    error, sent = await failure_of(box, fault)
    assert isinstance(error, DecodeError)
    assert all(path.startswith("$.data[") for path in error.paths)
    assert (len(error.paths) > 1, len(str(error)) < 1_000, sent) == (True, True, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("odd", ["../../x", "a/b", "", 2**63, -1, "7", True, 1.5, None])
async def test_an_id_that_is_none(box: Sandbox, odd: Any) -> None:
    """An id that is no whole number in range is refused before anything is sent (row 15)."""
    before = counted(box)
    async with client_of(box) as chat:
        for get in (chat.models.get, chat.conversations.get):
            with pytest.raises(ConfigurationError, match="takes a whole number"):
                await get(odd)
        with pytest.raises(ConfigurationError, match="takes a whole number"):
            chat.messages.list(odd)
        assert counted(box) == before


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["nulls", "missing", "extra", "bom"])
async def test_a_lenient_form(box: Sandbox, kind: Any) -> None:
    """Members that are null, missing or unknown, and a byte-order mark, take nothing from the rows (rows 16, 19)."""
    ids, sent = await ids_under(box, Fault(kind))
    assert (sorted(ids), sent) == (sorted(truth(box)), 3)


@pytest.mark.asyncio
async def test_unknown_members_are_kept(box: Sandbox) -> None:
    """What a server sends beyond the contract is in `.extra`, at every level (row 16)."""
    box.faults(Fault("extra"))
    async with client_of(box) as chat:
        rows = await chat.conversations.list().collect()
    everything = [*rows, *(message for row in rows for message in row.recent_messages)]
    assert all(each.extra["new_object"] == {"depth": [1, None, "two"]} for each in everything)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("form", "text"), [("surrogate", "half a smile: \ud83d"), ("nul", "before\0after"), ("ansi", "\x1b[2J\x1b[31mred")]
)
async def test_a_text_that_hurts(box: Sandbox, form: str, text: str) -> None:
    """Texts are kept as they were sent (row 17)."""
    box.faults(Fault("texts", value=form))
    async with client_of(box) as chat:
        rows = await chat.conversations.list().collect()
        assert {row.platform_user_id for row in rows} == {text}
        await check_usable(box, chat)


@pytest.mark.asyncio
@pytest.mark.parametrize("token", [f"{TOKEN} ", f"\n{TOKEN}\r\n"])
async def test_a_token_with_space_around(box: Sandbox, token: str) -> None:
    """Space and line ends around a token are dropped (row 43)."""
    async with client_of(box, token=token) as chat:
        await check_usable(box, chat)


@pytest.mark.parametrize("token", [f"{TOKEN}\nX-A: 1", f"{TOKEN} b", f"{TOKEN}\u00e9", "", " "])
def test_a_token_that_is_none(box: Sandbox, token: str) -> None:
    """A token with line ends or spaces inside, or beyond ASCII, is refused without being shown (row 43)."""
    with pytest.raises(ConfigurationError) as caught:
        client_of(box, token=token)
    assert TOKEN not in f"{caught.value!r}"


def test_a_token_over_plain_http() -> None:
    """A token goes over plain http to this machine only (row 43)."""
    with pytest.raises(ConfigurationError, match="allow_http") as caught:
        AsyncClient("http://api.example/v1", token=TOKEN)
    assert TOKEN not in f"{caught.value!r}"
