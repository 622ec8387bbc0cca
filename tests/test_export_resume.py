"""Exports that are stopped somewhere and gone on with: each row once, nothing read that was kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from export_api import BROKEN, Answer, FakeApi
from export_memory import MemoryDestination
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncchat import AsyncClient, AuthenticationError, ExportError, Request, Response
from asyncchat.export import RESUMABLE, ExportReport, Progress, export, sink
from asyncchat.testing import FakeClock, MockTransport

pytestmark = pytest.mark.heavy


@pytest.fixture
def commits_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every item be followed by a commit, as if each took very long."""
    monkeypatch.setattr(sink, "is_commit_due", lambda *_: True)


def is_whole(destination: MemoryDestination, api: FakeApi) -> bool:
    kinds = ("models", "conversations")
    told = sorted(
        (row | {"conversation_id": owner} for kind, owner, row in destination.rows if kind == "messages"),
        key=lambda row: row["id"],
    )
    return all(destination.of(kind) == api.rows(kind) for kind in kinds) and told == api.rows("messages")


def from_request(api: FakeApi, number: int, answer: Answer) -> Callable[[Request], Answer | None]:
    """Answer so from a request on."""
    return lambda _: answer if len(api.requests) >= number else None


def cancelling(api: FakeApi, task: asyncio.Task[ExportReport], number: int) -> Callable[[Request], None]:
    """Cancel a task at a request."""

    def answer(_: Request) -> None:
        if len(api.requests) == number:
            task.cancel()

    return answer


async def run_into(destination: MemoryDestination, api: FakeApi, per_page: int = 5) -> ExportReport:
    async with api.client(per_page=per_page) as client:
        return await export(client, destination)


@pytest.mark.asyncio
@pytest.mark.usefixtures("commits_always")
async def test_a_refusal_anywhere() -> None:
    """Refused at whichever of its requests and started again, an export has each row once and reads little twice."""
    total = await requests_of(FakeApi.of(23, messages=7))
    for number in range(1, total + 1):
        api, destination = FakeApi.of(23, messages=7), MemoryDestination()
        api.answer = from_request(api, number, Response(status=401))
        with pytest.raises(AuthenticationError) as refused:
            await run_into(destination, api)
        kept, api.answer = bool(destination.marks), lambda _: None
        assert getattr(refused.value, "__notes__", []) == ([RESUMABLE] if kept else [])
        report = await run_into(destination, api)
        assert is_whole(destination, api)
        assert (report.certified, report.resumed) == (True, kept)
        assert (report.requests == len(api.requests)) is kept or number == 1
        assert not kept or len(api.requests) <= total + 3 * 23  # the pages of each conversation that was being read


async def requests_of(api: FakeApi) -> int:
    await run_into(MemoryDestination(), api)
    return len(api.requests)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(1, 30), min_size=1, max_size=8), step=st.sampled_from([0, 1, 10]))
def test_runs_that_are_killed(cuts: list[int], step: int) -> None:
    """However many runs are killed wherever, the last one leaves each row once."""
    api, destination = FakeApi.of(17, messages=6, step=step), MemoryDestination()

    async def killed(after: int) -> None:
        async with api.client(per_page=5) as client:
            task = asyncio.ensure_future(export(client, destination))
            api.answer = cancelling(api, task, len(api.requests) + after)
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sink, "is_commit_due", lambda *_: True)
        for cut in cuts:
            asyncio.run(killed(cut))
            destination.is_open = False
        api.answer = lambda _: None
        report = asyncio.run(run_into(destination, api))
    assert is_whole(destination, api)
    assert report.certified


@pytest.mark.asyncio
async def test_cancelling_commits() -> None:
    """What was read until a cancellation is committed, though no commit was due."""
    api, destination = FakeApi.of(40), MemoryDestination()
    async with api.client() as client:
        task = asyncio.ensure_future(export(client, destination))
        api.answer = cancelling(api, task, 30)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert destination.commits == 1
        assert len(destination.rows) > 40
        api.answer = lambda _: None
        before = len(api.requests)
        report = await export(client, destination)
    assert is_whole(destination, api)
    assert report.requests == len(api.requests)
    assert len(api.requests) - before < 40


@pytest.mark.asyncio
async def test_a_finished_export() -> None:
    """A finished export is told again without a request; a fresh one replaces it."""
    api, destination = FakeApi.of(3), MemoryDestination()
    first = await run_into(destination, api)
    sent = len(api.requests)
    again = await run_into(destination, api)
    assert (again.reused, first.reused, again.rows) == (True, False, first.rows)
    assert len(api.requests) == sent
    async with api.client() as client:
        anew = await export(client, destination, fresh=True)
    assert (anew.reused, anew.rows) == (False, first.rows)
    assert is_whole(destination, api)


@pytest.mark.asyncio
@pytest.mark.usefixtures("commits_always")
async def test_a_full_disk() -> None:
    """A destination that fails stops the export at once; what was committed before is gone on from."""
    api, destination = FakeApi.of(30), MemoryDestination(fails_at=12)
    with pytest.raises(ExportError, match=r"memory cannot be written \(No space left on device\): what was committed"):
        await run_into(destination, api)
    assert not destination.is_open
    assert 0 < len(destination.rows) < 61
    await run_into(destination, api)
    assert is_whole(destination, api)


@pytest.mark.asyncio
async def test_marks_of_another_version() -> None:
    """Marks that this version does not know are refused with what to do."""
    destination = MemoryDestination(marks=['{"v":99}'])
    with pytest.raises(ExportError, match="export anew with fresh=True"):
        await run_into(destination, FakeApi.of(1))
    assert not destination.is_open


@pytest.mark.asyncio
async def test_an_outage_longer_than_patience() -> None:
    """A server that answers nothing for longer than the patience ends the run; the next one goes on."""
    api, destination, clock = FakeApi.of(60), MemoryDestination(), FakeClock()
    api.answer = from_request(api, 31, BROKEN)
    async with AsyncClient(transport=MockTransport(api, clock=clock)) as client:
        with pytest.raises(Exception, match="500") as ended:
            await export(client, destination, patience=120)
    assert ended.value.__notes__[-1] == RESUMABLE
    assert sum(clock.slept) >= 120
    assert len(api.requests) < 30 + 100
    api.answer = lambda _: None
    await run_into(destination, api)
    assert is_whole(destination, api)


@pytest.mark.asyncio
async def test_progress_goes_on() -> None:
    """What an earlier run brought is counted in the progress of the next one."""
    api, destination, seen = FakeApi.of(40), MemoryDestination(), list[Progress]()
    api.answer = from_request(api, 30, Response(status=401))
    with pytest.raises(AuthenticationError):
        await run_into(destination, api)
    api.answer = lambda _: None
    async with api.client() as client:
        await export(client, destination, observer=seen.append)
    assert seen[0].rows["conversations"] == 40
    assert seen[0].conversations_done > 0
    assert (seen[-1].conversations_done, seen[-1].windows_left, seen[-1].in_flight) == (40, 0, 0)
    assert seen[-1].seconds_left == 0
