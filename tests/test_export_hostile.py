"""Exports from servers that lie or move: never a false certificate, never a row lost in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from export_api import (
    START,
    Answer,
    FakeApi,
    asked,
    conversation,
    exported,
    is_window,
    left,
    manifest,
    run,
    stamp,
)

from asyncchat import (
    ExportError,
    Request,
    Response,
)
from asyncchat.export import planning

pytestmark = pytest.mark.heavy

# ---- rows


@pytest.mark.asyncio
async def test_an_honest_server(tmp_path: Path) -> None:
    """The fake server, as long as it is honest, is exported whole: what the other tests change matters."""
    api = FakeApi.of(12, messages=7)
    report = await run(api, tmp_path)
    for kind in ("models", "conversations", "messages"):
        assert exported(tmp_path, kind) == api.rows(kind)
    assert report.certified


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ignored", "count", "since", "until"),
    [("since", 3, 35, 900), ("since", 40, 35, 900), ("until", 3, 0, 15), ("until", 40, 0, 385)],
    ids=["since, first page", "since, last page", "until, first page", "until, last page"],
)
async def test_a_filter_that_is_ignored(tmp_path: Path, ignored: str, count: int, since: int, until: int) -> None:
    """A row from outside the window, on whichever page, is named, and nothing is left."""
    api = FakeApi.of(count, ignored=ignored)
    if ignored == "since":
        api.conversations = [*api.conversations[3:], *api.conversations[:3]]
    with pytest.raises(ExportError, match=r"gave row \d+ of 2025-.* ignores since and until"):
        await run(api, tmp_path / "out", since=stamp(START + since), until=stamp(START + until))
    assert left(tmp_path) == []


@pytest.mark.asyncio
async def test_rows_over_several_lines(tmp_path: Path) -> None:
    """Rows that a server prints over many lines take one line each."""
    api = FakeApi.of(7, indent=2)
    await run(api, tmp_path)
    assert exported(tmp_path, "messages") == api.rows("messages")
    assert len((tmp_path / "conversations" / "part-00000.jsonl").read_bytes().splitlines()) == 7


@pytest.mark.asyncio
async def test_fractions_that_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows between two whole seconds are there once, wherever windows are cut."""
    monkeypatch.setattr(planning, "WALK_PAGES", 1)
    api = FakeApi(conversations=[conversation(i, START + i / 4) for i in range(1, 80)])
    report = await run(api, tmp_path, messages=False)
    assert exported(tmp_path, "conversations") == api.rows("conversations")
    assert report.certified


@pytest.mark.asyncio
async def test_fractions_that_are_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows whose fraction only the filter knows are there once, though they are past one window and before the next."""
    monkeypatch.setattr(planning, "WALK_PAGES", 1)
    rows = [conversation(i, START + i // 4) for i in range(1, 80)]
    api = FakeApi(conversations=rows, hidden={i: START + i / 4 for i in range(1, 80)})
    report = await run(api, tmp_path, messages=False)
    assert exported(tmp_path, "conversations") == api.rows("conversations")
    assert report.certified


@pytest.mark.asyncio
@pytest.mark.parametrize("deleted", [False, True])
async def test_fractions_that_come_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deleted: bool) -> None:
    """A server that keeps whole seconds of old rows and fractions of new ones deceives its probe: that is seen."""
    monkeypatch.setattr(planning, "WALK_PAGES", 1)
    rows = [conversation(i, START + (i if i < 100 else 75 + i // 4)) for i in range(1, 300)]
    api = FakeApi(conversations=rows, hidden={i: START + 75 + i / 4 for i in range(100, 300)})
    if deleted:  # fewer rows come than there were, and none of them is missing
        api.hidden, last = {}, rows[-1]
        api.answer = lambda request: api.conversations.remove(last) if last in api.conversations else None
    report = await run(api, tmp_path, messages=False)
    assert (exported(tmp_path, "conversations") == api.rows("conversations")) is report.certified is deleted
    if not deleted:
        assert "some lie between two seconds" in report.uncertified[0]


@pytest.mark.asyncio
async def test_rows_older_than_their_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows from long before the oldest model are found, in few windows."""
    monkeypatch.setattr(planning, "WALK_PAGES", 1)
    api = FakeApi(conversations=[conversation(i, START - i * 86_400) for i in range(1, 40)])
    report = await run(api, tmp_path, messages=False)
    assert exported(tmp_path, "conversations") == api.rows("conversations")
    assert report.requests < 400


