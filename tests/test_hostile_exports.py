"""Exports from a hostile sandbox: certified and true, or doubts that are named, or an error and nothing left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from answers import no_tasks_left
from export_api import Row, exported, kept, manifest
from hostile import CONVERSATIONS, TOKEN, check_shown, check_usable, client_of, counted, named

from asyncchat import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncChatError,
    AuthenticationError,
    DecodeError,
    ExportError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from asyncchat.export import ExportReport, engine, export, stopping, sync, verify
from asyncchat.sandbox import Fault, Sandbox

pytestmark = pytest.mark.heavy

CONVERSATION, MESSAGES = "/conversations", "/conversations/{conversation_id}/messages"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(models=2, conversations=CONVERSATIONS, messages_mean=4, token=TOKEN) as box:
        yield box


@pytest.fixture
def box(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setattr(engine, "RETRY", attrs.evolve(stopping.RETRY, attempts=3, backoff=0.0))
    running.clear_faults()
    return running


def truth(box: Sandbox, kind: Any) -> list[Row]:
    return sorted(box.truth(kind), key=lambda row: int(str(row["id"])))


async def run(box: Sandbox, folder: Path, *faults: Fault, **options: Any) -> tuple[ExportReport, int]:
    """An export under faults, and the number of requests as the server counted them."""
    before = counted(box)
    box.faults(*faults)
    async with client_of(box) as chat:
        report = await export(chat, folder, patience=0, **options)
        sent = counted(box) - before
        assert TOKEN not in f"{report!r} {manifest(folder)}"
        box.behave(max_per_page=1_000, count_cap=None)
        await check_usable(box, chat)
    return report, sent


async def refusal(
    box: Sandbox, folder: Path, *faults: Fault, patience: float = 30.0, **options: Any
) -> tuple[AsyncChatError, int]:
    """What an export ends with under faults, and after how many requests; the next one goes on from there, whole."""
    before = counted(box)
    box.faults(*faults)
    async with client_of(box, timeout=patience) as chat:
        with pytest.raises(AsyncChatError) as caught:
            await export(chat, folder / "out", patience=0, **options)
        sent = counted(box) - before
        assert kept(folder) in ([], ["out"])
        check_shown(caught.value)
        await no_tasks_left()
    box.clear_faults()
    async with client_of(box) as chat:
        assert (await export(chat, folder / "out", **options)).certified
    assert options or exported(folder / "out", "conversations") == truth(box, "conversations")
    return caught.value, sent


# ---- everything fails


@pytest.mark.asyncio
@pytest.mark.parametrize("path", [CONVERSATION, MESSAGES])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        *((Fault(kind), APIConnectionError) for kind in ("reset", "reset-inside", "truncated", "bad-chunk")),
        *((Fault(kind), APIConnectionError) for kind in ("content-length", "huge-header", "many-headers")),
        *((Fault(kind), DecodeError) for kind in ("html", "empty", "invalid-json", "deep", "utf-16", "latin-1")),
        (Fault("nested-encoding"), DecodeError),
        (Fault("bomb", size=2**21), DecodeError),
        *((Fault("body", value=text), DecodeError) for text in ("{}", "[]", "null", f'{{"{TOKEN}"')),
        *((Fault("envelope", name="total_rows", value=text), DecodeError) for text in ("NaN", '"12"', "-1")),
        (Fault("ids", value="path"), DecodeError),
        (Fault("redirect"), APIStatusError),
        (Fault("redirect-loop"), APIStatusError),
        *((Fault("status", status=status), DecodeError) for status in (204, 206, 304)),
        (Fault("status", status=500), ServerError),
        (Fault("status", status=502, form="html"), ServerError),
        (Fault("status", status=401), AuthenticationError),
        (Fault("status", status=403), PermissionDeniedError),
    ],
    ids=lambda each: named(each) if isinstance(each, Fault) else "",
)
async def test_a_listing_that_never_comes(
    box: Sandbox, tmp_path: Path, fault: Fault, kind: type[AsyncChatError], path: str
) -> None:
    """A kind of rows that cannot be read at all ends the export with the error, soon, and nothing is left."""
    error, sent = await refusal(box, tmp_path, attrs.evolve(fault, path=path))
    assert isinstance(error, kind)
    assert sent < 150


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["silence", "slow"])
@pytest.mark.parametrize("path", ["/models", CONVERSATION, MESSAGES])
async def test_a_listing_that_takes_for_ever(box: Sandbox, tmp_path: Path, path: str, kind: Any) -> None:
    """An export from a server that does not answer ends with a timeout, and nothing is left (row 22)."""
    error, _ = await refusal(box, tmp_path, Fault(kind, path=path, seconds=60), patience=0.2)
    assert isinstance(error, APITimeoutError)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/models", CONVERSATION, MESSAGES])
async def test_a_server_that_asks_to_stay_away(box: Sandbox, tmp_path: Path, path: str) -> None:
    """A Retry-After of days ends the export with the time in the error (row 26)."""
    error, sent = await refusal(box, tmp_path, Fault("status", status=429, retry_after="410400", path=path))
    assert isinstance(error, RateLimitError)
    assert (error.retry_after, sent < 30) == (410_400, True)


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (403, PermissionDeniedError)])
@pytest.mark.parametrize("path", [CONVERSATION, MESSAGES])
async def test_a_token_that_ends_in_the_middle(
    box: Sandbox, tmp_path: Path, path: str, status: int, kind: type[AsyncChatError]
) -> None:
    """One refusal of the token in the middle stops everything, and nothing is left (row 27)."""
    error, sent = await refusal(box, tmp_path, Fault("status", status=status, path=path, nth=3))
    assert (type(error), sent < 60) == (kind, True), "of 71 when nothing stops it"


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["foreign-row", "unfiltered"])
async def test_a_filter_that_is_ignored(box: Sandbox, tmp_path: Path, kind: Any) -> None:
    """A row from outside the window ends the export (row 10)."""
    error, sent = await refusal(box, tmp_path, Fault(kind, path=CONVERSATION), since="2024-01-01")
    assert (type(error), "ignores since and until" in str(error), sent < 20) == (ExportError, True, True)


# ---- a part fails


@pytest.mark.asyncio
@pytest.mark.parametrize("path", [CONVERSATION, MESSAGES])
@pytest.mark.parametrize(
    "kind", ["reset", "reset-inside", "truncated", "content-length", "bad-chunk", "html", "invalid-json", "status"]
)
async def test_a_failure_that_passes(box: Sandbox, tmp_path: Path, kind: Any, path: str) -> None:
    """What fails once is read again, and the export is whole and certified (row 2)."""
    report, sent = await run(box, tmp_path, Fault(kind, path=path, nth=2))
    for rows in ("models", "conversations", "messages"):
        assert exported(tmp_path, rows) == truth(box, rows)
    assert (report.certified, sent < 80) == (True, True)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["status", "html", "truncated", "ids", "stamps", "deep"])
async def test_one_conversation_that_never_comes(box: Sandbox, tmp_path: Path, kind: Any) -> None:
    """Messages that never come are named as uncertified, and the rest is there (row 30)."""
    ids = {int(row["conversation_id"]) for row in truth(box, "messages")}
    bad = sorted(ids)[5]
    value = {"ids": "path", "stamps": "null"}.get(kind, "")
    report, _ = await run(box, tmp_path, Fault(kind, path=f"/conversations/{bad}/messages", value=value))
    assert exported(tmp_path, "messages") == [r for r in truth(box, "messages") if r["conversation_id"] != bad]
    assert exported(tmp_path, "conversations") == truth(box, "conversations")
    assert [doubt.split(":")[0] for doubt in report.uncertified] == [f"messages of conversation {bad}"]


@pytest.mark.asyncio
async def test_a_conversation_that_is_gone(box: Sandbox, tmp_path: Path) -> None:
    """A 404 on the messages of a listed conversation is recorded as deleted, and is no doubt (row 28)."""
    gone = int(truth(box, "messages")[0]["conversation_id"])
    report, _ = await run(box, tmp_path, Fault("status", status=404, path=f"/conversations/{gone}/messages"))
    assert (report.deleted, report.certified) == ((gone,), True)
    assert exported(tmp_path, "messages") == [r for r in truth(box, "messages") if r["conversation_id"] != gone]


@pytest.mark.asyncio
async def test_a_page_that_never_comes(box: Sandbox, tmp_path: Path) -> None:
    """A page that always fails leaves its window uncertified, by name (row 30)."""
    report, sent = await run(box, tmp_path, Fault("status", path=CONVERSATION, page=2))
    assert (report.certified, len(report.uncertified), sent < 40) == (False, 1, True)
    assert "500 Internal Server Error" in report.uncertified[0]
    assert exported(tmp_path, "models") == truth(box, "models")


@pytest.mark.asyncio
async def test_conversations_that_nothing_can_be_asked_by(box: Sandbox, tmp_path: Path) -> None:
    """Ids below 0 are kept as rows and named as uncertified: nobody can ask for their messages (row 15)."""
    report, _ = await run(box, tmp_path, Fault("row", name="id", value="-7", path=CONVERSATION))
    assert {row["id"] for row in exported(tmp_path, "conversations")} == {-7}
    assert any(doubt.startswith("messages of conversation -7: ") for doubt in report.uncertified)


# ---- lies


@pytest.mark.asyncio
@pytest.mark.parametrize("path", [CONVERSATION, MESSAGES])
@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(kind) for kind in ("bom", "cookies", "nulls", "missing", "extra")),
        *(Fault("stamps", value=form) for form in ("z", "colon", "fractions")),
        *(Fault("texts", value=form) for form in ("surrogate", "nul", "markup")),
        Fault("envelope", name="total_pages", value="1000000000"),
    ],
    ids=named,
)
async def test_a_form_that_is_kept(box: Sandbox, tmp_path: Path, fault: Fault, path: str) -> None:
    """Odd forms change nothing of what is exported, nor of its certificate (rows 5, 14, 16, 17, 19, 24)."""
    report, sent = await run(box, tmp_path, attrs.evolve(fault, path=path))
    for kind in ("conversations", "messages"):
        assert [row["id"] for row in exported(tmp_path, kind)] == [row["id"] for row in truth(box, kind)]
    assert (report.certified, sent < 100) == (True, True)


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["surrogate", "nul", "markup"])
@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "csv", "parquet"])
async def test_odd_texts_read_back(box: Sandbox, tmp_path: Path, kind: str, form: str) -> None:
    """What is in texts damages nothing: files that hold it are verified intact, and kept up to date (row 17)."""
    box.faults(*[Fault("texts", value=form, path=path) for path in (CONVERSATION, MESSAGES)])
    async with client_of(box) as chat:
        assert (await export(chat, tmp_path, format=kind, lag=0)).certified
        assert (await verify(chat, tmp_path, deep=True)).intact
        report = await sync(chat, tmp_path, lag=0, lookback=10**9, prune=True)
        assert (report.certified, report.deleted) == (True, ())
        assert (await verify(chat, tmp_path, deep=True)).intact


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/models", CONVERSATION, MESSAGES])
@pytest.mark.parametrize(
    "fault",
    [
        Fault("repeated-row"),
        Fault("empty-page"),
        Fault("empty-page", page=2),
        Fault("same-page"),
        Fault("envelope", name="total_rows", value="1"),
        Fault("envelope", name="total_pages", value="0"),
        Fault("envelope", name="total_pages", value="1"),
        Fault("ids", value="zero"),
    ],
    ids=lambda fault: f"{named(fault)} {fault.page or ''}",
)
async def test_never_a_false_certificate(box: Sandbox, tmp_path: Path, fault: Fault, path: str) -> None:
    """A server that lies about rows is exported whole, or named as uncertified (rows 5, 7, 8, 9, 12)."""
    report, sent = await run(box, tmp_path, attrs.evolve(fault, path=path))
    kind = path.rpartition("/")[2]
    is_whole = {row["id"] for row in exported(tmp_path, kind)} == {row["id"] for row in truth(box, kind)}
    assert is_whole or not report.certified or kind == "models"
    assert sent < 3_000


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["status", "empty-page"])
async def test_a_server_that_clamps_and_caps(box: Sandbox, tmp_path: Path, kind: Any) -> None:
    """Small pages and counts that end at 10 are split until all is there, under a passing fault too (6, 8, 12)."""
    box.behave(max_per_page=7, count_cap=10)
    report, sent = await run(box, tmp_path, Fault(kind, path=CONVERSATION, nth=4), messages=False)
    assert exported(tmp_path, "conversations") == truth(box, "conversations")
    assert (report.certified, sent < 400) == (True, True)
