from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from langchain_parallel import _telemetry
from langchain_parallel._telemetry import TelemetryEvent
from langchain_parallel.observability import instrument

Told = list[TelemetryEvent]


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """As a process that has told of nothing yet, and of which nobody hears afterwards."""
    _telemetry.LISTENING.told.clear()
    yield
    _telemetry.LISTENING.told.clear()
    _telemetry.LISTENING.listeners = ()
    _telemetry.LISTENING.questions = False


@pytest.fixture
def told(fresh_process: None) -> Told:
    """All events from here on."""
    heard: Told = []
    _telemetry.LISTENING.listeners = (heard.append,)
    return heard


@pytest.fixture
def info(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "langchain_parallel")
    return caplog


class Otel:
    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.end = instrument(MeterProvider([self.reader]), self.tracers)

    def points(self, name: str) -> dict[frozenset[Any], Any]:
        """The values of an instrument, by their attributes."""
        data: Any = self.reader.get_metrics_data()
        found = [
            metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        return {
            frozenset(point.attributes.items()): getattr(point, "value", None) or point.sum
            for metric in found
            for point in metric.data.data_points
        }


@pytest.fixture
def otel(fresh_process: None) -> Iterator[Otel]:
    made = Otel()
    yield made
    made.end()


def attributes(**named: Any) -> frozenset[Any]:
    return frozenset((name.replace("__", "."), value) for name, value in named.items())
