"""Threads that park: their status, and how one is resumed.

They are a compiled graph's, in its checkpointer (`GraphThreads`), or live elsewhere, such as on a LangGraph
server (`Threads`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable
from weakref import WeakKeyDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore
from langgraph.types import Command, StateSnapshot

from .._core.calls import Calls
from .._graph.graph_names import is_of_table, takes_over
from .._graph.run_config import RunConfig
from ..errors import InvalidRequest, ThreadBusy
from .checkpoint_scan import scan_checkpoints
from .index import ParkedThread, agent_of, recorded_threads
from .interrupts import RESUME_VALUE, is_refused, parked_by, runs_waited_for
from .resumption import NOTHING, AnyGraph, is_cut_off, resume_with, state_of
from .surroundings import doors_and_clients

BUSY_SECONDS = 60.0
"""How long to wait while another caller is resuming a thread."""


class ThreadStatus(NamedTuple):
    """What a thread waits for, and what is left to do in it."""

    exists: bool
    waiting: Mapping[str, frozenset[str]]
    """By interrupt id, the runs that the thread is parked for."""
    unfinished: bool
    """Whether it has work that waits for no answer: a process is doing it, or has died or failed."""
    idle_seconds: float = math.inf
    """Seconds since its last checkpoint; infinite if it has none."""
    may_be_running: bool = False
    """Whether a task that has not failed is unfinished: a process may be running it."""
    others: frozenset[str] = frozenset()
    """The interrupts that are known to be of another graph: it is not these that are resumed."""
    refused: frozenset[str] = frozenset()
    """The interrupts that another graph was to go on with, and has left parked."""


ChooseInterrupts: TypeAlias = Callable[[ThreadStatus], Sequence[str] | None]
"""The interrupt ids to resume; empty: only run what was cut off; None: leave the thread alone."""
BeforeAndAfter: TypeAlias = tuple[ThreadStatus, ThreadStatus | None]
"""A thread's status before and after it was resumed; None if it was left alone."""
_DOORS: WeakKeyDictionary[AnyGraph, dict[str | None, list[RunConfig]]] = WeakKeyDictionary()
"""By graph and node (None: the whole graph), what may park there. To look for it takes as long as
all else that resuming a thread does.
"""
_OTHER_AGENT = ThreadStatus(exists=True, waiting={}, unfinished=True, idle_seconds=-math.inf)
"""A thread of another agent: never resumed here, and its record is never stale."""


@runtime_checkable
class Threads(Protocol):
    """LangGraph threads, wherever they are. The methods that return `Calls` are generators of them."""

    @property
    def store(self) -> BaseStore | None:
        """Where parked threads are recorded, if anywhere."""

    def owns_node(self, node: str) -> bool:
        """Whether a thread that waits in this node may be one of these; `agent|node` in a named agent."""

    def list_parked(self) -> Calls[list[ParkedThread]]:
        """The parked threads, and those that were resumed and left unfinished, as far as is known."""

    def resume_if(self, thread_id: str, choose: ChooseInterrupts) -> Calls[BeforeAndAfter]:
        """Resume a thread if `choose`, given its status, says so: once, however many callers do.

        Returns its status before; and after, or None if this call left it alone.

        Raises:
            ThreadBusy: Another caller is resuming it, and takes long.
        """