@pytest.mark.asyncio
async def test_one_row_twice(tmp_path: Path) -> None:
    """A row that a page names twice, in place of another, is kept in its newest reading, and nothing is certified."""

    def twice(request: Request, value: dict[str, Any]) -> dict[str, Any]:
        if request.path == "/conversations" and len(value["data"]) > 1:
            newest = value["data"][0] | {"updated_at": stamp(START + 500)}
            value["data"] = [newest, value["data"][0], *value["data"][2:]]
        return value

    report = await run(FakeApi.of(3, step=0, envelope=twice), tmp_path, messages=False)
    assert [row["id"] for row in exported(tmp_path, "conversations")] == [1, 3]
    assert exported(tmp_path, "conversations")[0]["updated_at"] == stamp(START + 500)
    assert not report.certified


@pytest.mark.asyncio
@pytest.mark.parametrize("gone", [1, 6], ids=["one message", "all"])
async def test_what_goes_between_two_pages(tmp_path: Path, gone: int) -> None:
    """A conversation that shrinks while it is read is read anew; only one that is gone is told as deleted."""
    api = FakeApi.of(1, messages=6)

    def answer(request: Request) -> Answer | None:
        is_second = request.path.endswith("/messages") and asked(request, "page") == 2
        if is_second and len(api.messages[1]) == 6:
            api.messages[1] = api.messages[1][gone:]
        is_missing = request.path.endswith("/messages") and not api.messages[1]
        return Response(status=404) if is_second or is_missing else None

    api.answer = answer
    report = await run(api, tmp_path)
    assert exported(tmp_path, "messages") == api.rows("messages")
    assert (report.certified, report.deleted) == (True, () if gone == 1 else (1,))


# ---- counts


