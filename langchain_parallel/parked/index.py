"""What LangGraph's store says of parked threads: which runs they wait for, and which deliveries are done.

Rule: a run is recorded before its thread parks, and its record is deleted only after the thread was seen to
have been resumed. A process that dies in between leaves a record too many, never one too few.
Rule: a delivery is recorded as processed after its threads were resumed, never before: a worker that is
killed must not take it along. Two workers that process the same delivery do no harm; waking is idempotent.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.store.base import BaseStore, Item

from .._core.calls import Call, Calls
from .._graph.runtime import runtime_of, thread_id_of
from .._graph.store import (
    NAMESPACE,
    PAGE,
    all_items,
    delete_item,
    digest,
    gather,
    put_item,
    search_items,
)
from .._graph.tenants import tags
from ..errors import StorageFailed

_LOG = logging.getLogger("langchain_parallel")

_PARKED = (NAMESPACE, "parked")
DELIVERIES = (NAMESPACE, "webhooks")
"""The deliveries that have been processed, by digests of their webhook ids."""
_PARKING_SECONDS = 60.0
"""A record younger than this is kept: its thread may be about to park, and clocks may differ."""
_RECORD_SECONDS = 7 * 86_400.0
"""A record is deleted at this age if its thread is neither seen to wait nor to have been resumed."""
_DELIVERY_SECONDS = 72 * 3600.0
"""A processed delivery is remembered for this long; the API repeats a delivery for 48 hours."""


class ParkedRecord(NamedTuple):
    """A run that a thread is parked for, as the store has it."""

    run_id: str
    thread_id: str
    ledger_id: str | None
    node: str
    """The node of the outermost graph that waits (`qualified_node`); empty if unknown. Tells apart the
    threads of graphs that share a store.
    """
    at: float
    """When it was recorded, in Unix seconds."""
    graph: str = ""
    """The name of the graph that has parked the thread; empty if unknown."""

    def is_stale(self, idle_seconds: float) -> bool:
        """Whether its thread, which is not parked for the run, will not park for it any more.

        Args:
            idle_seconds: Seconds since the thread's last checkpoint. If that is older than the record, the
                thread may be about to park: with `durability="exit"` nothing is written before.
        """
        age = time.time() - self.at
        if idle_seconds < age and age > _PARKING_SECONDS:
            return True
        if age > _RECORD_SECONDS:
            _LOG.warning(
                "The record that thread %s is parked for run %s is deleted: for days the thread was seen "
                "neither to wait for the run nor to have been resumed.",
                self.thread_id,
                self.run_id,
            )
        return age > _RECORD_SECONDS


@dataclass(frozen=True)
class ParkedThread:
    """A thread that is parked, or that was resumed and left unfinished."""

    thread_id: str
    runs: dict[str, str | None]
    """Ledger id by run id; None if the ledger is not known. A task group that is waited for as a whole stands
    as a run whose ledger is itself.
    """
    records: tuple[ParkedRecord, ...] = ()
    """What the store says of it."""
    graphs: frozenset[str] = frozenset()
    """The names of the graphs that have parked it, as far as is known."""
    other_graph: str = ""
    """One of them, if none of them is the graph that is asked for its threads."""


def agent_of(metadata: Mapping[str, Any] | None) -> str:
    """The agent's name in a run's or checkpoint's metadata, where `create_agent(name=…)` puts it, or ""."""
    name = (metadata or {}).get("lc_agent_name")
    return name if isinstance(name, str) else ""


def qualified_node(node: str, agent: str) -> str:
    """`agent|node`, because all agents call their nodes alike; `node` for a graph without an agent's name."""
    return f"{agent}|{node}" if agent else node


def record_parked(
    config: RunnableConfig,
    run_ids: Iterable[str],
    ledger_id: str | None,
    graph: str,
    *,
    step: str | None = None,
) -> Calls[None]:
    """Record which runs a thread is about to park for. Does nothing in a graph without a store.

    Args:
        config: The config of the node that parks, or of one before it.
        run_ids: The runs.
        ledger_id: Their task group, if they are in one: a sweep then reads all of them with one request.
        graph: The name of the graph that parks it.
        step: The node of the same graph that parks, unless it is this one.
    """
    runtime, thread_id = runtime_of(config), thread_id_of(config)
    if runtime is None or runtime.store is None or thread_id is None:
        return
    node, store = parking_node(config, step), runtime.store
    ids = list(run_ids)
    try:
        yield from gather(
            *(put_record(store, id, thread_id, ledger_id, node, graph, config) for id in ids)
        )
    except StorageFailed as error:
        error.with_ids(ids[0], None)
        raise


