"""Exports from servers that fail, refuse and die, and exports that are cancelled: nothing lost, nothing half done."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from export_api import (
    BROKEN,
    START,
    Answer,
    FakeApi,
    asked,
    conversation,
    exported,
    kept,
    left,
    manifest,
    message,
    run,
    stamp,
)

from asyncchat import (
    APIConnectionError,
    AsyncClient,
    AuthenticationError,
    DecodeError,
    ExportError,
    PermissionDeniedError,
    RateLimitError,
    Request,
    Response,
    ServerError,
)
from asyncchat.export import RESUMABLE, ExportReport, Progress, export
from asyncchat.testing import FakeClock, MockTransport, json_response


@pytest.mark.asyncio
async def test_messages_that_always_fail(tmp_path: Path) -> None:
    """A conversation whose messages never come is named as not certified; all the rest is there."""
    api = FakeApi.of(12, answer=lambda request: BROKEN if request.path == "/conversations/5/messages" else None)
    report = await run(api, tmp_path)
    assert exported(tmp_path, "messages") == [row for row in api.rows("messages") if row["conversation_id"] != 5]
    assert (report.certified, len(report.uncertified)) == (False, 1)
    assert report.uncertified[0].startswith("messages of conversation 5: GET /conversations/5/messages: 500")


@pytest.mark.asyncio
async def test_a_page_that_always_fails(tmp_path: Path) -> None:
    """A window with a page that never comes is named as not certified, and stops nothing else."""

    def answer(request: Request) -> Answer | None:
        is_bad = request.path == "/models/1/conversations" and asked(request, "page") == 2
        return BROKEN if is_bad else None

    api = FakeApi.of(12, answer=answer)
    api.models.append({"id": 2, "name": "n", "created_at": stamp(START)})
    api.conversations.append(conversation(99, START, model_id=2))
    report = await run(api, tmp_path, models=[1, 2], messages=False)
    assert [row["id"] for row in exported(tmp_path, "conversations")] == [99]
    assert len(report.uncertified) == 1
    assert report.uncertified[0].startswith("window the beginning to 2025-")


@pytest.mark.asyncio
async def test_many_that_always_fail(tmp_path: Path) -> None:
    """Many conversations that fail to the end do not take the others with them."""
    dead = {f"/conversations/{i}/messages" for i in range(4, 61, 4)}
    api = FakeApi.of(60, answer=lambda request: BROKEN if request.path in dead else None)
    report = await run(api, tmp_path)
    assert (len(report.uncertified), report.rows["messages"]) == (15, 45)


@pytest.mark.asyncio
async def test_a_server_that_asks_for_patience(tmp_path: Path) -> None:
    """A Retry-After is waited for and told to the observer, and the export is whole."""
    busy, seen = iter([Response(status=429, headers={"Retry-After": "7"})]), list[Progress]()
    api = FakeApi.of(3, answer=lambda request: next(busy, None) if request.path.endswith("/messages") else None)
    transport = MockTransport(api, clock=(clock := FakeClock()))
    async with AsyncClient(transport=transport) as client:
        report = await export(client, tmp_path, observer=seen.append)
    assert (report.certified, report.retries) == (True, 1)
    assert any(7.0 <= seconds <= 7.5 for seconds in clock.slept)
    assert "the server asked for patience (429): 7 s" in [each.paused for each in seen]


@pytest.mark.asyncio
async def test_a_server_with_a_limit(tmp_path: Path) -> None:
    """A server that answers 429 to every fourth request, and says for how long, is exported from whole."""
    count = itertools.count()
    busy = Response(status=429, headers={"Retry-After": "1"})
    api = FakeApi.of(40, answer=lambda _request: None if next(count) % 4 else busy)
    report = await run(api, tmp_path)
    assert report.certified
    assert exported(tmp_path, "messages") == api.rows("messages")
    assert report.retries >= report.requests // 4 - 1


@pytest.mark.asyncio
async def test_a_failure_that_passes(tmp_path: Path) -> None:
    """A conversation that fails for long is tried once more at the end, and then is there."""
    failures = iter(range(1, 9))  # more than the attempts of one call

    def answer(request: Request) -> Answer | None:
        return BROKEN if request.path == "/conversations/5/messages" and next(failures, None) else None

    api = FakeApi.of(12, answer=answer)
    report = await run(api, tmp_path)
    assert exported(tmp_path, "messages") == api.rows("messages")
    assert (report.certified, report.retries) == (True, 7)


@pytest.mark.asyncio
async def test_a_lone_surrogate_in_a_servers_words(tmp_path: Path) -> None:
    """Whatever a server says in an error, the manifest can be written."""
    broken = Response(status=500, body=rb'{"message": "\ud800\u001b[2J"}')
    api = FakeApi.of(3, answer=lambda request: broken if request.path == "/conversations/2/messages" else None)
    await run(api, tmp_path)
    assert "\ud800\x1b[2J" in manifest(tmp_path)["uncertified"][0]


@pytest.mark.asyncio
async def test_a_deleted_conversation(tmp_path: Path) -> None:
    """A listed conversation whose messages are gone is told as deleted, and all is certified."""
    api = FakeApi.of(5)
    del api.messages[3]
    report = await run(api, tmp_path)
    assert (report.deleted, report.certified) == ((3,), True)
    assert manifest(tmp_path)["deleted"] == [3]


@pytest.mark.asyncio
async def test_a_conversation_that_is_not_gone(tmp_path: Path) -> None:
    """A 404 on the messages of a conversation that is still there counts for nothing: they are read again."""
    refusals = iter([Response(status=404)])

    def answer(request: Request) -> Answer | None:
        if request.path == "/conversations/3":
            return json_response(conversation(3, START + 30))
        return next(refusals, None) if request.path == "/conversations/3/messages" else None

    api = FakeApi.of(5, answer=answer)
    report = await run(api, tmp_path)
    assert (report.certified, report.deleted) == (True, ())
    assert exported(tmp_path, "messages") == api.rows("messages")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (403, PermissionDeniedError), (429, RateLimitError)]
)
async def test_a_refusal_in_the_middle(tmp_path: Path, status: int, kind: type[Exception]) -> None:
    """One answer that the token is not taken, or to stay away for days, ends it all; the next run goes on."""
    refusal = Response(status=status, headers={"Retry-After": "400000"})
    api = FakeApi.of(100)
    api.answer = lambda _: refusal if len(api.requests) == 60 else None
    with pytest.raises(kind) as ended:
        await run(api, tmp_path / "out")
    assert ended.value.__notes__ == [RESUMABLE]
    assert kept(tmp_path) == ["out"]
    assert len(api.requests) <= 60 + 33  # what was under way
    before = len(api.requests)
    report = await run(api, tmp_path / "out")
    assert (report.certified, report.resumed, report.requests) == (True, True, len(api.requests))
    assert exported(tmp_path / "out", "messages") == api.rows("messages")
    assert len(api.requests) - before < 100


@pytest.mark.asyncio
@pytest.mark.parametrize("failure", [BROKEN, APIConnectionError("gone", sent=True)], ids=["500", "connection"])
async def test_a_server_that_dies(tmp_path: Path, failure: Answer) -> None:
    """A server that answers nothing any more ends it all after few requests; the next run goes on."""
    api = FakeApi.of(500)
    api.answer = lambda _: failure if len(api.requests) > 200 else None
    with pytest.raises((ServerError, APIConnectionError)) as ended:
        await run(api, tmp_path / "out", patience=0)
    assert ended.value.__notes__[-1] == RESUMABLE
    assert len(api.requests) < 200 + 100
    api.answer = lambda _: None
    assert (await run(api, tmp_path / "out")).certified
    assert exported(tmp_path / "out", "messages") == api.rows("messages")


@pytest.mark.asyncio
async def test_garbage(tmp_path: Path) -> None:
    """A page that is no JSON is asked for again, and is not certified when it stays so."""
    garbage = Response(status=200, body=b"<html>")
    api = FakeApi.of(6, answer=lambda request: garbage if request.path == "/conversations/2/messages" else None)
    report = await run(api, tmp_path)
    assert "HTML page" in report.uncertified[0]


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"data": null}', b"<html>", b""])
async def test_another_server(tmp_path: Path, body: bytes) -> None:
    """A server that is not this API is told as such; nothing is left."""
    with pytest.raises(DecodeError, match="heck that base_url is the API's"):
        await run(FakeApi(answer=lambda _: Response(status=200, body=body)), tmp_path / "out")
    assert left(tmp_path) == []


@pytest.mark.asyncio
async def test_no_clock(tmp_path: Path) -> None:
    """Without a Date header the end is taken from this machine's clock."""
    report = await run(FakeApi.of(3, date=None), tmp_path)
    assert (datetime.now(UTC) - report.as_of).total_seconds() >= 3
    assert report.rows["conversations"] == 3


