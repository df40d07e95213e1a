"""One simulator for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from langchain_parallel.simulator import RunningServer, Simulator, serve


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    with serve(Simulator(latency_scale=0.002)) as server:
        yield server
