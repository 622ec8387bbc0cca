"""Spans and metrics of a client's requests, by OpenTelemetry's conventions for HTTP clients.

    chat = AsyncClient(hooks=[OpenTelemetryHook()])

The extra `otel` is OpenTelemetry's API alone: where an application sets up no SDK, nothing is recorded.
The conventions: https://opentelemetry.io/docs/specs/semconv/http/
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import attrs

from asyncchat import Event, FailureEvent, PauseEvent, RequestEvent, ResponseEvent, RetryEvent, __version__

try:
    from opentelemetry import metrics, trace
    from opentelemetry.propagators.textmap import Setter, TextMapPropagator
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError as exc:
    raise ModuleNotFoundError(
        "asyncchat.integrations.otel needs more: pip install 'asyncchat[otel]'", name=exc.name
    ) from None

__all__ = ["OpenTelemetryHook"]

Attributes: TypeAlias = Mapping[str, "str | int | float"]

_SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"
_METHODS: Final = "CONNECT,DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT,TRACE"
_DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""What the conventions advise."""
_PAUSES: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0)
_TEMPLATES: Final = tuple(
    (re.compile(re.sub(r"\{\w+\}", r"\\d+", template)), template)
    for template in (
        "/models",
        "/models/{model_id}",
        "/models/{model_id}/conversations",
        "/conversations",
        "/conversations/{conversation_id}",
        "/conversations/{conversation_id}/messages",
    )
)


def _template_of(path: str) -> str | None:
    """The path as the API's reference spells it, None for a path that it does not have."""
    return next((template for pattern, template in _TEMPLATES if pattern.fullmatch(path)), None)


@attrs.frozen
class _Server:
    """What a base URL says of the server.

    Attributes:
        prefix: The part of its path that every path of the API begins with.
        attributes: Its address and port.
    """

    prefix: str
    attributes: Attributes


@functools.lru_cache(maxsize=64)
def _server_of(base_url: str) -> _Server:
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return _Server(parts.path, {"server.address": parts.hostname or "", "server.port": port})


def _failed(status: int) -> bool:
    """Whether a status is an error for the caller: a redirect is one too, for none is followed."""
    return not 200 <= status < 300 and status != 304  # noqa: PLR2004 - HTTP's own


@attrs.define
class _Course:
    """The requests of the call that a task is in.

    Attributes:
        hook: Who counts them.
        call: The call's number.
        resends: How often its request was sent again.
        attributes: Of its request, for metrics.
        error: What its last request ended with; None: with an answer that is no error by its status.
    """

    hook: OpenTelemetryHook
    call: int
    resends: int
    attributes: Attributes
    error: str | None = None


class _Headers(Setter[dict[str, str]]):
    def set(self, carrier: dict[str, str], key: str, value: str) -> None:
        carrier[key] = value


_course: Final[ContextVar[_Course | None]] = ContextVar("asyncchat_otel_course", default=None)


