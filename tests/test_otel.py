"""Spans: one for each request, by the conventions for HTTP clients. No network."""

from __future__ import annotations

import asyncio
import random
import re
from typing import TYPE_CHECKING

import pytest
from answers import model, page
from opentelemetry import context
from opentelemetry.baggage import set_baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.trace import SpanKind, StatusCode
from telemetry import Telemetry, client_of, facts, traceparent

import asyncchat
from asyncchat import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    DecodeError,
    Request,
    Response,
)
from asyncchat.integrations.otel import OpenTelemetryHook
from asyncchat.testing import json_response

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.asyncio

OK = json_response(model(1))
DOWN = Response(status=500)


@pytest.fixture(autouse=True)
def _jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.5)


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


async def test_a_request_is_a_client_span(telemetry: Telemetry) -> None:
    """A request that succeeds is one client span with the conventions' attributes, and no status."""
    client, _ = client_of(telemetry, [OK])
    await client.models.get(1)
    span = telemetry.span()
    assert (span.name, span.kind, span.status.status_code) == (
        "GET /v1/models/{model_id}", SpanKind.CLIENT, StatusCode.UNSET)  # fmt: skip
    assert facts(span) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "chat.example.com",
        "server.port": 443,
        "url.full": "https://chat.example.com/v1/models/1",
        "url.template": "/v1/models/{model_id}",
    }


async def test_the_scope(telemetry: Telemetry) -> None:
    """Spans say that asyncchat made them, in which version and by which conventions."""
    client, _ = client_of(telemetry, [OK])
    await client.models.get(1)
    scope = telemetry.span().instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version) == ("asyncchat", asyncchat.__version__)
    assert scope.schema_url == "https://opentelemetry.io/schemas/1.37.0"


async def test_the_parent_is_the_callers_span(telemetry: Telemetry) -> None:
    """The span's parent is the one that is current where the client is called; without one it is a root."""
    client, _ = client_of(telemetry, [OK, OK])
    with telemetry.tracer.start_as_current_span("work") as work:
        await client.models.get(1)
    await client.models.get(1)
    first, second = telemetry.spans()
    assert first.parent == work.get_span_context()
    assert second.parent is None


async def test_pages_have_the_parent_too(telemetry: Telemetry) -> None:
    """Pages that are fetched ahead, in tasks of their own, belong to the span in which they are read."""

    def pages(request: Request) -> Response:
        number = int(dict(request.params)["page"])
        return json_response(page([model(number)], page=number, rows_per_page=1, total_pages=4, total_rows=4))

    client, _ = client_of(telemetry, pages)
    with telemetry.tracer.start_as_current_span("work") as work:
        await client.models.list(per_page=1).collect()
    assert [span.parent for span in telemetry.spans()] == [work.get_span_context()] * 4


async def test_the_trace_is_sent_on(telemetry: Telemetry) -> None:
    """Each request carries the `traceparent` of its own span, a retry that of another."""
    client, transport = client_of(telemetry, [DOWN, OK])
    await client.models.get(1)
    sent = [dict(request.headers)["traceparent"] for request in transport.requests]
    assert sent == [traceparent(span) for span in telemetry.spans()]
    assert len(set(sent)) == 2


async def test_baggage_stays_at_home(telemetry: Telemetry) -> None:
    """What an application keeps in baggage is not sent to the API, unless a propagator is given that does."""
    token = context.attach(set_baggage("user", "alice"))
    try:
        client, transport = client_of(telemetry, [OK, OK])
        await client.models.get(1)
        await client.with_options(hooks=[OpenTelemetryHook(propagator=W3CBaggagePropagator())]).models.get(1)
    finally:
        context.detach(token)
    first, second = (dict(request.headers) for request in transport.requests)
    assert "baggage" not in first
    assert second["baggage"] == "user=alice"


