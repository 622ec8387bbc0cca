"""The audit: the log of requests."""

from __future__ import annotations

import json

import pytest
from attrs import asdict
from contract_shapes import ask, settled
from sandbox_wire import connect, control, get

from asyncchat.sandbox import Fault, Sandbox
from asyncchat.sandbox.audit import REMEMBERED, Audit
from asyncchat.sandbox.serving.answers import Call


@pytest.mark.asyncio
async def test_what_is_written_down() -> None:
    """A request is remembered with all that a test may want to know of it."""
    with Sandbox(conversations=5, faults=[Fault("status", status=502, nth=2)]) as box:
        await get(box, "/conversations?page=1&since=2024-01-01T00:00:00%2B0700", User_Agent="curl/8")
        reply = await get(box, "/models")
        first, second = box.requests()
    assert (first.method, first.path, first.status, first.fault) == ("GET", "/v1/conversations", 200, None)
    assert (first.query, first.user_agent) == ("page=1&since=2024-01-01T00%3A00%3A00%2B0700", "curl/8")
    assert (second.status, second.fault, second.in_flight) == (502, "status", 1)
    assert reply.headers["X-Request-Id"] == f"req-{second.serial:012}"
    assert second.time >= first.time > 0


@pytest.mark.asyncio
async def test_the_endpoint_is_the_method() -> None:
    """`GET /_sandbox/requests` gives a line for each request, without a token, and does not count itself."""
    with Sandbox(conversations=5) as box:
        for path in ("/models", "/models/0"):
            await get(box, path)
        reply = await control(box, "/requests")
        assert reply.headers["Content-Type"] == "application/x-ndjson"
        assert [json.loads(line) for line in reply.body.splitlines()] == [asdict(entry) for entry in box.requests()]


@pytest.mark.asyncio
@pytest.mark.parametrize("query", ["key=s3cret&page=1", "page=1&key=wrong", "page=1&other=s3cret", "page=1"])
async def test_the_token_is_not_written_down(query: str) -> None:
    """Neither the parameter of the token nor the token anywhere else is remembered."""
    with Sandbox(conversations=0, token="s3cret", auth="query:key") as box:
        await ask(box, f"/models?{query}", headers={})
        assert [entry.query for entry in box.requests()] == ["page=1"]


@pytest.mark.asyncio
async def test_a_request_that_was_given_up() -> None:
    """A caller that goes away before the answer is remembered without a status."""
    with Sandbox(conversations=0, latency=3_600) as box:
        raw = connect(box, "/models")
        await settled(box, "in_flight", 1)
        raw.close()
        await settled(box, "in_flight", 0)
        assert [(entry.path, entry.status) for entry in box.requests()] == [("/v1/models", None)]


@pytest.mark.asyncio
async def test_faults_are_counted_by_kind() -> None:
    """The counters tell how often each kind of fault struck."""
    with Sandbox(conversations=0, faults=[Fault("empty", times=2), Fault("html", nth=3)]) as box:
        for _ in range(4):
            await get(box, "/models")
        assert box.stats()["by_fault"] == {"empty": 2, "html": 1}


def test_the_log_is_bounded() -> None:
    """Only the last requests are remembered one by one."""
    audit, call = Audit(), Call("GET", "/v1/models", {}, ())
    for serial in range(REMEMBERED + 5):
        audit.end(audit.begin(serial, "/models"), call, 200, None, ("", "token"))
    assert [entry.serial for entry in audit.log()[:1]] == [5]
    assert (len(audit.log()), audit.summary()["requests"]) == (REMEMBERED, REMEMBERED + 5)


def test_a_reset_forgets_the_log() -> None:
    """After a reset nothing is remembered."""
    audit, call = Audit(), Call("GET", "/v1/models", {}, ())
    audit.end(audit.begin(1, "/models"), call, 200, None, ("", "token"))
    audit.reset()
    assert audit.log() == []


@pytest.mark.asyncio
async def test_the_log_outlives_the_sandbox() -> None:
    """After a stop the log can still be read."""
    with Sandbox(conversations=0) as box:
        await get(box, "/models")
    assert len(box.requests()) == 1
