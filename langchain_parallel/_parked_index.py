"""Which threads are parked, written down in LangGraph's store, for sweeps.

Rule: a run is noted before its thread parks, and forgotten only by whoever has seen that the thread went
on: a process that dies in between leaves a note too many, never one too few.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore, Item

from ._calls import Call, Calls
from ._langgraph import runtime_of, thread_id_of

_SPACE = ("langchain_parallel", "parked")
_PAGE = 500
_YOUNG_SECONDS = 60.0
"""So long its thread may take to park."""


class Note(NamedTuple):
    """A run that a thread was parked for."""

    run_id: str
    thread_id: str
    ledger_id: str | None
    node: str
    """The node of the outermost graph that waits, `qualified`: tells threads of other graphs apart."""
    at: float
    """Unix seconds."""

    @property
    def young(self) -> bool:
        """Whether its thread may not have parked yet."""
        return time.time() - self.at < _YOUNG_SECONDS


def agent_of(metadata: Mapping[str, Any] | None) -> str:
    """The name of the agent that a run or a checkpoint with such metadata is of; empty for none.

    LangChain's `create_agent(name=…)` writes it there.
    """
    name = (metadata or {}).get("lc_agent_name")
    return name if isinstance(name, str) else ""


def qualified(node: str, agent: str) -> str:
    """A node of the outermost graph, behind its agent's name: the nodes of all agents are called alike."""
    return f"{agent}|{node}" if agent else node


def is_of(noted: str, graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Whether a node, `qualified`, can be one of this graph's."""
    agent, _, node = noted.rpartition("|")  # which no node's name can have
    return node in graph.nodes and may_be(agent, graph)


def may_be(agent: str, graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Whether a graph can be the agent of this name; it can where one of them has none."""
    name = agent_of((graph.config or {}).get("metadata"))
    return not agent or not name or agent == name


def note_parked(
    config: RunnableConfig, run_ids: Iterable[str], ledger_id: str | None = None
) -> Calls[None]:
    """Note, before a thread parks, what it waits for; nothing in a graph without a store.

    Args:
        config: Of the node that parks.
        run_ids: The runs it waits for.
        ledger_id: The task group of these runs, if they are in one: it can be asked for all at once.
    """
    runtime, thread_id = runtime_of(config), thread_id_of(config)
    if runtime is None or runtime.store is None or thread_id is None:
        return
    store = runtime.store
    outermost, inside, _ = str(config.get("configurable", {}).get("checkpoint_ns", "")).partition(
        "|"
    )
    node = outermost.partition(":")[0]
    value: dict[str, Any] = {
        "thread_id": thread_id,
        "ledger_id": ledger_id or None,
        # Inside another graph, the name may be that one's, or this one's.
        "node": node if inside else qualified(node, agent_of(config.get("metadata"))),
        "at": time.time(),
    }
    yield from at_once(*(_put(store, run_id, value) for run_id in run_ids))


def note_of(store: BaseStore, run_id: str) -> Call:
    """Read what is noted of a run: a `Note`, or None."""

    def note(item: Item | None) -> Note | None:
        return None if item is None else Note(run_id, **item.value)

    async def awaited() -> Note | None:
        return note(await store.aget(_SPACE, run_id))

    return Call(lambda: note(store.get(_SPACE, run_id)), awaited)


def all_noted(store: BaseStore) -> Calls[list[Note]]:
    """Everything that is noted."""
    items = yield from all_items(store, _SPACE)
    return list({item.key: Note(item.key, **item.value) for item in items}.values())


def all_items(store: BaseStore, space: tuple[str, ...]) -> Calls[list[Item]]:
    """What a namespace of the store holds. What is put there meanwhile may be missing, or come twice."""
    found: list[Item] = []
    while True:
        seen = len(found)
        found += yield Call(
            lambda: store.search(space, limit=_PAGE, offset=seen),  # noqa: B023 -- called at once
            lambda: store.asearch(space, limit=_PAGE, offset=seen),  # noqa: B023
        )
        if len(found) - seen < _PAGE:
            return found


def forget(store: BaseStore | None, run_ids: Iterable[str], *, seen: bool) -> Calls[None]:
    """Their threads have gone on.

    Args:
        store: The graph's, if it has one.
        run_ids: The runs.
        seen: Whether that was seen to happen. Otherwise notes of the last minute stay for the next sweep:
            such a thread may not have parked yet.
    """
    if store is None:
        return
    ids = list(run_ids)
    if not seen:
        notes = yield from at_once(*(note_of(store, run_id) for run_id in ids))
        ids = [note.run_id for note in notes if note is not None and not note.young]
    yield from at_once(*(delete_note(store, run_id) for run_id in ids))


def delete_note(store: BaseStore, run_id: str) -> Call:
    """Delete what is noted of a run."""
    return Call(lambda: store.delete(_SPACE, run_id), lambda: store.adelete(_SPACE, run_id))


def at_once(*calls: Call | None) -> Calls[list[Any]]:
    """Make several calls of a store, which an asynchronous one takes together; what they return, in order,
    and None for none.
    """

    async def none() -> None:
        return None

    def plain() -> list[Any]:
        return [call and call.plain() for call in calls]

    async def awaited() -> list[Any]:
        return await asyncio.gather(*(call.awaited() if call else none() for call in calls))

    returned: list[Any] = (yield Call(plain, awaited)) if any(calls) else [None] * len(calls)
    return returned


def _put(store: BaseStore, key: str, value: dict[str, Any]) -> Call:
    return Call(
        lambda: store.put(_SPACE, key, value, index=False),
        lambda: store.aput(_SPACE, key, value, index=False),
    )
