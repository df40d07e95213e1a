"""Sweeps: parked threads whose runs have ended go on, though no webhook came.

sweep, asweep         look through all parked threads once
create_sweep_graph    the same as a graph, for a LangGraph cron
"""

from ..parked.sweep_graph import SweepState, create_sweep_graph
from ..parked.sweep_result import SweepResult
from ..parked.sweeper import STRANDED_SECONDS, asweep, sweep

__all__ = [
    "STRANDED_SECONDS",
    "SweepResult",
    "SweepState",
    "asweep",
    "create_sweep_graph",
    "sweep",
]
