"""The columns of the kill matrix."""

from __future__ import annotations

from langchain_parallel.simulator import Simulator

from ..conditions import PLAIN, Condition, conditions

SPEED = 0.0005
"""The simulator's runs take so much of their usual time."""
LATE = 0.3
"""Seconds by which the server is late: half the settling time."""
CONDITIONS = (PLAIN, *conditions(LATE))
BY_NAME = {condition.name: condition for condition in CONDITIONS}


def account(condition: Condition = PLAIN) -> Simulator:
    """An account under this condition."""
    simulator = Simulator(latency_scale=SPEED)
    condition.begin(simulator)
    return simulator
