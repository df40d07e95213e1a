"""A client of a simulated account."""

from __future__ import annotations

from ..client import ParallelClient
from ..simulator import ManualClock, Simulator, SimulatorTransport


def simulated_client(simulator: Simulator | None = None) -> ParallelClient:
    """A client of a simulator in this process: no key, no network, no cost.

    Every door takes it as `client=`, for blocking and for awaited calls.

    Args:
        simulator: The account. Unless given, a new one in virtual time, where a run of an hour takes no time.

    Raises:
        MissingExtra: The extra `simulator` is not installed.
    """
    account = simulator or Simulator(ManualClock())
    transport = SimulatorTransport(account)
    return ParallelClient("simulated", transport=transport, clock=account.clock)