@pytest.mark.asyncio
async def test_the_servers_clock(tmp_path: Path) -> None:
    """The export is complete up to 3 s before the server's clock, reads one second more, and leaves newer rows out."""
    api = FakeApi(conversations=[conversation(i, 1_750_000_000 - i) for i in range(6)])
    report = await run(api, tmp_path, messages=False)
    assert report.as_of == datetime.fromtimestamp(1_750_000_000 - 3, UTC)
    assert [row["id"] for row in exported(tmp_path, "conversations")] == [2, 3, 4, 5]


@pytest.mark.asyncio
async def test_hidden_fractions_in_the_last_second(tmp_path: Path) -> None:
    """A row of the last second that counts is there, also when the server's filter sees a fraction behind it."""
    last = 1_750_000_000 - 3
    api = FakeApi(conversations=[conversation(1, last)], hidden={1: last + 0.5})
    report = await run(api, tmp_path, messages=False)
    assert report.as_of == datetime.fromtimestamp(last, UTC)
    assert [row["id"] for row in exported(tmp_path, "conversations")] == [1]


@pytest.mark.asyncio
async def test_a_message_with_its_own_conversation(tmp_path: Path) -> None:
    """A server that sends conversation_id with its messages is not corrected."""
    api = FakeApi.of(1)
    api.messages[1] = [message(5) | {"conversation_id": 1}]
    await run(api, tmp_path)
    lines = (tmp_path / "messages" / "part-00000.jsonl").read_bytes()
    assert lines.count(b"conversation_id") == 1


