"""Threads that wait for their runs without a process, and how they are resumed.

resume_parked, aresume_parked    the threads that are parked for one run
sweep, asweep                    all parked threads whose runs have ended
create_sweep_graph               a sweep as a graph, for a LangGraph cron
list_user_records, …             what a store holds for one user, to be listed and deleted
Threads                          where threads may live, other than in a compiled graph
"""

import typing

from .._graph.tenants import (
    adelete_user_records,
    alist_user_records,
    delete_user_records,
    list_user_records,
)
from .._lazy import lazy_names as _lazy_names

if typing.TYPE_CHECKING:
    from .index import ParkedThread
    from .interrupts import ParkedBatch, ParkedInterrupt, ParkedRun, runs_waited_for
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
    "ParkedBatch",
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

_MODULES = {
    "ParkedThread": "index",
    "ParkedBatch": "interrupts",
    "ParkedInterrupt": "interrupts",
    "ParkedRun": "interrupts",
    "runs_waited_for": "interrupts",
    "STRANDED_SECONDS": "sweeper",
    "SweepResult": "sweeper",
    "SweepState": "sweeper",
    "asweep": "sweeper",
    "create_sweep_graph": "sweeper",
    "sweep": "sweeper",
    "GraphThreads": "threads",
    "Threads": "threads",
    "ThreadStatus": "threads",
    "thread_status": "threads",
    "Outcome": "wake_up",
    "WakeResult": "wake_up",
    "aresume_parked": "wake_up",
    "resume_parked": "wake_up",
}

if not typing.TYPE_CHECKING:  # a type checker would take any misspelt name for one of these
    __getattr__, __dir__ = _lazy_names(__name__, _MODULES)
