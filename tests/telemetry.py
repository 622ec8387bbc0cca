"""OpenTelemetry's SDK in memory: what a hook told it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from answers import mock
from attrs import define, field
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from asyncchat.integrations.otel import OpenTelemetryHook

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from asyncchat import AsyncClient
    from asyncchat.testing import MockTransport

URL = "https://chat.example.com/v1"


@define
class Telemetry:
    """A hook, and what it has told."""

    exporter: InMemorySpanExporter = field(factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(factory=InMemoryMetricReader)
    tracers: TracerProvider = field(init=False)
    meters: MeterProvider = field(init=False)
    hook: OpenTelemetryHook = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.hook = OpenTelemetryHook(tracer_provider=self.tracers, meter_provider=self.meters)

    @property
    def tracer(self) -> Tracer:
        """Makes spans of the application's own."""
        return self.tracers.get_tracer("application")

    def spans(self, scope: str = "asyncchat") -> list[ReadableSpan]:
        """The spans that have ended, in the order of their ends."""
        return [
            span
            for span in self.exporter.get_finished_spans()
            if span.instrumentation_scope is not None and span.instrumentation_scope.name == scope
        ]

    def span(self, scope: str = "asyncchat") -> ReadableSpan:
        """The only span."""
        (span,) = self.spans(scope)
        return span

    def metrics(self) -> dict[str, Any]:
        """The metrics so far, by name."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """The attributes and the data of each point of a metric."""
        found = self.metrics().get(name)
        return [] if found is None else [(dict(point.attributes), point) for point in found.data.data_points]


def facts(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes or {})


def client_of(telemetry: Telemetry, answers: Any, **options: Any) -> tuple[AsyncClient, MockTransport]:
    """A client over answers that tells the telemetry's hook."""
    return mock(answers, **{"base_url": URL, "hooks": [telemetry.hook], **options})


def traceparent(span: ReadableSpan) -> str:
    """What the request of a span has to carry."""
    known = span.get_span_context()
    assert known is not None
    return f"00-{known.trace_id:032x}-{known.span_id:016x}-{known.trace_flags:02x}"
