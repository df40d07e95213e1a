"""Which threads are parked, written down in LangGraph's store, for sweeps.

Rule: a run is noted before its thread parks, and forgotten only by whoever has seen that the thread went
on: a process that dies in between leaves a note too many, never one too few.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore, Item

from .._core.calls import Call, Calls
from .._graph.runtime import runtime_of, thread_id_of

_LOG = logging.getLogger("langchain_parallel")

_SPACE = ("langchain_parallel", "parked")
_PAGE = 500
_YOUNG_SECONDS = 60.0
"""So long clocks may differ, and a thread at least may take to park."""
_KEPT_SECONDS = 7 * 86_400.0
"""So long the note of a thread stays that is neither seen to wait nor to have gone on."""


class Note(NamedTuple):
    """A run that a thread was parked for."""

    run_id: str
    thread_id: str
    ledger_id: str | None
    node: str
    """The node of the outermost graph that waits, `qualified`: tells threads of other graphs apart. Empty:
    not known.
    """
    at: float
    """Unix seconds."""
    space: tuple[str, ...]
    key: str
    """Where the store has it."""

    def outlived(self, idle_seconds: float) -> bool:
        """Whether its thread, which does not wait for the run, will not park for it any more either.

        Args:
            idle_seconds: Since the thread's last checkpoint. One from before the note may be all there is to
                see of a thread that is about to park.
        """
        age = time.time() - self.at
        if idle_seconds < age and age > _YOUNG_SECONDS:
            return True
        if age > _KEPT_SECONDS:
            _LOG.warning(
                "Thread %s was seen for days neither to wait for run %s nor to have gone on; "
                "its note goes.",
                self.thread_id,
                self.run_id,
            )
        return age > _KEPT_SECONDS


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
    return (not node or node in graph.nodes) and may_be(agent, graph)


def may_be(agent: str, graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Whether a graph can be the agent of this name; it can where one of them has none."""
    name = agent_of((graph.config or {}).get("metadata"))
    return not agent or not name or agent == name


def record_parked(
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
    outermost, inside, _ = str(config.get("configurable", {}).get("checkpoint_ns", "")).partition(
        "|"
    )
    node = outermost.partition(":")[0]
    # Inside another graph, the name may be that one's, or this one's.
    named = node if inside else qualified(node, agent_of(config.get("metadata")))
    store = runtime.store
    yield from at_once(*(put_note(store, id, thread_id, ledger_id, named) for id in run_ids))


def put_note(
    store: BaseStore, run_id: str, thread_id: str, ledger_id: str | None = None, node: str = ""
) -> Call:
    """Note one run of a thread, apart from whoever else waits for the same."""
    space, key = _space(run_id), sha256(thread_id.encode()).hexdigest()
    value = {
        "run_id": run_id,
        "thread_id": thread_id,
        "ledger_id": ledger_id or None,
        "node": node,
        "at": time.time(),
    }
    return Call(
        lambda: store.put(space, key, value, index=False),
        lambda: store.aput(space, key, value, index=False),
    )


def notes_of(store: BaseStore, run_id: str) -> Call:
    """Read what is noted of a run: a list of `Note`, one for each thread."""
    space = _space(run_id)

    def plain() -> list[Note]:
        found: list[Any] = list(store.search(space, limit=_PAGE))
        return _notes(found or [store.get(_SPACE, run_id)], run_id)

    async def awaited() -> list[Note]:
        found: list[Any] = list(await store.asearch(space, limit=_PAGE))
        return _notes(found or [await store.aget(_SPACE, run_id)], run_id)

    return Call(plain, awaited)


def all_noted(store: BaseStore) -> Calls[list[Note]]:
    """Everything that is noted."""
    return _notes((yield from all_items(store, _SPACE)))


def _space(run_id: str) -> tuple[str, ...]:
    return (*_SPACE, run_id.replace(".", "_"))  # a namespace must not have dots


def _notes(items: Iterable[Item | None], run_id: str | None = None) -> list[Note]:
    """Those that are notes: other versions of this package, and whoever else, may write there, too."""
    notes: dict[tuple[tuple[str, ...], str], Note] = {}
    for item in items:
        if item is None:
            continue
        known = item.value
        noted = known.get(
            "run_id", item.key
        )  # a store that had one note by run has its id as the key
        thread_id, at = known.get("thread_id"), known.get("at")
        ledger_id, node = known.get("ledger_id"), known.get("node")
        if not (isinstance(thread_id, str) and thread_id and isinstance(noted, str)):
            _LOG.warning("What the store has noted as %s is no parked thread's.", item.key)
        elif run_id in (
            None,
            noted,
        ):  # where namespaces are texts, those of longer ids are found, too
            notes[tuple(item.namespace), item.key] = Note(
                noted,
                thread_id,
                ledger_id if isinstance(ledger_id, str) else None,
                node if isinstance(node, str) else "",
                float(at) if isinstance(at, int | float) else time.time(),
                tuple(item.namespace),
                item.key,
            )
    return list(notes.values())


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


def delete_note(store: BaseStore, note: Note) -> Call:
    """Its thread has gone on."""
    return Call(
        lambda: store.delete(note.space, note.key), lambda: store.adelete(note.space, note.key)
    )


def at_once(*calls: Call | None) -> Calls[list[Any]]:
    """Make several calls of a store, which an asynchronous one takes together; what they return, in order,
    and None for none.
    """

    async def none() -> None:
        return None

    def plain() -> list[Any]:
        return [call and call.sync() for call in calls]

    async def awaited() -> list[Any]:
        return await asyncio.gather(*(call.async_() if call else none() for call in calls))

    returned: list[Any] = (yield Call(plain, awaited)) if any(calls) else [None] * len(calls)
    return returned
