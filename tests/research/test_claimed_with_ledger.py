"""A first question is claimed with the ledger that is made for it, once records are known to be kept.

Nobody finds the ledger before the claim, so nobody can have sent the question without taking it over, and who
takes it over looks for the settling time. So the maker sends without another look, for as long as its own
look at the empty ledger holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.base import BaseStore, Op, PutOp, Result
from langgraph.store.base.batch import AsyncBatchedBaseStore
from langgraph.store.memory import InMemoryStore

from langchain_parallel._graph.records import Records
from langchain_parallel.options import Limits, Quota
from langchain_parallel.parked import Outcome
from langchain_parallel.simulator import Fault, RunScript

from ..parked.helpers import records, woken
from .harness import Mode, Session, client_of, invoke

RECORDS = ("langchain_parallel", "records")
QUESTION = {"question": "How large is it?"}


class Noting(InMemoryStore):
    """Notes what each put records, in order, and how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.batches = 0

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        made = list(ops)
        self.batches += 1
        puts = [op.value for op in made if isinstance(op, PutOp) and op.value]
        self.names += [str(value.get("name", "parked")) for value in puts]
        return super().batch(made)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return self.batch(ops)


class Batched(AsyncBatchedBaseStore):
    """As LangGraph's stores for SQLite and PostgreSQL, it answers in one query what is asked at once."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = Noting()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        return self.kept.batch(ops)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        await asyncio.sleep(0)
        return self.kept.batch(ops)


def thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


def trusting(session: Session) -> Any:
    """A graph whose process has seen that its records are kept."""
    session.store = session.store or Noting()
    graph = session.graph()
    invoke(session.mode, graph, QUESTION, thread("earlier"))
    return graph


def stopped_before_submit(session: Session, graph: Any) -> None:
    graph.interrupt_before_nodes = ["submit"]
    invoke(session.mode, graph, QUESTION, session.config)
    graph.interrupt_before_nodes = []


def requests(session: Session, since: int) -> list[str]:
    return [entry.method for entry in session.simulator.requests[since:]]


def test_the_claim_is_recorded_before_anything_that_leads_to_the_ledger(session: Session) -> None:
    graph = trusting(session)
    store: Any = session.store
    store.names.clear()
    stopped_before_submit(session, graph)
    claimed, *others = store.names
    assert claimed.startswith("intent ")
    assert sorted(name.split()[0] for name in others) == ["ledger", "ledger", "made"]
    store.names.clear()
    invoke(session.mode, graph, None, session.config)
    assert [name.split()[0] for name in store.names] == ["intent", "ledger"]  # settled, closed


def test_a_process_that_has_not_seen_records_kept_reads_them_first(session: Session) -> None:
    session.store = Noting()
    stopped_before_submit(session, session.graph())
    assert not any(name.startswith("intent ") for name in session.store.names)


@pytest.mark.parametrize(
    ("limits", "is_claimed"),
    [
        (Limits(), True),
        (Limits(max_cost_usd=5.0), False),
        (Limits(quotas=[Quota(max_cost_usd=5.0, per="all")]), False),
        (Limits(approve_above="lite"), False),
    ],
    ids=["free", "limits", "quotas", "approval"],
)
def test_only_what_may_be_sent_at_once_is_claimed(
    session: Session, limits: Limits, is_claimed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Records, "trusts", lambda self, config: True)
    session.store, session.options["limits"] = Noting(), limits
    graph = session.graph()
    graph.interrupt_before_nodes = ["submit", "approve"]
    invoke(session.mode, graph, QUESTION, session.config)
    assert any(name.startswith("intent ") for name in session.store.names) == is_claimed


def another(session: Session, checkpointer: Any = None) -> Any:
    """The graph of another process, with the same store."""
    other = Session(
        "sync",
        session.simulator,
        checkpointer or session.checkpointer,
        session.store,
        session.options,
    )
    return other.graph()


def paid(session: Session) -> int:
    """Runs of the thread that both processes have asked on."""
    named = [run["metadata"]["thread_id"] for run in session.runs]
    return named.count("thread")


def test_who_takes_over_a_claim_looks_until_it_is_settled_and_the_maker_finds_its_run(
    session: Session,
) -> None:
    graph = trusting(session)
    stopped_before_submit(session, graph)
    clock: Any = session.simulator.clock
    begun = clock.monotonic()
    other = another(session, InMemorySaver())  # the same input, come a second time
    invoke("sync", other, QUESTION, session.config)
    assert clock.monotonic() - begun > 60.0
    assert paid(session) == 1
    invoke(session.mode, graph, None, session.config)
    assert paid(session) == 1


def test_the_maker_sends_while_another_looks_which_adopts_its_run(session: Session) -> None:
    graph = trusting(session)
    stopped_before_submit(session, graph)
    store: Any = session.store
    kept = [item for item in store.search(RECORDS, limit=100) if "by" in item.value["record"]]
    [claim] = [item for item in kept if item.value["record"]["open"]]
    taken = {**claim.value, "record": {"by": "another process", "open": True}}
    store.put(claim.namespace, claim.key, taken)
    before = len(session.simulator.requests)
    invoke(session.mode, graph, None, session.config)
    assert requests(session, before)[0] == "POST"
    state = invoke("sync", another(session, InMemorySaver()), QUESTION, session.config)
    assert paid(session) == 1
    assert state["turns"][-1]["status"] == "completed"


def test_after_moments_the_maker_looks_again(session: Session) -> None:
    graph = trusting(session)
    stopped_before_submit(session, graph)
    session.simulator.clock.sleep(3.0)
    before = len(session.simulator.requests)
    invoke(session.mode, graph, None, session.config)
    assert requests(session, before) == ["GET", "GET", "POST", "GET"]
    assert paid(session) == 1


def test_after_moments_the_maker_reads_who_has_taken_over_for_the_list_may_lag(
    session: Session,
) -> None:
    graph = trusting(session)
    stopped_before_submit(session, graph)
    session.simulator.scripts.add(RunScript(late_commit=3_600.0))
    other = another(session, InMemorySaver())
    other.interrupt_before_nodes = ["wait"]
    invoke("sync", other, QUESTION, session.config)
    invoke(session.mode, graph, None, session.config)
    assert paid(session) == 1


def test_without_credit_the_claim_is_withdrawn(session: Session) -> None:
    graph = trusting(session)
    session.simulator.faults.add(Fault("payment_required", method="POST", path="*/runs"))
    with pytest.raises(Exception, match="credit"):
        invoke(session.mode, graph, QUESTION, session.config)
    begun = session.simulator.clock.monotonic()
    invoke("sync", another(session), None, session.config)
    assert paid(session) == 1
    turn = session.state()["turns"][-1]
    assert turn["status"] == "completed"
    assert session.simulator.clock.monotonic() - begun < 600.0  # no doubt: only the run's own time


# --- one write less ---------------------------------------------------------------------------------


def test_a_thread_is_parked_with_four_queries_of_the_store_and_woken_with_three() -> None:
    session = Session("async", options={"wait": "park"})
    counted = list[int]()

    async def run() -> None:
        from langchain_parallel.parked import aresume_parked

        session.store = store = Batched()  # type: ignore[assignment]
        graph = session.graph()
        await graph.ainvoke(QUESTION, thread("earlier"), durability="sync")
        client = client_of("async", session.simulator)
        for name in ("earlier", "thread"):
            store.kept.batches = 0
            parked = await graph.ainvoke(QUESTION, thread(name), durability="sync")
            counted.append(store.kept.batches)
            session.simulator.clock.sleep(3_600.0)
            store.kept.batches = 0
            run_id = parked["__interrupt__"][0].value["runs"][0]["run_id"]
            found = await aresume_parked(graph, run_id, client)
            assert found.outcome is Outcome.RESUMED
            counted.append(store.kept.batches)

    asyncio.run(run())
    # The ledger is looked for twice and recorded with the claim; the outcome is recorded with the thread.
    assert counted[2] == 4
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
