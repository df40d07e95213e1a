"""Sweeps: parked threads whose runs have ended go on, though no webhook came.

sweep, asweep         look through all parked threads once
create_sweep_graph    the same as a graph, for a LangGraph cron
main                  the same as a command
"""

from .command import main
from .graph import SweepState, create_sweep_graph
from .sweeper import STRANDED_SECONDS, asweep, sweep
from .swept import Swept

__all__ = [
    "STRANDED_SECONDS",
    "SweepState",
    "Swept",
    "asweep",
    "create_sweep_graph",
    "main",
    "sweep",
]
