"""Exports of a sandbox over real sockets: what is in the files is what the sandbox holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from export_api import Row, exported, left, manifest, touched

from asyncchat import AsyncClient, ConfigurationError, ExportError
from asyncchat.export import ExportReport, Progress, export, planning
from asyncchat.sandbox import Sandbox

Kind = Literal["models", "conversations", "messages"]
KINDS: tuple[Kind, ...] = ("models", "conversations", "messages")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(seed=3, models=3, conversations=150, messages_mean=6) as running:
        yield running


async def run(box: Sandbox, folder: Path, *, per_page: int = 100, **options: Any) -> ExportReport:
    async with AsyncClient(box.base_url, token=box.token, auth=box.auth, per_page=per_page) as client:
        return await export(client, folder, **options)


def truth(box: Sandbox, kind: Kind) -> list[Row]:
    return list(box.truth(kind))


def second_of(row: Row) -> datetime:
    return datetime.fromisoformat(row["created_at"])


def middle(box: Sandbox, *, part: int) -> datetime:
    """The time of a row, a part of the way through all of them: rows lie exactly at it."""
    times = sorted(second_of(row) for row in truth(box, "conversations"))
    return times[len(times) * part // 4]


@pytest.mark.asyncio
async def test_everything_is_there(box: Sandbox, tmp_path: Path) -> None:
    """Every row of every kind is there once, with every field as the sandbox holds it."""
    report = await run(box, tmp_path)
    for kind in KINDS:
        assert exported(tmp_path, kind) == truth(box, kind)
        assert report.rows[kind] == len(truth(box, kind))
    assert report.certified


@pytest.mark.asyncio
@pytest.mark.parametrize("per_page", [1, 7, 30])
async def test_windows_are_split(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per_page: int) -> None:
    """Cut into many windows, which share their boundary seconds, the export is the same and as certain."""
    monkeypatch.setattr(planning, "WALK_PAGES", 2)
    seen: list[Progress] = []
    report = await run(box, tmp_path, per_page=per_page, messages=False, observer=seen.append)
    assert exported(tmp_path, "conversations") == truth(box, "conversations")
    assert report.certified
    assert seen[-1].windows > 3


@pytest.mark.asyncio
@pytest.mark.parametrize("per_page", [2, 5])
async def test_long_conversations(box: Sandbox, tmp_path: Path, per_page: int) -> None:
    """Messages on many pages are all there."""
    report = await run(box, tmp_path, per_page=per_page)
    assert exported(tmp_path, "messages") == truth(box, "messages")
    assert set(report.certificates) == {"one page", "steady walk"}


@pytest.mark.asyncio
@pytest.mark.parametrize("is_split", [False, True])
async def test_a_range(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_split: bool) -> None:
    """A range takes in the rows of both end seconds, and the messages of these rows only."""
    if is_split:
        monkeypatch.setattr(planning, "WALK_PAGES", 1)
    since, until = middle(box, part=1), middle(box, part=3)
    await run(box, tmp_path, since=since, until=until, per_page=5)
    inside = [row for row in truth(box, "conversations") if since <= second_of(row) <= until]
    assert exported(tmp_path, "conversations") == inside
    ids = {row["id"] for row in inside}
    assert exported(tmp_path, "messages") == [r for r in truth(box, "messages") if r["conversation_id"] in ids]


@pytest.mark.asyncio
async def test_a_range_without_rows(box: Sandbox, tmp_path: Path) -> None:
    """A range in which nothing was created gives a finished export without conversations."""
    report = await run(box, tmp_path, since="1999-01-01", until="1999-01-02")
    assert report.certified
    assert (manifest(tmp_path)["rows"]["conversations"], exported(tmp_path, "messages")) == (0, [])


@pytest.mark.asyncio
async def test_until_says_as_of_when(box: Sandbox, tmp_path: Path) -> None:
    """The report tells the last second that the export reaches to."""
    report = await run(box, tmp_path, until="2024-01-01")
    assert report.as_of == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [1, 2, 3])
async def test_some_models(box: Sandbox, tmp_path: Path, count: int) -> None:
    """With models named, only they and their conversations are there."""
    wanted = [row["id"] for row in truth(box, "models")][:count]
    await run(box, tmp_path, models=wanted, messages=False)
    assert [row["id"] for row in exported(tmp_path, "models")] == wanted
    assert exported(tmp_path, "conversations") == [r for r in truth(box, "conversations") if r["model_id"] in wanted]


@pytest.mark.asyncio
async def test_a_model_that_is_not_there(box: Sandbox, tmp_path: Path) -> None:
    """A model that does not exist is named, and nothing is left."""
    with pytest.raises(ExportError, match="there is no model 987654321"):
        await run(box, tmp_path / "out", models=[987654321])
    assert left(tmp_path) == []


@pytest.mark.asyncio
async def test_no_messages(box: Sandbox, tmp_path: Path) -> None:
    """Without messages there is no folder of them, and none is asked for."""
    report = await run(box, tmp_path, messages=False)
    assert set(report.rows) == {"models", "conversations"}
    assert not (tmp_path / "messages").exists()


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", ["header:X-Api-Token", "query:api_token"])
async def test_other_places_of_the_token(tmp_path: Path, auth: str) -> None:
    """With the token in a header or in the query the export is the same."""
    with Sandbox(conversations=20, auth=auth) as box:
        await run(box, tmp_path)
        assert exported(tmp_path, "messages") == truth(box, "messages")


@pytest.mark.asyncio
async def test_a_server_that_gives_fewer_rows(tmp_path: Path) -> None:
    """A page smaller than asked for is followed."""
    with Sandbox(conversations=40, max_per_page=7) as box:
        report = await run(box, tmp_path)
        assert exported(tmp_path, "messages") == truth(box, "messages")
        assert report.certified


@pytest.mark.asyncio
async def test_the_figures_are_the_servers(tmp_path: Path) -> None:
    """The report counts as many requests as the server did, and its manifest holds the same."""
    with Sandbox(conversations=30) as box:
        report = await run(box, tmp_path, per_page=4)
        assert report.requests == box.stats()["requests"]
        assert box.stats()["by_status"] == {"200": report.requests}
    assert manifest(tmp_path)["requests"] == report.requests
    assert (report.retries, report.size) == (0, sum(part["size"] for part in manifest(tmp_path)["parts"]))


@pytest.mark.asyncio
async def test_progress_ends_with_the_report(box: Sandbox, tmp_path: Path) -> None:
    """The observer is told ever growing figures, the last of which are the report's."""
    seen: list[Progress] = []
    report = await run(box, tmp_path, observer=seen.append)
    last = seen[-1]
    assert (dict(last.rows), last.requests, last.paused) == (report.rows, report.requests, None)
    assert last.conversations_done == last.conversations_total == 150
    assert [each.requests for each in seen] == sorted(each.requests for each in seen)


