"""Finds parked threads in a checkpointer, for graphs without a store.

A checkpointer has no index by what a thread waits for, so every checkpoint is read, the newest of each thread
first. Only the outermost graph's count: the interrupts of its subgraphs are there, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from .._core.calls import Call, Calls
from .index import ParkedThread, agent_of, qualified_node
from .interrupts import group_waited_for, parked_by, runs_waited_for

# LangGraph's names; `tests/test_internals.py` fails should they change.
_INTERRUPT = "__interrupt__"
_UNDONE = frozenset(
    {_INTERRUPT, "__resume__", "__error__", "__error_source_node__", "__scheduled__"}
)
"""The channels that a task may have written to before it is done."""
_DUE, _SENT = "branch:to:", "__pregel_tasks"
"""Channels that hold something in a checkpoint after which nodes are due."""


@dataclass
class _Scan:
    """What was found so far."""

    owns_node: Callable[[str], bool]
    parked: dict[str, ParkedThread] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    unfinished: set[str] = field(default_factory=set)
    """Threads that have work to do, but are not parked (any more)."""
    last_id: str = ""
    page_count: int = 0

    def add(self, found: CheckpointTuple) -> None:
        """Read one checkpoint; a thread's newest comes first."""
        self.last_id = found.checkpoint["id"]
        self.page_count += 1
        given = found.config["configurable"]
        thread_id = given["thread_id"]
        if given.get("checkpoint_ns") or thread_id in self.parked:
            return
        newest = thread_id not in self.seen
        self.seen.add(thread_id)
        if not (newest or thread_id in self.unfinished):
            return
        values = found.checkpoint["channel_values"]
        due = [name.removeprefix(_DUE) for name in values if name.startswith(_DUE)]
        due += [send.node for send in values.get(_SENT) or ()]
        agent = agent_of(found.metadata)
        if due and not any(self.owns_node(qualified_node(node, agent)) for node in due):
            return  # the thread of another graph with the same checkpointer
        interrupts = _interrupts(found, only_undone=newest)
        if (
            due and not interrupts
        ):  # all nodes of the step are done; the checkpoint after it is missing
            interrupts = _interrupts(found, only_undone=False)
        if interrupts:
            runs = [id for each in interrupts for id in sorted(runs_waited_for(each))]
            graphs = frozenset(filter(None, map(parked_by, interrupts)))
            ledger_id = values.get("ledger_id")
            known = ledger_id if isinstance(ledger_id, str) and ledger_id else None
            by_run: dict[str, str | None] = dict.fromkeys(runs, known)
            by_run |= {id: id for each in interrupts if (id := group_waited_for(each))}
            self.parked[thread_id] = ParkedThread(thread_id, by_run, graphs=graphs)
        elif newest and due:
            self.unfinished.add(thread_id)

    def add_all(self, found: Iterable[CheckpointTuple]) -> None:
        for one in found:
            self.add(one)

    async def aadd_all(self, found: AsyncIterator[CheckpointTuple]) -> None:
        async for one in found:
            self.add(one)


def scan_checkpoints(
    saver: BaseCheckpointSaver[Any], owns_node: Callable[[str], bool], page_size: int = 500
) -> Calls[list[ParkedThread]]:
    """Find the threads that are parked, and those that were, were resumed, and did not get to their end.

    Args:
        saver: The checkpointer.
        owns_node: Whether a node, as `qualified_node` names it, may be one of the graph's.
        page_size: Checkpoints that are held in memory at once, if the checkpointer lists them by time.
    """
    scan = _Scan(owns_node)
    # PostgreSQL's checkpointer lists all threads in one order, by time, so it can be read page by page; it
    # would otherwise hold all checkpoints in memory at once.
    is_postgres = any(kind.__name__ == "BasePostgresSaver" for kind in type(saver).__mro__)
    page: dict[str, Any] = {"limit": page_size} if is_postgres else {}
    while True:
        scan.page_count = 0
        yield Call(
            lambda: scan.add_all(saver.list(None, **page)),
            lambda: scan.aadd_all(saver.alist(None, **page)),
        )
        if not page or scan.page_count < page_size:
            return list(scan.parked.values())
        page["before"] = {"configurable": {"checkpoint_id": scan.last_id}}


def _interrupts(found: CheckpointTuple, *, only_undone: bool) -> list[Any]:
    """The interrupts in which tasks of this checkpoint are, or, unless `only_undone`, were parked."""
    writes = found.pending_writes or []
    done = {task for task, channel, _ in writes if channel not in _UNDONE}
    shown = (
        getattr(interrupt, "value", None)
        for task, channel, value in writes
        if channel == _INTERRUPT and not (only_undone and task in done)
        for interrupt in (value if isinstance(value, list | tuple) else [value])
    )
    return [value for value in shown if runs_waited_for(value)]
