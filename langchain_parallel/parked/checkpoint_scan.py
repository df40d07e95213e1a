"""Parked threads as a checkpointer lists them: for graphs without a store.

A checkpointer has no index by what a thread waits for, so every checkpoint is looked at, the newest of each
thread first. Only the outermost graph's: the interrupts of the graphs inside it stand there, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from .._core.calls import Call, Calls
from .index import agent_of, qualified
from .interrupts import runs_waited_for

_INTERRUPT = "__interrupt__"
_UNDONE = frozenset({_INTERRUPT, "__resume__", "__error__", "__scheduled__"})
"""What may have been written by a task that is not done."""
_DUE, _SENT = "branch:to:", "__pregel_tasks"
"""Channels that hold something in a checkpoint after which nodes are due. Tests fail if that changes."""


@dataclass(frozen=True)
class ParkedThread:
    """A thread that waits for runs, or was left by whoever went on with it."""

    thread_id: str
    runs: dict[str, str | None]
    """By run, the ledger it is in, if that is known."""


@dataclass
class _Found:
    """What was found by thread."""

    mine: Callable[[str], bool]
    """Whether a node, `qualified`, can be one of the graph's."""
    parked: dict[str, ParkedThread] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)
    """Threads with something to do, but not parked (any more)."""
    seen: set[str] = field(default_factory=set)

    def look(self, found: CheckpointTuple) -> None:
        """Take in one checkpoint; a thread's newest comes first."""
        place = found.config["configurable"]
        thread_id = place["thread_id"]
        if place.get("checkpoint_ns") or thread_id in self.parked:
            return
        newest = thread_id not in self.seen
        self.seen.add(thread_id)
        if not (newest or thread_id in self.unfinished):
            return
        values = found.checkpoint["channel_values"]
        due = [name.removeprefix(_DUE) for name in values if name.startswith(_DUE)]
        due += [send.node for send in values.get(_SENT) or ()]
        agent = agent_of(found.metadata)
        if due and not any(self.mine(qualified(node, agent)) for node in due):
            return  # another graph's, with the same checkpointer
        runs = _waited_for(found, still=newest)
        if due and not runs:  # all of its nodes are done, but nobody has written what comes then
            runs = _waited_for(found, still=False)
        if runs:
            ledger_id = values.get("ledger_id")
            known = ledger_id if isinstance(ledger_id, str) and ledger_id else None
            self.parked[thread_id] = ParkedThread(thread_id, dict.fromkeys(runs, known))
        elif newest and due:
            self.unfinished.add(thread_id)


def parked_threads(
    saver: BaseCheckpointSaver[Any], mine: Callable[[str], bool], page_size: int = 500
) -> Calls[list[ParkedThread]]:
    """Threads that are parked; and those that were, went on, and did not get to their end.

    Only those that wait in a node that is `mine`, as far as a checkpoint tells that.
    """
    found = _Found(mine)
    page: dict[str, Any] = {"limit": page_size} if _newest_first(saver) else {}
    while True:
        last, size = yield Call(
            lambda: _looked(found, saver.list(None, **page)),
            lambda: _alooked(found, saver.alist(None, **page)),
        )
        if not page or size < page_size:
            return list(found.parked.values())
        page["before"] = {"configurable": {"checkpoint_id": last}}


def _looked(found: _Found, listed: Iterable[CheckpointTuple]) -> tuple[str, int]:
    """The last one's id, and how many there were."""
    last, size = "", 0
    for one in listed:
        found.look(one)
        last, size = one.checkpoint["id"], size + 1
    return last, size


async def _alooked(found: _Found, listed: AsyncIterator[CheckpointTuple]) -> tuple[str, int]:
    last, size = "", 0
    async for one in listed:
        found.look(one)
        last, size = one.checkpoint["id"], size + 1
    return last, size


def _newest_first(saver: BaseCheckpointSaver[Any]) -> bool:
    """Whether it lists the checkpoints of all threads in one order, so that they can be had in pages.

    PostgreSQL's does, and would otherwise hold all of them in memory at once.
    """
    return any(kind.__name__ == "BasePostgresSaver" for kind in type(saver).__mro__)


def _waited_for(found: CheckpointTuple, *, still: bool) -> set[str]:
    """The runs that tasks of this checkpoint were parked for; `still`: only tasks that are not done."""
    writes = found.pending_writes or []
    done = {task for task, channel, _ in writes if channel not in _UNDONE}
    return {
        run_id
        for task, channel, value in writes
        if channel == _INTERRUPT and not (still and task in done)
        for interrupt in (value if isinstance(value, list | tuple) else [value])
        for run_id in runs_waited_for(getattr(interrupt, "value", None))
    }
