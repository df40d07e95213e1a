"""Threads that wait for their runs without a process, and how they are resumed.

resume_parked, aresume_parked    the threads that are parked for one run
sweep, asweep                    all parked threads whose runs have ended
create_sweep_graph               a sweep as a graph, for a LangGraph cron
list_user_records, …             what a store holds for one user, to be listed and deleted
Threads                          where threads may live, other than in a compiled graph
"""

from .._graph.tenants import (
    adelete_user_records,
    alist_user_records,
    delete_user_records,
    list_user_records,
)
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
    "adelete_user_records",
    "alist_user_records",
    "aresume_parked",
    "asweep",
    "create_sweep_graph",
    "delete_user_records",
    "list_user_records",
    "resume_parked",
    "runs_waited_for",
    "sweep",
    "thread_status",
]
