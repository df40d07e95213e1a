"""The columns of the kill matrix, and what is promised in each."""

from __future__ import annotations

from langchain_parallel.simulator import Simulator

from ..conditions import PLAIN, Condition, conditions
from .cells import Cell

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


def promised(cell: Cell, condition: Condition) -> bool:
    """Whether no run is paid for twice in this cell, wherever the process is killed.

    A model that the tool tells that nobody knows yet, and that asks again all the same, asks anew.
    """
    return cell.promised and (condition.answers or not cell.in_agent)