@pytest.mark.parametrize("auth", ["bearer", "header:X-Key", "query:key"])
async def test_no_token_is_told(telemetry: Telemetry, auth: str) -> None:
    """No span shows the token, wherever it is sent and whoever sends it back."""
    token = "s3cr3t+token"
    echo = Response(status=403, body=f"bad token {token}".encode())
    client, transport = client_of(
        telemetry, [Response(status=502), APIConnectionError(f"lost {token}"), echo], auth=auth, token=token
    )
    with telemetry.tracer.start_as_current_span("work"), pytest.raises(APIStatusError):
        await client.models.list(since="2025-05-05").count()
    sent = transport.requests[0]
    assert any(token in value for _, value in (*sent.params, *sent.headers))
    told = "".join(span.to_json() for span in telemetry.exporter.get_finished_spans()) + str(telemetry.metrics())
    assert "url.full" in told
    assert re.findall(r"s3cr3t.{0,8}", told) == []


async def test_an_address_in_brackets(telemetry: Telemetry) -> None:
    """The server's address is told without the brackets of an IPv6 address, the URL with them."""
    client, _ = client_of(telemetry, [OK], base_url="http://[::1]:8080/v1")
    await client.models.get(1)
    found = facts(telemetry.span())
    assert found["url.full"] == "http://[::1]:8080/v1/models/1"
    assert (found["server.address"], found["server.port"]) == ("::1", 8080)


async def test_a_query_is_in_the_url_alone(telemetry: Telemetry) -> None:
    """The query stands in `url.full`, and neither in the name nor in the template."""
    client, _ = client_of(telemetry, [json_response(page([]))], base_url="http://localhost")
    await client.models.list(since="2025-05-05", per_page=5)
    span = telemetry.span()
    assert span.name == "GET /models"
    found = facts(span)
    assert found["url.template"] == "/models"
    assert found["server.port"] == 80
    assert found["url.full"] == "http://localhost/models?page=1&per_page=5&since=2025-05-05T00%3A00%3A00%2B0000"


@pytest.mark.parametrize("status", [301, 302, 400, 401, 404, 429, 500, 503, 599])
async def test_a_refusal_is_an_error(telemetry: Telemetry, status: int) -> None:
    """A status that is an error for the caller is one for the span, a redirect too; it needs no description."""
    client, _ = client_of(telemetry, [Response(status=status)], retry=0)
    with pytest.raises(APIStatusError):
        await client.models.get(1)
    span = telemetry.span()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert facts(span)["http.response.status_code"] == status
    assert facts(span)["error.type"] == str(status)


@pytest.mark.parametrize("status", [200, 204, 304])
async def test_an_answer_is_no_error(telemetry: Telemetry, status: int) -> None:
    """A success and a 304 leave the span's status unset."""
    client, _ = client_of(telemetry, [Response(status=status)])
    await client.request(Request("GET", "/models"))
    span = telemetry.span()
    assert span.status.status_code == StatusCode.UNSET
    assert facts(span)["http.response.status_code"] == status
    assert "error.type" not in facts(span)


@pytest.mark.parametrize(
    "failure",
    [
        APIConnectionError("lost", sent=True),
        APITimeoutError("no answer in time", sent=True),
        DecodeError("larger than max_body"),
    ],
)
async def test_a_failure_is_an_error(telemetry: Telemetry, failure: Exception) -> None:
    """A request without an answer is an error with the error's class and sentence, and without a status code."""
    client, _ = client_of(telemetry, [failure], retry=0)
    with pytest.raises(type(failure)):
        await client.models.get(1)
    span = telemetry.span()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, failure.args[0])
    assert facts(span)["error.type"] == type(failure).__name__
    assert "http.response.status_code" not in facts(span)


async def test_an_answer_that_cannot_be_read(telemetry: Telemetry) -> None:
    """A 200 with a web page has come whole: its span is no error, and the caller's tells why there was another."""
    client, _ = client_of(telemetry, [Response(status=200, body=b"<html>"), OK])
    with telemetry.tracer.start_as_current_span("work"):
        await client.models.get(1)
    assert [span.status.status_code for span in telemetry.spans()] == [StatusCode.UNSET] * 2
    (event,) = telemetry.span("application").events
    assert event.name == "asyncchat.retry"
    assert "is not JSON but an HTML page" in str((event.attributes or {})["asyncchat.retry.reason"])


async def test_retries_are_counted(telemetry: Telemetry) -> None:
    """Each attempt has a span; from the second on it says the how manieth resend it is."""
    client, _ = client_of(telemetry, [DOWN, APIConnectionError("lost"), OK, OK])
    await client.models.get(1)
    await client.models.get(1)
    counts = [facts(span).get("http.request.resend_count") for span in telemetry.spans()]
    assert counts == [None, 1, 2, None]