class OpenTelemetryHook:
    """A hook that makes a client span of every request, sends the trace on, and measures.

    One may be shared by clients, views and threads. Give a client one of them, and do not instrument aiohttp as well:
    each request would be told twice.

    * Span: each request that is sent, retries too, with `http.request.resend_count`. Its parent is the span that is
      current where the client is called; it ends with the last byte of the body, with the failure, or when the call is
      cancelled. Its name is `GET /v1/models/{model_id}`, or only the method for paths that the API's reference has not.
      Statuses from 300 on are errors, but for 304: redirects are not followed.
    * `error.type`: the status, or `APIConnectionError`, `APITimeoutError`, `DecodeError` (larger than `max_body`),
      `CancelledError`.
    * Events on the span that is current where the client is called: `asyncchat.retry` and `asyncchat.pause`.
    * Metrics: `http.client.request.duration` (s), `asyncchat.client.retries`, `asyncchat.client.pause.duration` (s).
      None has a value that grows with the data: `url.template` has six.

    Args:
        tracer_provider: Makes the tracer; None: the global one.
        meter_provider: Makes the meter; None: the global one.
        propagator: Writes the trace into the headers of requests; None: W3C's `traceparent` and `tracestate`, and
            nothing else, for the server is somebody else's and baggage may tell of your users. Give
            `opentelemetry.propagate.get_global_textmap()` for what is set for the whole process.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        propagator: TextMapPropagator | None = None,
    ) -> None:
        self._tracer = trace.get_tracer("asyncchat", __version__, tracer_provider, _SCHEMA)
        self._propagator = propagator or TraceContextTextMapPropagator()
        self._methods = frozenset(os.environ.get("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", _METHODS).split(","))
        self._open: dict[int, tuple[trace.Span, Attributes]] = {}
        meter = metrics.get_meter("asyncchat", __version__, meter_provider, _SCHEMA)
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_DURATIONS,
        )
        self._retries = meter.create_counter(
            "asyncchat.client.retries", unit="{retry}", description="Attempts that failed and were followed by another."
        )
        self._pauses = meter.create_histogram(
            "asyncchat.client.pause.duration",
            unit="s",
            description="Pauses of a whole client that the server asked for.",
            explicit_bucket_boundaries_advisory=_PAUSES,
        )

    def __call__(self, event: Event) -> None:
        """Take an event of a client."""
        match event:
            case RequestEvent():
                self._begin(event)
            case ResponseEvent():
                error = str(event.status) if _failed(event.status) else None
                self._end(event, error, {"http.response.status_code": event.status})
            case FailureEvent():
                self._end(event, event.error, {}, event.reason)
            case RetryEvent():
                self._retried(event)
            case PauseEvent():
                self._paused(event)

    # ---- requests

    def _begin(self, event: RequestEvent) -> None:
        name, measured, more = self._described(event)
        course = _course.get()
        if course is None or course.hook is not self or course.call != event.call:
            course = _Course(self, event.call, event.attempt - 1, measured)
            _course.set(course)
        else:  # a further attempt, or a further request of the auth flow in the same attempt
            course.resends += 1
        if course.resends:
            more["http.request.resend_count"] = course.resends
        span = self._tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes={**measured, **more})
        self._open[event.call] = (span, measured)
        here = trace.set_span_in_context(span) if span.get_span_context().is_valid else None  # None: the caller's
        self._propagator.inject(event.headers, here, setter=_Headers())

    def _described(self, event: RequestEvent) -> tuple[str, dict[str, str | int | float], dict[str, str | int | float]]:
        """The span's name, the attributes that metrics have too, and those that only the span has."""
        known = event.method in self._methods
        measured: dict[str, str | int | float] = {"http.request.method": event.method if known else "_OTHER"}
        more: dict[str, str | int | float] = {} if known else {"http.request.method_original": event.method}
        prefix = ""
        if event.url is not None:
            base_url = event.url.partition("?")[0].removesuffix(event.path)
            server = _server_of(base_url)
            prefix = server.prefix
            measured |= server.attributes
            more["url.full"] = event.url
        name = event.method if known else "HTTP"
        template = _template_of(event.path)
        if template is not None:
            measured["url.template"] = prefix + template
            name = f"{name} {prefix}{template}"
        return name, measured, more

    def _end(
        self, event: ResponseEvent | FailureEvent, error: str | None, outcome: dict[str, str | int], reason: str = ""
    ) -> None:
        found = self._open.pop(event.call, None)
        if found is None:  # its beginning was not told
            return
        span, measured = found
        if error is not None:
            outcome["error.type"] = error
            span.set_status(trace.StatusCode.ERROR, reason or None)
        span.set_attributes(outcome)
        span.end()
        self._duration.record(event.elapsed, {**measured, **outcome}, trace.set_span_in_context(span))
        course = _course.get()
        if course is not None and course.call == event.call:
            course.error = error

    # ---- what happens between them

    def _retried(self, event: RetryEvent) -> None:
        course = _course.get()
        measured: Attributes = {}
        if course is not None and course.call == event.call:
            measured = {**course.attributes, "error.type": course.error or event.error}
        self._retries.add(1, measured)
        _note("asyncchat.retry", {"asyncchat.retry.delay": event.delay, "asyncchat.retry.reason": event.reason})

    def _paused(self, event: PauseEvent) -> None:
        course = _course.get()
        status: Attributes = {"http.response.status_code": event.status}
        measured = status
        if course is not None:  # of the call whose answer it was
            server = ("server.address", "server.port")
            measured = {**status, **{name: course.attributes[name] for name in server if name in course.attributes}}
        self._pauses.record(event.seconds, measured)
        _note("asyncchat.pause", {"asyncchat.pause.duration": event.seconds, **status})


def _note(name: str, attributes: Attributes) -> None:
    """Add an event to the caller's span, if there is one that still runs."""
    span = trace.get_current_span()
    if span.is_recording():
        span.add_event(name, attributes)
