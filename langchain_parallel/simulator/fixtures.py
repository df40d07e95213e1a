"""pytest fixtures; put `pytest_plugins = ["langchain_parallel.simulator.fixtures"]` in conftest.py.

simulator          in process, on a manual clock: an hour's run takes no time
simulator_http     an `httpx.Client` that talks to it
simulator_server   a real server on a free port: `.url` and `.simulator`; runs take milliseconds
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from .clock import ManualClock, RealClock
from .server import RunningServer, serve
from .transport import SimulatorTransport
from .world import Simulator

__all__ = ["simulator", "simulator_http", "simulator_server"]


@pytest.fixture
def simulator() -> Simulator:
    """A fresh account on virtual time."""
    return Simulator(ManualClock())


@pytest.fixture
def simulator_http(simulator: Simulator) -> Iterator[httpx.Client]:
    """Plain HTTP to the account of the `simulator` fixture, as patient as it takes."""
    with httpx.Client(
        transport=SimulatorTransport(simulator),
        base_url="http://simulator.example",
        headers={"x-api-key": "simulated"},
        timeout=None,
    ) as http:
        yield http


@pytest.fixture
def simulator_server() -> Iterator[RunningServer]:
    """A fresh account behind a real socket; runs take a thousandth of their usual time."""
    with serve(Simulator(RealClock(), latency_scale=0.001)) as server:
        yield server
