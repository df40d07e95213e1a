"""Where parked threads live, and how one goes on: a compiled graph with its checkpointer, or whatever else
can do the same (`Threads`), such as a LangGraph server.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, runtime_checkable

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore
from langgraph.types import Command, StateSnapshot

from .._core.calls import Calls
from ..errors import InvalidRequest
from .checkpoint_scan import ParkedThread, parked_threads
from .index import agent_of, is_of, may_be
from .interrupts import runs_waited_for
from .resumption import AnyGraph, invoke, is_cut_off, state_of, thread_lock

RESUME_VALUE = "look"
"""What a parked thread is resumed with. It means nothing: the thread looks for itself."""
BUSY_SECONDS = 60.0
"""How long somebody else who is going on with a thread is waited for."""


class ThreadStatus(NamedTuple):
    """How a thread stands, as far as parked runs are concerned."""

    known: bool
    """Whether there is such a thread."""
    waiting: Mapping[str, frozenset[str]]
    """By interrupt id: the runs that it is parked for."""
    under_way: bool
    """Something is to be done that waits for nobody: a process is at it, or was killed at it."""
    idle_seconds: float = 0.0
    """Since its last checkpoint."""
    busy: bool = False
    """A process may be at it just now, as well as at what it is parked for."""


_THEIRS = ThreadStatus(known=True, waiting={}, under_way=True, idle_seconds=-math.inf)
"""A thread of another agent, which is to go on with it."""


@runtime_checkable
class Threads(Protocol):
    """LangGraph threads, wherever they are. The methods are generators of `Calls`."""

    @property
    def store(self) -> BaseStore | None:
        """Where parked runs are noted, if anywhere."""

    def mine(self, node: str) -> bool:
        """Whether threads that wait in this node can be ones of these. The threads of an agent with a name
        wait in `name|node`.
        """

    def listed(self) -> Calls[list[ParkedThread]]:
        """The parked ones, where they are not noted in a store."""

    def standing(self, thread_id: str) -> Calls[ThreadStatus]:
        """How a thread stands now."""

    def go_on(
        self, thread_id: str, interrupt_ids: Iterable[str]
    ) -> Calls[tuple[ThreadStatus, bool]]:
        """Resume those of these interrupts that are pending, or, where none is named, what was cut off:
        once, whoever else does so.

        How the thread stands then, and whether it was this call that went on with it.

        Raises:
            ThreadBusy: Somebody else is at it, and takes long.
        """


class GraphThreads:
    """The threads of a compiled graph. `config` is passed on: callbacks, `configurable` values; so is
    `context`, which LangGraph keeps for no thread.
    """

    def __init__(
        self, graph: AnyGraph, config: RunnableConfig | None = None, context: Any = None
    ) -> None:
        self.graph = graph
        self._config: RunnableConfig = config or {}
        self._context = context

    @property
    def store(self) -> BaseStore | None:
        """The graph's."""
        return self.graph.store

    def mine(self, node: str) -> bool:
        """Whether the graph has such a node, and is not an agent of another name."""
        return is_of(node, self.graph)

    def listed(self) -> Calls[list[ParkedThread]]:
        """The parked ones, as the checkpointer lists them."""
        if not isinstance(self.graph.checkpointer, BaseCheckpointSaver):
            raise InvalidRequest(
                ["The graph has no checkpointer, so it has no threads; compile it with one."]
            )
        return (yield from parked_threads(self.graph.checkpointer, self.mine))

    def standing(self, thread_id: str) -> Calls[ThreadStatus]:
        """How a thread stands now."""
        return self._standing((yield from state_of(self.graph, self._of(thread_id))))

    def go_on(
        self, thread_id: str, interrupt_ids: Iterable[str]
    ) -> Calls[tuple[ThreadStatus, bool]]:
        """Resume those of these interrupts that are pending, or, where none is named, what was cut off."""
        ids = list(interrupt_ids)

        def choose(standing: ThreadStatus) -> list[str] | None:
            if ids:  # answered already: whatever is under way now is somebody else's
                return [id for id in ids if id in standing.waiting] or None
            return [] if standing.under_way else None

        before, after = yield from self._knock(thread_id, choose, BUSY_SECONDS)
        return after or before, after is not None

    def knock(
        self, thread_id: str, choose: Callable[[ThreadStatus], Sequence[str] | None]
    ) -> Calls[tuple[ThreadStatus, ThreadStatus | None]]:
        """`standing` and `go_on` in one, for half of their reading: how the thread stood, and, if it was
        gone on with, how it stands then.

        Args:
            thread_id: The thread.
            choose: The interrupts to resume, or none to go on with what was cut off; None: leave it.

        Raises:
            ThreadBusy: Somebody else is at it just now.
        """
        return (yield from self._knock(thread_id, choose, 0.0))

    def _knock(
        self,
        thread_id: str,
        choose: Callable[[ThreadStatus], Sequence[str] | None],
        seconds: float,
    ) -> Calls[tuple[ThreadStatus, ThreadStatus | None]]:
        config = self._of(thread_id)
        lock = yield from thread_lock(self.graph, config, seconds)
        try:
            before = self._standing((yield from state_of(self.graph, config)))
            ids = choose(before)
            if ids is None:
                return before, None
            given: Any = Command(resume=dict.fromkeys(ids, RESUME_VALUE)) if ids else None
            output = yield from invoke(self.graph, given, config, "sync", self._context)
            return before, _returned(output)
        finally:
            lock.release()

    def _standing(self, state: StateSnapshot) -> ThreadStatus:
        return thread_status(state) if may_be(agent_of(state.metadata), self.graph) else _THEIRS

    def _of(self, thread_id: str) -> RunnableConfig:
        place = {**self._config.get("configurable", {}), "thread_id": thread_id}
        return {**self._config, "configurable": place}


def threads_of(
    graph: AnyGraph | Threads, config: RunnableConfig | None = None, context: Any = None
) -> Threads:
    """A graph's threads, or what is given already."""
    return graph if isinstance(graph, Threads) else GraphThreads(graph, config, context)


def thread_status(state: StateSnapshot) -> ThreadStatus:
    """How a thread with this state stands."""
    waiting = {one.id: runs for one in state.interrupts if (runs := runs_waited_for(one.value))}
    # A task that has failed is nobody's any more.
    busy = any(not (t.interrupts or t.error) and t.result is None for t in state.tasks)
    known = state.created_at is not None
    return ThreadStatus(known, waiting, is_cut_off(state), _since(state.created_at), busy)


def _returned(output: Any) -> ThreadStatus:
    """How a thread stands that has just been gone on with, by what the graph returned."""
    interrupts = output.get("__interrupt__", ()) if isinstance(output, Mapping) else ()
    waiting = {one.id: runs for one in interrupts if (runs := runs_waited_for(one.value))}
    return ThreadStatus(known=True, waiting=waiting, under_way=False)


def _since(moment: str | None) -> float:
    """Seconds since an ISO time; 0 if there is none."""
    if moment is None:
        return 0.0
    return max(0.0, time.time() - datetime.fromisoformat(moment).timestamp())
