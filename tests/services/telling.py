"""What a program that has set up OpenTelemetry is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

Point: TypeAlias = tuple[Mapping[str, Any], Any]


class Telling:
    """Spans that ended, and what the instruments show."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        # A process sets its providers once; a test has its own.
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", tracers)
        monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", MeterProvider([self._reader], shutdown_on_exit=False))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """In the order in which they ended."""
        return self._exporter.get_finished_spans()

    @property
    def names(self) -> list[str]:
        """Of the spans."""
        return [span.name for span in self.spans]

    @property
    def last(self) -> Mapping[str, Any]:
        """The attributes of the span that ended last."""
        return dict(self.spans[-1].attributes or {})

    def forget(self) -> None:
        """Forget the spans so far."""
        self._exporter.clear()

    def points(self, name: str) -> list[Point]:
        """Attributes and value of each point of an instrument; of a histogram the number of its values."""
        return [
            (dict(point.attributes), getattr(point, "value", None) if hasattr(point, "value") else point.count)
            for metric in self._metrics()
            if metric.name == name
            for point in metric.data.data_points
        ]

    def level(self, name: str, **state: str) -> list[int]:
        """The values of an instrument that have this connection state, or any."""
        wanted = {f"db.client.connection.{key}": value for key, value in state.items()}
        return [value for attributes, value in self.points(name) if wanted.items() <= attributes.items()]

    def everything(self) -> str:
        """All spans and all metrics as text."""
        shown = [span.to_json() for span in self.spans]
        data = self._reader.get_metrics_data()
        return "\n".join([*shown, data.to_json() if data else ""])

    def _metrics(self) -> list[Any]:
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return [metric for scope in scopes for metric in scope.metrics]
