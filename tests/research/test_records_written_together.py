"""How often parking and waking ask the store: what comes at one moment is written together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from langgraph.store.base import BaseStore, Op, Result
from langgraph.store.base.batch import AsyncBatchedBaseStore
from langgraph.store.memory import InMemoryStore

from langchain_parallel.parked import Outcome

from ..parked.helpers import records, woken
from .harness import Mode, Session, client_of, invoke

QUESTION = {"question": "How large is it?"}


class Batched(AsyncBatchedBaseStore):
    """As LangGraph's stores for SQLite and PostgreSQL, it answers in one query what is asked at once."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = InMemoryStore()
        self.batches = 0

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        self.batches += 1
        return self.kept.batch(ops)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        await asyncio.sleep(0)
        return self.batch(ops)


def thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


def test_a_thread_is_parked_with_five_queries_of_the_store_and_woken_with_three() -> None:
    session = Session("async", options={"wait": "park"})
    counted = list[int]()

    async def run() -> None:
        from langchain_parallel.parked import aresume_parked

        session.store = store = Batched()  # type: ignore[assignment]
        graph = session.graph()
        await graph.ainvoke(QUESTION, thread("earlier"), durability="sync")
        client = client_of("async", session.simulator)
        for name in ("earlier", "thread"):
            store.batches = 0
            parked = await graph.ainvoke(QUESTION, thread(name), durability="sync")
            counted.append(store.batches)
            session.simulator.clock.sleep(3_600.0)
            store.batches = 0
            run_id = parked["__interrupt__"][0].value["runs"][0]["run_id"]
            found = await aresume_parked(graph, run_id, client)
            assert found.outcome is Outcome.RESUMED
            counted.append(store.batches)

    asyncio.run(run())
    # The ledger is looked for and recorded; the intent is read and claimed; the outcome is recorded with
    # the thread.
    assert counted[2] == 5
    # The thread is looked for; the answer is recorded; the thread's record is deleted.
    assert counted[3] == 3


def parking(mode: Mode) -> Session:
    return Session(mode, store=InMemoryStore(), options={"wait": "park"})


def stopped_before_waiting(session: Session, graph: Any) -> str:
    graph.interrupt_before_nodes = ["wait"]
    invoke(session.mode, graph, QUESTION, session.config)
    graph.interrupt_before_nodes = []
    return str(session.runs[0]["run_id"])


def test_a_thread_whose_run_was_started_is_in_the_store_before_it_parks(mode: Mode) -> None:
    session = parking(mode)
    run_id = stopped_before_waiting(session, session.graph())
    [item] = records(session.store)
    assert (item.value["run_id"], item.value["node"]) == (run_id, "wait")
    session.simulator.settle(run_id)
    assert woken(session, session.graph(), run_id).outcome is Outcome.IN_PROGRESS
    assert len(records(session.store)) == 1


@pytest.mark.parametrize("seconds", [0.0, 1.5])
def test_its_record_is_written_again_where_it_may_be_gone(mode: Mode, seconds: float) -> None:
    session = parking(mode)
    graph = session.graph()
    stopped_before_waiting(session, graph)
    [item] = records(session.store)
    store: BaseStore = session.store  # type: ignore[assignment]
    store.delete(item.namespace, item.key)
    session.simulator.clock.sleep(seconds)
    invoke(mode, graph, None, session.config)
    assert len(records(session.store)) == (1 if seconds else 0)


class Failing(InMemoryStore):
    """Cannot record parked threads as often as it is told to."""

    fails = 1

    def put(self, namespace: tuple[str, ...], *args: Any, **more: Any) -> None:
        if "parked" in namespace and self.fails:
            self.fails -= 1
            raise OSError("disk full")
        super().put(namespace, *args, **more)

    async def aput(self, namespace: tuple[str, ...], *args: Any, **more: Any) -> None:
        self.put(namespace, *args, **more)


def test_a_record_that_failed_beside_the_outcome_is_written_when_the_thread_parks(
    mode: Mode,
) -> None:
    session = parking(mode)
    session.store = Failing()
    parked = invoke(mode, session.graph(), QUESTION, session.config)
    assert parked["__interrupt__"]
    assert len(session.runs) == 1
    assert len(records(session.store)) == 1