@dataclass(eq=False, repr=False)
class GraphThreads:
    """The threads of a compiled graph.

    `config` (callbacks, `configurable` values) and `context`, which no checkpoint keeps, are passed on.
    """

    graph: AnyGraph
    config: RunnableConfig | None = None
    context: Any = None

    @property
    def store(self) -> BaseStore | None:
        """The graph's store."""
        return self.graph.store

    def owns_node(self, node: str) -> bool:
        """Whether the graph has such a node, and is not an agent of another name."""
        agent, _, name = node.rpartition("|")  # LangGraph allows no | in a node's name
        return (not name or name in self.graph.nodes) and self._owns_agent(agent)

    def _owns_agent(self, agent: str) -> bool:
        name = agent_of((self.graph.config or {}).get("metadata"))
        return not agent or not name or agent == name

    def list_parked(self) -> Calls[list[ParkedThread]]:
        """The threads that the store records; without a store, those that the checkpoints show."""
        threads = yield from self._list_all()
        return [
            replace(thread, other_graph=min(thread.graphs))
            if thread.graphs and all(self._is_other(graph) for graph in thread.graphs)
            else thread
            for thread in threads
        ]

    def _is_other(self, graph: str, node: str | None = None) -> bool:
        """Whether a thread that was parked by `graph` (in `node`) is surely not of this one.

        Not surely: nothing that parks is seen near the graph's nodes. Then the step itself decides.
        """
        if (
            not graph
            or is_of_table(graph)
            or takes_over(self.config, graph)
            or takes_over(self.graph.config, graph)
        ):
            return False
        known = _DOORS.setdefault(self.graph, {})
        doors = known.get(node)
        if doors is None:
            here = self.graph if node is None else self.graph.nodes.get(node)
            doors = [one for one in doors_and_clients(here) if isinstance(one, RunConfig)]
            known[node] = doors
        return bool(doors) and not any(door.may_be(graph) for door in doors)

    def _list_all(self) -> Calls[list[ParkedThread]]:
        if self.store is not None:
            return (yield from recorded_threads(self.store, self.owns_node))
        if not isinstance(self.graph.checkpointer, BaseCheckpointSaver):
            raise InvalidRequest(
                ["The graph has no checkpointer, so it has no threads; compile it with one."]
            )
        return (yield from scan_checkpoints(self.graph.checkpointer, self.owns_node))

    def resume_if(self, thread_id: str, choose: ChooseInterrupts) -> Calls[BeforeAndAfter]:
        """Resume a thread if `choose`, given its status, says so. See `Threads`."""
        config: RunnableConfig = {**(self.config or {})}
        config["configurable"] = {**config.get("configurable", {}), "thread_id": thread_id}

        with suppress(ThreadBusy):
            return (yield from self._resume_if(config, choose, 0.0))
        # Another caller is resuming the thread, so what is unfinished was not cut off. Only a caller that
        # has an interrupt to resume waits for the lock.
        status = self._status((yield from state_of(self.graph, config)))
        if not choose(status):
            return status, None
        return (yield from self._resume_if(config, lambda now: choose(now) or None, BUSY_SECONDS))

    def _resume_if(
        self, config: RunnableConfig, choose: ChooseInterrupts, timeout: float
    ) -> Calls[BeforeAndAfter]:
        def choose_input(state: StateSnapshot) -> Any:
            ids = choose(self._status(state))
            if ids is None:
                return NOTHING
            return Command(resume=dict.fromkeys(ids, RESUME_VALUE)) if ids else None

        before, output = yield from resume_with(
            self.graph, config, choose_input, timeout, "sync", self.context
        )
        if output is NOTHING:
            return self._status(before), None
        # The status after is taken from the output: reading the thread's state would cost a query.
        interrupts = output.get("__interrupt__", ()) if isinstance(output, Mapping) else ()
        shown = [(one.id, one.value) for one in interrupts]
        after = ThreadStatus(
            exists=True, waiting=waited_for(shown), unfinished=False, refused=refused_in(shown)
        )
        return self._status(before), after

    def _status(self, state: StateSnapshot) -> ThreadStatus:
        if not self._owns_agent(agent_of(state.metadata)):
            return _OTHER_AGENT
        others = (
            one.id
            for task in state.tasks
            for one in task.interrupts
            if self._is_other(parked_by(one.value), task.name)
        )
        return thread_status(state)._replace(others=frozenset(others))


def threads_of(
    graph: AnyGraph | Threads, config: RunnableConfig | None = None, context: Any = None
) -> Threads:
    """A graph's threads; `Threads` are returned as they are."""
    return graph if isinstance(graph, Threads) else GraphThreads(graph, config, context)


def thread_status(state: StateSnapshot) -> ThreadStatus:
    """The status of a thread with this state."""
    running = any(not (t.interrupts or t.error) and t.result is None for t in state.tasks)
    shown = [(one.id, one.value) for one in state.interrupts]
    return ThreadStatus(
        exists=state.created_at is not None,
        waiting=waited_for(shown),
        refused=refused_in(shown),
        unfinished=is_cut_off(state),
        idle_seconds=seconds_since(state.created_at),
        may_be_running=running,
    )


def waited_for(interrupts: Iterable[tuple[str, Any]]) -> dict[str, frozenset[str]]:
    """The runs that interrupts wait for, by interrupt id, given ids and values."""
    return {id: runs for id, value in interrupts if (runs := runs_waited_for(value))}


def refused_in(interrupts: Iterable[tuple[str, Any]]) -> frozenset[str]:
    """The ids of those that another graph has left parked, given ids and values."""
    return frozenset(id for id, value in interrupts if is_refused(value))


def seconds_since(moment: str | None) -> float:
    """Seconds since an ISO time; infinite if there is none."""
    if moment is None:
        return math.inf
    at = datetime.fromisoformat(moment.replace("Z", "+00:00"))  # Python 3.10 does not read the Z
    return max(0.0, time.time() - at.timestamp())
