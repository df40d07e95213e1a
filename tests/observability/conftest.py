from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from langchain_parallel import _telemetry
from langchain_parallel._telemetry import TelemetryEvent

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