class Challenged:
    """An auth flow that answers a challenge: two requests in one attempt."""

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        response = yield request
        if response.status == 401:
            yield request.with_header("Authorization", "answer")


async def test_a_challenge_is_a_resend(telemetry: Telemetry) -> None:
    """Both requests of an auth flow have a span, and what comes after them is counted on."""
    client, _ = client_of(
        telemetry, [Response(status=401), DOWN, Response(status=401), OK], auth=Challenged(), token=None
    )
    await client.models.get(1)
    told = [(found["http.response.status_code"], found.get("http.request.resend_count"))
            for found in map(facts, telemetry.spans())]  # fmt: skip
    assert told == [(401, None), (500, 1), (401, 2), (200, 3)]


async def test_two_hooks_on_one_client(telemetry: Telemetry) -> None:
    """Another hook on the same client disturbs neither the count of resends nor the metrics."""
    other = Telemetry()
    busy = Response(status=429, headers={"Retry-After": "7"})
    client, _ = client_of(telemetry, [DOWN, busy, OK], hooks=[telemetry.hook, other.hook])
    await client.models.get(1)
    for each in (telemetry, other):
        assert [facts(span).get("http.request.resend_count") for span in each.spans()] == [None, 1, 2]
        retries = [attributes["error.type"] for attributes, _ in each.points("asyncchat.client.retries")]
        assert retries == ["500", "429"]
        ((pause, _),) = each.points("asyncchat.client.pause.duration")
        assert pause["server.address"] == "chat.example.com"


async def test_waits_are_told_to_the_caller(telemetry: Telemetry) -> None:
    """A pause and a retry are events of the caller's span, with their seconds."""
    client, transport = client_of(telemetry, [Response(status=429, headers={"Retry-After": "7"}), OK])
    with telemetry.tracer.start_as_current_span("work"):
        await client.models.get(1)
    pause, retry = telemetry.span("application").events
    (waited,) = transport.clock.slept
    assert (pause.name, dict(pause.attributes or {})) == (
        "asyncchat.pause", {"asyncchat.pause.duration": waited, "http.response.status_code": 429})  # fmt: skip
    assert (retry.name, (retry.attributes or {})["asyncchat.retry.delay"]) == ("asyncchat.retry", waited)


async def test_a_span_that_has_ended_gets_no_event(telemetry: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    """A call that outlives the span in which it was begun adds nothing to it, and warns of nothing."""
    client, _ = client_of(telemetry, [DOWN, OK])
    with telemetry.tracer.start_as_current_span("work"):
        task = asyncio.create_task(client.models.get(1))
    await task
    assert telemetry.span("application").events == ()
    assert caplog.records == []


async def test_an_unknown_path_has_no_template(telemetry: Telemetry) -> None:
    """A path that the reference has not is told in `url.full` alone: the name stays one of few."""
    client, _ = client_of(telemetry, [json_response({})] * 2)
    await client.request(Request("GET", "/models/seven/friends"))
    await client.request(Request("GET", "/models/1/"))
    assert [span.name for span in telemetry.spans()] == ["GET", "GET"]
    assert ["url.template" in facts(span) for span in telemetry.spans()] == [False, False]


async def test_an_unknown_method(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that is none of HTTP's is `_OTHER`, unless the environment names it as known."""
    client, _ = client_of(telemetry, [OK, OK])
    await client.request(Request("BREW", "/models"))
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET,BREW")
    other = Telemetry()
    await client.with_options(hooks=[other.hook]).request(Request("BREW", "/models"))
    found = facts(telemetry.spans()[0])
    assert telemetry.spans()[0].name == "HTTP /v1/models"
    assert (found["http.request.method"], found["http.request.method_original"]) == ("_OTHER", "BREW")
    assert facts(other.span())["http.request.method"] == "BREW"
    assert "http.request.method_original" not in facts(other.span())


async def test_a_client_without_a_url(telemetry: Telemetry) -> None:
    """A client over a transport of its own has no URL to tell; the rest is told."""
    client, _ = client_of(telemetry, [OK], base_url=None)
    await client.models.get(1)
    span = telemetry.span()
    assert span.name == "GET /models/{model_id}"
    assert not {"url.full", "server.address", "server.port"} & set(facts(span))
