"""Listings that move while they are read, and more rows in a second than a page holds, over real sockets."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from export_api import exported
from hostile import TOKEN, client_of, counted

from asyncchat import ResponseEvent
from asyncchat.export import export
from asyncchat.sandbox import Sandbox

pytestmark = pytest.mark.heavy

NOON = 1_750_000_000.0
FOREVER = 200
"""More changes in a row than an export of these rows asks for."""


def kept(box: Sandbox) -> dict[int, datetime]:
    """The conversations that there are, with the times at which they began."""
    rows = box.truth("conversations")
    return {int(str(row["id"])): datetime.fromisoformat(str(row["created_at"])) for row in rows}


@pytest.mark.asyncio
@pytest.mark.parametrize("changes", [3, FOREVER])
async def test_a_total_that_moves_during_a_listing(changes: int) -> None:
    """A listing whose total moves comes to its end, and hands out only rows that there were (row 11)."""
    with Sandbox(models=2, conversations=120, messages_mean=2, token=TOKEN, clock=NOON) as box:
        left, known = iter(range(changes)), kept(box)

        def move(event: object) -> None:
            if isinstance(event, ResponseEvent) and next(left, None) is not None:
                box.make_changes(15)
                known.update(kept(box))

        async with client_of(box, hooks=[move]) as chat:
            ids = {row.id async for row in chat.conversations.list()}
        sent = counted(box)
    assert next(left, None) is None or sent < changes
    assert ids <= known.keys()
    assert len(ids) > 60


@pytest.mark.asyncio
@pytest.mark.parametrize("changes", [3, FOREVER])
async def test_a_total_that_moves_during_an_export(tmp_path: Path, changes: int) -> None:
    """An export under moving totals holds every row that was there all the time, or says that it may not (row 11)."""
    with Sandbox(models=2, conversations=120, messages_mean=2, token=TOKEN, clock=NOON) as box:
        left, moved = iter(range(changes)), Counter[str]()

        def move(event: object) -> None:
            if isinstance(event, ResponseEvent) and next(left, None) is not None:
                moved["changes"] += box.make_changes(5)

        before = kept(box)
        async with client_of(box, hooks=[move]) as chat:
            report = await export(chat, tmp_path / "out", messages=False)
        stayed = {number for number in kept(box).keys() & before.keys() if before[number] <= report.as_of}
    ids = [row["id"] for row in exported(tmp_path / "out", "conversations")]
    assert moved["changes"] > 0
    assert len(ids) == len(set(ids))
    assert not report.certified or stayed <= set(ids)
    assert report.certified or changes == FOREVER


@pytest.mark.asyncio
async def test_a_second_with_more_rows_than_a_page(tmp_path: Path) -> None:
    """1,500 rows of one second, on pages of 100, are there once each, and certified (row 13)."""
    with Sandbox(models=1, conversations=5, messages_mean=1, token=TOKEN, clock=NOON) as box:
        box.make_changes(16_000)
        box.advance(60)
        rows = kept(box)
        async with client_of(box, per_page=100) as chat:
            report = await export(chat, tmp_path / "out", messages=False)
    ids = [int(row["id"]) for row in exported(tmp_path / "out", "conversations")]
    assert Counter(rows.values()).most_common(1)[0][1] >= 1_500
    assert len(ids) == len(set(ids))
    assert (set(ids), report.certified) == (set(rows), True)
