"""A client of a simulated account."""

from __future__ import annotations

from ..client import ParallelClient
from ..simulator import ManualClock, Scenario, Simulator, SimulatorTransport


def simulated_client(simulator: Simulator | None = None) -> ParallelClient:
    """A client of a simulator in this process: no key, no network, no cost.

    Every door takes it as `client=`, for blocking and for awaited calls.

    Args:
        simulator: The account. Unless given, a new one in virtual time, where a run of an hour takes no time.
            It answers the questions that README and docs ask from a script, and makes up other answers.

    Raises:
        MissingExtra: The extra `simulator` is not installed.
    """
    account = simulator or Simulator(ManualClock(), scenario=Scenario.builtin("examples"))
    transport = SimulatorTransport(account)
    return ParallelClient("simulated", transport=transport, clock=account.clock)