@pytest.mark.asyncio
@pytest.mark.parametrize("per_page", [5, 10, 100])
@pytest.mark.parametrize("cap", [1, 5, 10, 20, 30])
async def test_a_count_that_is_capped(tmp_path: Path, cap: int, per_page: int) -> None:
    """A server that counts no further than some number is cut down until all is there; the rest is not certified."""

    def capped(_request: Request, value: dict[str, Any]) -> dict[str, Any]:
        total = min(cap, value["total_rows"])
        return value | {"total_rows": total, "total_pages": -(-total // value["rows_per_page"])}

    api = FakeApi.of(40, messages=12, envelope=capped)
    report = await run(api, tmp_path, per_page=per_page)
    assert exported(tmp_path, "conversations") == api.rows("conversations")
    assert exported(tmp_path, "messages") == api.rows("messages") or not report.certified


@pytest.mark.asyncio
async def test_a_count_of_the_page_only(tmp_path: Path) -> None:
    """A server that calls the rows of a page all rows is not believed."""
    api = FakeApi.of(12, messages=0, step=0)
    api.envelope = lambda _, value: value | {"total_rows": len(value["data"]), "total_pages": 1}
    report = await run(api, tmp_path)
    assert not report.certified


@pytest.mark.asyncio
@pytest.mark.parametrize("total", [1, 10_000, 10**12])
async def test_a_count_that_is_constant(tmp_path: Path, total: int) -> None:
    """A server that tells one total for whatever it is asked is exported in bounded time, and not certified."""
    api = FakeApi.of(7)
    api.envelope = lambda _, value: value | {"total_rows": total, "total_pages": -(-total // value["rows_per_page"])}
    report = await run(api, tmp_path, since=stamp(START), until=stamp(START + 100))
    assert exported(tmp_path, "conversations") == api.rows("conversations")
    assert not report.certified
    assert report.requests < 20_000


@pytest.mark.asyncio
async def test_a_count_that_moves_once(tmp_path: Path) -> None:
    """A window whose total moved while it was walked is read again, and then certified."""
    moved: list[int] = []

    def moving(request: Request, value: dict[str, Any]) -> dict[str, Any]:
        if request.path == "/conversations" and asked(request, "page") == 2 and not moved:
            moved.append(value["total_rows"])
            value["total_rows"] += 1
        return value

    report = await run(FakeApi.of(12, envelope=moving), tmp_path)
    assert moved
    assert (report.certified, report.rows["conversations"]) == (True, 12)


@pytest.mark.asyncio
async def test_a_count_that_moves_in_large_windows(tmp_path: Path) -> None:
    """A window that never comes to rest is cut into smaller ones that do."""
    serial = iter(range(1, 10**9))

    def moving(request: Request, value: dict[str, Any]) -> dict[str, Any]:
        if request.path == "/conversations" and value["total_rows"] > 6 and not is_window(request):
            value["total_rows"] += next(serial)
        return value

    api = FakeApi.of(24, envelope=moving)
    report = await run(api, tmp_path)
    assert exported(tmp_path, "conversations") == api.rows("conversations")
    assert report.certified


@pytest.mark.asyncio
async def test_a_count_that_never_rests(tmp_path: Path) -> None:
    """What moves in every window is exported as far as it came, and named as not certified."""
    serial = iter(range(1, 10**9))

    def moving(request: Request, value: dict[str, Any]) -> dict[str, Any]:
        return value | ({"total_rows": 100 + next(serial)} if request.path == "/conversations" else {})

    api = FakeApi.of(4, step=1, envelope=moving)
    report = await run(api, tmp_path)
    assert exported(tmp_path, "conversations") == api.rows("conversations")
    assert all("different ones" in doubt for doubt in report.uncertified)
    assert manifest(tmp_path)["certified"] is False


@pytest.mark.asyncio
async def test_a_hot_second(tmp_path: Path) -> None:
    """More rows than a page in one second are walked."""
    api = FakeApi.of(40, step=0)
    report = await run(api, tmp_path)
    assert exported(tmp_path, "messages") == api.rows("messages")
    assert report.certified


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["conversations", "messages"])
async def test_the_same_page_for_every_number(tmp_path: Path, kind: str) -> None:
    """A server that ignores the page number, and tells of a billion pages, is not walked to the end."""
    api = FakeApi.of(1 if kind == "messages" else 12, step=0, messages=12)

    def same(request: Request, value: dict[str, Any]) -> dict[str, Any]:
        if not request.path.endswith(kind) or value["total_rows"] == 0:
            return value
        rows = api.messages[1] if kind == "messages" else api.conversations
        return value | {"data": rows[: value["rows_per_page"]], "total_pages": 10**9, "total_rows": 10**9}

    api.envelope = same
    report = await run(api, tmp_path)
    assert not report.certified
    assert report.requests < 600


@pytest.mark.asyncio
@pytest.mark.parametrize("past", ["empty", "404", "the last page"])
async def test_past_the_end(tmp_path: Path, past: str) -> None:
    """Whatever comes past the last page, nothing, a 404 or the last page once more, the walk is certified."""
    api = FakeApi.of(12, messages=12)

    def envelope(request: Request, value: dict[str, Any]) -> dict[str, Any]:
        if value["page"] > value["total_pages"] > 0 and past == "the last page":
            rows = api.messages.get(int(request.path.split("/")[2])) if "messages" in request.path else None
            value["data"] = (rows or api.conversations)[10:12]
        return value | ({"total_rows": 0} if not value["data"] and past == "empty" else {})

    def answer(request: Request) -> Answer | None:
        is_past = request.path != "/models" and asked(request, "page") > 3
        return Response(status=404) if is_past and past == "404" else None

    api.envelope, api.answer = envelope, answer
    report = await run(api, tmp_path)
    assert exported(tmp_path, "messages") == api.rows("messages")
    assert report.certified