@pytest.mark.asyncio
async def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    """The same export again gives the same report, touches no file and asks the server nothing."""
    with Sandbox(conversations=20) as box:
        first = await run(box, tmp_path)
        before = touched(tmp_path)
        asked = box.stats()["requests"]
        again = await run(box, tmp_path)
        assert box.stats()["requests"] == asked
    assert touched(tmp_path) == before
    assert (again.reused, again.manifest()) == (True, first.manifest())


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "other", [{"messages": False}, {"since": "2020-01-01"}, {"models": [1]}, {"source": "another server"}]
)
async def test_another_query_is_refused(box: Sandbox, tmp_path: Path, other: dict[str, Any]) -> None:
    """A folder that holds another export is refused and left as it is."""
    await run(box, tmp_path, until="2024-01-01")
    before = manifest(tmp_path)
    with pytest.raises(ConfigurationError, match="holds an export of something else"):
        await run(box, tmp_path, **({"until": "2024-01-01"} | other))
    assert manifest(tmp_path) == before


@pytest.mark.asyncio
async def test_the_same_query_in_other_words(box: Sandbox, tmp_path: Path) -> None:
    """A range in another offset and models in another order are the same query."""
    one, two, _ = (row["id"] for row in truth(box, "models"))
    await run(box, tmp_path, since="2024-01-01", models=[one, two], messages=False)
    again = await run(box, tmp_path, since="2024-01-01T07:00:00+0700", models=[two, one, two], messages=False)
    assert again.reused


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "xml"}, "format takes jsonl"),
        ({"since": "2025-01-02", "until": "2025-01-01"}, "since"),
        ({"since": datetime(2025, 1, 1)}, "since"),  # noqa: DTZ001 - that is the mistake
        ({"until": "soon"}, "until"),
        ({"since": "2999-01-01"}, "since lies in the future"),
    ],
)
async def test_wrong_arguments(box: Sandbox, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    """A wrong argument is named, and no folder is made."""
    with pytest.raises(ConfigurationError, match=words):
        await run(box, tmp_path / "out", **options)
    assert left(tmp_path) == []


@pytest.mark.asyncio
async def test_an_empty_destination(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty path is refused: it is a forgotten variable, and does not mean the current folder."""
    monkeypatch.chdir(tmp_path)
    async with AsyncClient(box.base_url, token=box.token) as client:
        with pytest.raises(ConfigurationError, match="the destination is empty"):
            await export(client, "")
    assert left(tmp_path) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("harm", ["gone", "cut"])
async def test_a_damaged_export(box: Sandbox, tmp_path: Path, harm: str) -> None:
    """A finished export whose part is missing or cut is not told to be complete when it is run again."""
    await run(box, tmp_path, messages=False)
    part = tmp_path / "conversations" / "part-00000.jsonl"
    if harm == "gone":
        part.unlink()
    else:
        part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(ExportError, match=r"part-00000\.jsonl is not as the export left it"):
        await run(box, tmp_path, messages=False)
