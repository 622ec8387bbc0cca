"""Metrics: durations by the conventions for HTTP clients, and what the client does of its own."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from answers import model
from telemetry import URL, Telemetry, client_of

from asyncchat import APIConnectionError, AsyncClient, Request, Response, RetryPolicy
from asyncchat.sandbox import Fault, Sandbox
from asyncchat.testing import json_response

if TYPE_CHECKING:
    from asyncchat.testing import MockTransport

pytestmark = pytest.mark.asyncio

OK = json_response(model(1))
DOWN = Response(status=500)
BUSY = Response(status=429, headers={"Retry-After": "7"})
SERVER = {"server.address": "chat.example.com", "server.port": 443}
GET = {"http.request.method": "GET", "url.template": "/v1/models/{model_id}", **SERVER}


@pytest.fixture(autouse=True)
def _jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.5)


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


def counts(telemetry: Telemetry, name: str) -> list[tuple[dict[str, Any], int]]:
    """The attributes of each point, and how many values it counts."""
    return [(attributes, point.count) for attributes, point in telemetry.points(name)]


async def test_names_and_units(telemetry: Telemetry) -> None:
    """There are three metrics, with the units and, for durations, the buckets that the conventions advise."""
    client, _ = client_of(telemetry, [BUSY, OK])
    await client.models.get(1)
    found = telemetry.metrics()
    assert {name: metric.unit for name, metric in found.items()} == {
        "http.client.request.duration": "s",
        "asyncchat.client.retries": "{retry}",
        "asyncchat.client.pause.duration": "s",
    }
    ((_, point), _) = telemetry.points("http.client.request.duration")
    assert point.explicit_bounds == (
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)  # fmt: skip


async def test_durations(telemetry: Telemetry) -> None:
    """Each request is measured once, by method, server, template, and status or error."""
    client, _ = client_of(telemetry, [DOWN, APIConnectionError("lost"), OK, OK])
    await client.models.get(1)
    await client.models.get(2)
    assert counts(telemetry, "http.client.request.duration") == [
        ({**GET, "http.response.status_code": 500, "error.type": "500"}, 1),
        ({**GET, "error.type": "APIConnectionError"}, 1),
        ({**GET, "http.response.status_code": 200}, 2),
    ]


async def test_seconds(telemetry: Telemetry) -> None:
    """A duration is the seconds from sending to the body's end, by the client's clock; waits do not count."""

    def slow(_request: Request) -> Response:
        transport.clock.advance(0.3)
        return OK if len(transport.requests) > 1 else BUSY

    transport: MockTransport
    client, transport = client_of(telemetry, slow)
    await client.models.get(1)
    points = [point for _, point in telemetry.points("http.client.request.duration")]
    assert [point.sum for point in points] == pytest.approx([0.3, 0.3])


async def test_retries(telemetry: Telemetry) -> None:
    """Retries are counted by what the attempt before them ended with."""
    web_page = Response(status=200, body=b"<html>")
    client, _ = client_of(telemetry, [DOWN, APIConnectionError("lost"), OK, web_page, OK, DOWN, OK])
    for _ in range(3):
        await client.models.get(1)
    told = [(attributes, point.value) for attributes, point in telemetry.points("asyncchat.client.retries")]
    assert told == [
        ({**GET, "error.type": "500"}, 2),
        ({**GET, "error.type": "APIConnectionError"}, 1),
        ({**GET, "error.type": "DecodeError"}, 1),
    ]


async def test_pauses(telemetry: Telemetry) -> None:
    """Pauses are measured by server and status: their number and their seconds."""
    client, transport = client_of(telemetry, [BUSY, OK, BUSY, OK])
    await client.models.get(1)
    await client.models.get(1)
    ((attributes, point),) = telemetry.points("asyncchat.client.pause.duration")
    assert attributes == {**SERVER, "http.response.status_code": 429}
    assert (point.count, point.sum) == (2, pytest.approx(sum(transport.clock.slept)))


async def test_few_series(telemetry: Telemetry) -> None:
    """However many ids and queries are asked for, the metrics have as many series as templates and statuses."""
    client, _ = client_of(telemetry, lambda request: json_response(model(int(request.path.rpartition("/")[2]))))
    for number in range(200):
        await client.models.get(number)
    assert counts(telemetry, "http.client.request.duration") == [({**GET, "http.response.status_code": 200}, 200)]


async def test_an_example_names_its_span(telemetry: Telemetry) -> None:
    """A measured duration leads to the span of its request."""
    client, _ = client_of(telemetry, [OK])
    await client.models.get(1)
    ((_, point),) = telemetry.points("http.client.request.duration")
    known = telemetry.span().get_span_context()
    assert known is not None
    assert [(found.trace_id, found.span_id) for found in point.exemplars] == [(known.trace_id, known.span_id)]


async def test_they_agree_with_the_server(telemetry: Telemetry) -> None:
    """Over sockets, with faults, spans, durations and retries are as many as the server counted."""
    faults = [Fault("status", status=502, probability=0.2), Fault("truncated", probability=0.1)]
    retry = RetryPolicy(attempts=6, backoff=0.001, patience=60)
    with Sandbox(conversations=120, messages_mean=1, faults=faults) as box:
        async with AsyncClient(box.base_url, token=box.token, hooks=[telemetry.hook], retry=retry) as chat:
            rows = await chat.conversations.list(per_page=2).collect()
            await asyncio.gather(*(chat.conversations.get(row.id) for row in rows))
        stats: Any = box.stats()
    assert stats["by_fault"].keys() == {"status", "truncated"}
    assert len(telemetry.spans()) == stats["requests"]
    answered: dict[str, int] = {}
    for attributes, count in counts(telemetry, "http.client.request.duration"):
        status = str(attributes.get("http.response.status_code", "none"))
        answered[status] = answered.get(status, 0) + count
    faulty = stats["by_fault"]
    assert answered == {
        "200": stats["requests"] - sum(faulty.values()), "502": faulty["status"], "none": faulty["truncated"]
    }  # fmt: skip
    retries = sum(point.value for _, point in telemetry.points("asyncchat.client.retries"))
    assert retries == sum(stats["by_fault"].values())
    assert f"{URL}/" not in str(telemetry.metrics())
