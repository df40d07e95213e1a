"""Which threads are parked, written down in LangGraph's store, for sweeps.

Rule: a run is noted before its thread parks, and forgotten only by whoever has seen that the thread went
on: a process that dies in between leaves a note too many, never one too few.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
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
    """The node of the outermost graph that waits; tells threads of other graphs apart."""
    at: float
    """Unix seconds."""


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
    namespace = str(config.get("configurable", {}).get("checkpoint_ns", ""))
    value: dict[str, Any] = {
        "thread_id": thread_id,
        "ledger_id": ledger_id or None,
        "node": namespace.partition("|")[0].partition(":")[0],
        "at": time.time(),
    }
    for run_id in run_ids:
        yield from _put(store, run_id, value)


def note_of(store: BaseStore, run_id: str) -> Calls[Note | None]:
    """What is noted of a run."""
    item = yield Call(lambda: store.get(_SPACE, run_id), lambda: store.aget(_SPACE, run_id))
    return None if item is None else Note(run_id, **item.value)


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
    for run_id in run_ids:
        note = None if seen else (yield from note_of(store, run_id))
        if seen or (note is not None and time.time() - note.at >= _YOUNG_SECONDS):
            yield from _delete(store, run_id)


def _put(store: BaseStore, key: str, value: dict[str, Any]) -> Calls[None]:
    yield Call(
        lambda: store.put(_SPACE, key, value, index=False),
        lambda: store.aput(_SPACE, key, value, index=False),
    )


def _delete(store: BaseStore, key: str) -> Calls[None]:
    yield Call(lambda: store.delete(_SPACE, key), lambda: store.adelete(_SPACE, key))