def parking_node(config: RunnableConfig, step: str | None = None) -> str:
    """The node of the outermost graph in which a thread parks, if this node does, or `step` of its graph."""
    namespace = str(config.get("configurable", {}).get("checkpoint_ns", ""))
    outermost, inside, _ = namespace.partition("|")
    node = outermost.partition(":")[0]
    if inside:  # the name in the metadata may be the subgraph's
        return node
    return qualified_node(step or node, agent_of(config.get("metadata")))


def put_record(  # noqa: PLR0917 -- the fields of a record
    store: BaseStore,
    run_id: str,
    thread_id: str,
    ledger_id: str | None = None,
    node: str = "",
    graph: str = "",
    config: RunnableConfig | None = None,
) -> Call:
    """Record that a thread is parked for a run; each thread that waits for the run has its own record."""
    record = ParkedRecord(run_id, thread_id, ledger_id, node, time.time(), graph)
    item = {**record._asdict(), **tags(thread_id, config)}
    return put_item(store, *_place(run_id, thread_id), item)


def delete_record(store: BaseStore, record: ParkedRecord) -> Call:
    """Delete a record."""
    return delete_item(store, *_place(record.run_id, record.thread_id))


def search_run(store: BaseStore, run_id: str) -> Call:
    """Read the store's items for a run; `records_in` makes records of them."""
    namespace, _ = _place(run_id, "")
    return search_items(store, namespace, limit=PAGE)


def records_in(items: Iterable[Item]) -> list[ParkedRecord]:
    """The records among a store's items, each once; other programs may write there, too."""
    records: dict[tuple[str, str], ParkedRecord] = {}
    for item in items:
        known = item.value
        run_id, thread_id, at = known.get("run_id"), known.get("thread_id"), known.get("at")
        ledger_id, node, graph = (known.get(name) for name in ("ledger_id", "node", "graph"))
        if not (isinstance(run_id, str) and isinstance(thread_id, str) and thread_id):
            _LOG.warning("The store's item %s is ignored: it names no parked thread.", item.key)
            continue
        records[run_id, thread_id] = ParkedRecord(
            run_id,
            thread_id,
            ledger_id if isinstance(ledger_id, str) and ledger_id else None,
            node if isinstance(node, str) else "",
            float(at) if isinstance(at, int | float) else time.time(),
            graph if isinstance(graph, str) else "",
        )
    return list(records.values())


def recorded_threads(
    store: BaseStore, owns_node: Callable[[str], bool]
) -> Calls[list[ParkedThread]]:
    """Every thread that is recorded as parked in a node that `owns_node` accepts."""
    by_thread: dict[str, list[ParkedRecord]] = defaultdict(list)
    for record in records_in((yield from all_items(store, _PARKED))):
        if owns_node(record.node):
            by_thread[record.thread_id].append(record)
    return [
        ParkedThread(
            thread_id,
            {r.run_id: r.ledger_id for r in records},
            tuple(records),
            frozenset(r.graph for r in records if r.graph),
        )
        for thread_id, records in by_thread.items()
    ]


def _place(run_id: str, thread_id: str) -> tuple[tuple[str, ...], str]:
    """Namespace and key of a record: digests, because a store may list both to whoever may list anything.
    Ids may be of any length, too, and a namespace must not contain dots.
    """
    return (*_PARKED, digest(run_id)), digest(thread_id)


def delete_old_deliveries(store: BaseStore) -> Calls[None]:
    """Delete the processed deliveries that the API cannot send again."""
    for item in (yield from all_items(store, DELIVERIES)):
        at = item.value.get("at")
        if isinstance(at, int | float) and time.time() - at > _DELIVERY_SECONDS:
            yield delete_item(store, DELIVERIES, item.key)