# ---- cancelling


@pytest.mark.asyncio
async def test_cancelling_anywhere(tmp_path: Path) -> None:
    """Cancelled at whichever of its requests, an export is gone on with by the same call on the same client."""
    total = len((await counted(FakeApi.of(7, messages=7), tmp_path / "whole")).requests)
    for number in range(1, total + 1):
        api = FakeApi.of(7, messages=7)
        async with api.client(per_page=5) as client:
            task = asyncio.ensure_future(export(client, tmp_path / "out" / "deep"))
            api.answer = cancelling(api, task, number)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert kept(tmp_path / "out") in ([], ["deep"])
            api.answer = lambda _: None
            report = await export(client, tmp_path / "out" / "deep")
            assert (report.certified, report.rows["messages"]) == (True, 49)
        assert exported(tmp_path / "out" / "deep", "messages") == api.rows("messages")
        shutil.rmtree(tmp_path / "out")
    assert total > 20


async def counted(api: FakeApi, folder: Path) -> FakeApi:
    await run(api, folder)
    return api


def cancelling(api: FakeApi, task: asyncio.Task[ExportReport], number: int) -> Callable[[Request], None]:
    def answer(_: Request) -> None:
        if len(api.requests) == number:
            task.cancel()

    return answer


@pytest.mark.asyncio
async def test_cancelling_what_hangs(tmp_path: Path) -> None:
    """An export whose server hangs ends as soon as it is cancelled, and leaves no task behind."""
    api, hangs = FakeApi.of(12), asyncio.Event()

    async def hang(request: Request) -> Answer:
        if request.path.endswith("/messages"):
            hangs.set()
            await asyncio.Event().wait()
        return api(request)

    async with AsyncClient(transport=MockTransport(hang)) as client:
        task = asyncio.ensure_future(export(client, tmp_path / "out"))
        await hangs.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert kept(tmp_path) == ["out"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.asyncio
async def test_an_observer_that_fails(tmp_path: Path) -> None:
    """An observer's closed pipe comes out as itself, and is not taken for a disk that fails."""

    def observe(_: Progress) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await run(FakeApi.of(3), tmp_path / "out", observer=observe)
    assert kept(tmp_path) in ([], ["out"])


@pytest.mark.asyncio
async def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A destination that fails is an ExportError that says what to do, and what it did not take is not there."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match=r"cannot be written \(No space left on device\): what was committed is kept"):
        await run(FakeApi.of(3), tmp_path / "out")
    assert left(tmp_path) == []


@pytest.mark.asyncio
async def test_two_at_once(tmp_path: Path) -> None:
    """Of two exports into one folder at once one is refused, and the other one is whole."""
    api = FakeApi.of(12)
    async with api.client() as client:
        results = await asyncio.gather(
            export(client, tmp_path / "out"), export(client, tmp_path / "out"), return_exceptions=True
        )
    refused = [result for result in results if isinstance(result, ExportError)]
    assert [" ".join(str(error).split()[:2]) for error in refused] == ["another export"]
    assert exported(tmp_path / "out", "messages") == api.rows("messages")
