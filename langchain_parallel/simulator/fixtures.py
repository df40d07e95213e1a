"""pytest fixtures. Put `pytest_plugins = ["langchain_parallel.simulator.fixtures"]` in conftest.py.

simulator          in process, with virtual time: a run of an hour takes no time
simulator_http     an `httpx.Client` that uses it
simulator_server   a real server on a free port, with `.url` and `.simulator`; runs take milliseconds
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from .clock import ManualClock, RealClock
from .http_server import RunningServer, serve
from .simulator import Simulator
from .transport import SimulatorTransport


@pytest.fixture
def simulator() -> Simulator:
    """A new account with virtual time."""
    return Simulator(ManualClock())


@pytest.fixture
def simulator_http(simulator: Simulator) -> Iterator[httpx.Client]:
    """Plain HTTP to the account of the `simulator` fixture, without a timeout."""
    with httpx.Client(
        transport=SimulatorTransport(simulator),
        base_url="http://simulator.example",
        headers={"x-api-key": "simulated"},
        timeout=None,
    ) as http:
        yield http


@pytest.fixture
def simulator_server() -> Iterator[RunningServer]:
    """A new account behind a real socket. Runs take a thousandth of their usual time."""
    with serve(Simulator(RealClock(), latency_scale=0.001)) as server:
        yield server
