"""Threads that wait for their runs without a process, and how they are resumed.

resume_parked, aresume_parked    the threads that are parked for one run
sweep, asweep                    all parked threads whose runs have ended
create_sweep_graph               a sweep as a graph, for a LangGraph cron
Threads                          where threads may live, other than in a compiled graph
"""

from .index import ParkedThread
from .interrupts import ParkedInterrupt, ParkedRun, runs_waited_for
from .sweeper import (
    STRANDED_SECONDS,
    SweepResult,
    SweepState,
    asweep,
    create_sweep_graph,
    sweep,
)
from .threads import GraphThreads, Threads, ThreadStatus, thread_status
from .wake_up import Outcome, WakeResult, aresume_parked, resume_parked

__all__ = [
    "STRANDED_SECONDS",
    "GraphThreads",
    "Outcome",
    "ParkedInterrupt",
    "ParkedRun",
    "ParkedThread",
    "SweepResult",
    "SweepState",
    "ThreadStatus",
    "Threads",
    "WakeResult",
    "aresume_parked",
    "asweep",
    "create_sweep_graph",
    "resume_parked",
    "runs_waited_for",
    "sweep",
    "thread_status",
]
