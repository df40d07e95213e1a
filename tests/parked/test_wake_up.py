"""Waking: the thread that is parked for a run is resumed once the run has ended, and no other."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import create_research_graph
from langchain_parallel._core.calls import drive
from langchain_parallel.errors import ServerFault
from langchain_parallel.models import TaskRunInput
from langchain_parallel.options import Limits
from langchain_parallel.parked import Outcome, WakeResult, aresume_parked, resume_parked
from langchain_parallel.parked.interrupts import RESUME_VALUE
from langchain_parallel.parked.resumption import thread_lock
from langchain_parallel.parked.threads import BUSY_SECONDS
from langchain_parallel.research import ResearchState
from langchain_parallel.simulator import Fault, ManualClock, RunScript, Simulator

from ..research.harness import Session, async_client, blocking_client, client_of, invoke, script
from ..research.test_parking import FORK


@pytest.fixture(params=["sync", "async"])
def session(request: pytest.FixtureRequest) -> Session:
    return Session(
        request.param, options={"wait": "park", "limits": Limits(max_runs_per_question=5)}
    )


def wake(session: Session, run_id: str, graph: Any = None) -> WakeResult:
    """Wake, as a new process would."""
    graph, client = graph or session.graph(), client_of(session.mode, session.simulator)
    if session.mode == "sync":
        return resume_parked(graph, run_id, client)
    return asyncio.run(aresume_parked(graph, run_id, client))


def pass_time(session: Session, seconds: float = 3_600.0) -> None:
    session.simulator.clock.sleep(seconds)


def the_run(session: Session) -> str:
    (run,) = session.runs
    return str(run["run_id"])


def test_to_resume_a_thread_whose_run_has_ended_takes_one_request(session: Session) -> None:
    session.store = InMemoryStore()  # without it, only the run names its thread
    session.ask("How large is it?")
    pass_time(session)
    requests = len(session.simulator.requests)
    assert wake(session, the_run(session)).outcome is Outcome.RESUMED
    looked = [entry.path.rpartition("/")[2] for entry in session.simulator.requests[requests:]]
    assert looked == ["result"]


def test_woken_too_early_a_thread_parks_again_for_free(session: Session) -> None:
    session.ask("How large is it?")
    graph, requests = session.graph(), len(session.simulator.requests)
    [parked] = graph.get_state(session.config).interrupts
    for _ in range(2):
        command: Any = Command(resume={parked.id: RESUME_VALUE})
        out = invoke(session.mode, graph, command, session.config)
        [again] = out["__interrupt__"]
        assert again.value["runs"][0]["run_id"] == the_run(session)
    assert {entry.method for entry in session.simulator.requests[requests:]} == {"GET"}
    assert len(session.runs) == 1


def test_a_thread_is_resumed_when_its_run_has_ended_and_only_once(session: Session) -> None:
    session.ask("How large is it?")
    run_id = the_run(session)
    assert wake(session, run_id) == (Outcome.STILL_ACTIVE, run_id, "thread")
    pass_time(session)
    assert wake(session, run_id) == (Outcome.RESUMED, run_id, "thread")
    assert session.state()["turns"][0]["status"] == "completed"
    requests = len(session.simulator.requests)
    assert wake(session, run_id) == (Outcome.NOT_PARKED, run_id, "thread")
    assert len(session.simulator.requests) == requests + 1


def test_fifty_at_once_wake_a_thread_once(session: Session) -> None:
    evaluated: list[str] = []

    def count(state: Any, turn: Any) -> None:
        evaluated.append(turn["run_id"])

    session.options["evaluate"] = count
    session.ask("How large is it?")
    pass_time(session)
    graph, run_id = session.graph(), the_run(session)
    client = client_of(session.mode, session.simulator)
    if session.mode == "sync":
        with ThreadPoolExecutor(50) as pool:
            woken = list(pool.map(lambda _: resume_parked(graph, run_id, client), range(50)))
    else:

        async def everybody() -> list[WakeResult]:
            calls = (aresume_parked(graph, run_id, client) for _ in range(50))
            return list(await asyncio.gather(*calls))

        woken = asyncio.run(everybody())
    outcomes = [each.outcome for each in woken]
    assert outcomes.count(Outcome.RESUMED) == 1
    assert set(outcomes) <= {Outcome.RESUMED, Outcome.NOT_PARKED, Outcome.IN_PROGRESS}
    assert evaluated == [run_id]


def test_an_unknown_run_is_reported_and_raises_nothing(session: Session) -> None:
    assert wake(session, "trun_unknown") == (Outcome.UNKNOWN_RUN, "trun_unknown", None)


@pytest.mark.parametrize("metadata", [None, {"thread_id": "nowhere"}, {"thread_id": 7}])
def test_a_run_of_no_thread_here_is_reported_and_raises_nothing(
    session: Session, metadata: dict[str, Any] | None
) -> None:
    asks = TaskRunInput(input="Else?", processor="lite", metadata=metadata or {})
    run_id = blocking_client(session.simulator).create(asks).run_id
    pass_time(session)
    woken = wake(session, run_id)
    assert woken.outcome is Outcome.UNKNOWN_THREAD
    assert not woken.is_settled


def test_a_run_that_names_another_thread_resumes_nothing_there(session: Session) -> None:
    session.ask("How large is it?")
    forged = TaskRunInput(input="Else?", processor="lite", metadata={"thread_id": "thread"})
    run_id = blocking_client(session.simulator).create(forged).run_id
    pass_time(session)
    assert wake(session, run_id).outcome is Outcome.NOT_PARKED
    (interrupt,) = session.graph().get_state(session.config).interrupts
    assert interrupt.value["runs"][0]["run_id"] != run_id


def test_a_thread_that_waits_for_a_person_is_not_answered(session: Session) -> None:
    session.options["evaluate"] = script({"action": "review"})
    session.ask("How large is it?")
    pass_time(session)
    wake(session, the_run(session))
    waiting = session.graph().get_state(session.config).interrupts
    assert wake(session, the_run(session)).outcome is Outcome.NOT_PARKED
    assert session.graph().get_state(session.config).interrupts == waiting


def test_branches_are_collected_one_by_one(session: Session) -> None:
    session.options["evaluate"] = script(FORK)
    session.ask("How large is it?")
    pass_time(session)
    session.simulator.scripts.add(RunScript(contains="Right", seconds=500.0))
    session.simulator.scripts.add(RunScript(contains="Left", seconds=50.0))
    graph = session.graph()
    wake(session, the_run(session), graph)
    ids = {run["interaction_id"]: run["run_id"] for run in session.runs[1:]}
    left, right = sorted(ids.values(), key=lambda id: session.simulator.find_run(id).ends)
    pass_time(session, 100.0)
    assert wake(session, right, graph).outcome is Outcome.STILL_ACTIVE
    assert wake(session, left, graph).outcome is Outcome.RESUMED
    assert wake(session, left, graph).outcome is Outcome.NOT_PARKED
    pass_time(session, 1_000.0)
    assert wake(session, right, graph).outcome is Outcome.RESUMED
    assert len(session.state()["turns"]) == 3


def test_a_run_that_waits_for_a_person_leaves_the_thread_parked(session: Session) -> None:
    session.simulator.scripts.add(RunScript("action_required"))
    session.ask("How large is it?")
    pass_time(session)
    woken = wake(session, the_run(session))
    assert woken.outcome is Outcome.ACTION_REQUIRED
    assert woken.is_settled
    session.simulator.settle(the_run(session))
    assert wake(session, the_run(session)).outcome is Outcome.RESUMED


def test_inside_a_parent_the_root_thread_is_resumed(session: Session) -> None:
    client = blocking_client(session.simulator)
    research = create_research_graph(processor="lite", wait="park", client=client)
    parent: Any = StateGraph(ResearchState)
    parent.add_node("research", research.compile())
    parent.add_edge(START, "research")
    parent.add_edge("research", END)
    graph = parent.compile(checkpointer=session.checkpointer)
    invoke(session.mode, graph, {"question": "How large is it?"}, session.config)
    pass_time(session)
    assert wake(session, the_run(session), graph).outcome is Outcome.RESUMED
    assert graph.get_state(session.config).values["turns"][0]["status"] == "completed"


def test_an_api_that_cannot_be_asked_is_an_error_and_changes_nothing(session: Session) -> None:
    session.ask("How large is it?")
    pass_time(session)
    session.simulator.faults.add(Fault("status_before", method="GET", times=None))
    with pytest.raises(ServerFault):
        wake(session, the_run(session))
    session.simulator.faults.clear()
    assert wake(session, the_run(session)).outcome is Outcome.RESUMED


def test_a_thread_that_is_being_worked_on_is_left_alone(session: Session) -> None:
    """The run ended before its thread has parked: a little later is soon enough."""
    seen: list[WakeResult] = []

    def meanwhile(state: Any, turn: Any) -> None:
        woken: list[WakeResult] = []
        with ThreadPoolExecutor(1) as pool:
            woken.append(pool.submit(wake, session, turn["run_id"], here).result())
        seen.extend(woken)

    session.options |= {"evaluate": meanwhile, "wait": "block"}
    here = session.graph()
    invoke(session.mode, here, {"question": "How large is it?"}, session.config)
    assert seen[0].outcome is Outcome.IN_PROGRESS
    assert not seen[0].is_settled
    assert session.state()["turns"][0]["status"] == "completed"


def test_context_variables_around_a_wake_do_not_reach_the_thread(session: Session) -> None:
    around: ContextVar[str] = ContextVar("around", default="nothing")
    seen: list[str] = []

    def evaluate(state: Any, turn: Any) -> None:
        seen.append(around.get())

    session.options["evaluate"] = evaluate
    session.ask("How large is it?")
    pass_time(session)
    token = around.set("the tracing of another graph")
    wake(session, the_run(session))
    around.reset(token)
    assert seen == ["nothing"]


def test_waking_from_inside_another_graph_touches_only_the_parked_thread(session: Session) -> None:
    session.ask("How large is it?")
    pass_time(session)
    parked = session.graph()
    woken: list[WakeResult] = []

    def node(state: ResearchState) -> ResearchState:
        woken.append(resume_parked(parked, the_run(session), blocking_client(session.simulator)))
        return {}

    async def anode(state: ResearchState) -> ResearchState:
        woken.append(
            await aresume_parked(parked, the_run(session), async_client(session.simulator))
        )
        return {}

    outer: Any = StateGraph(ResearchState)
    outer.add_node("wait", RunnableLambda(node, anode))
    outer.add_edge(START, "wait")
    graph = outer.compile(checkpointer=type(session.checkpointer)())
    invoke(session.mode, graph, {"question": "?"}, {"configurable": {"thread_id": "outer"}})
    assert [each.outcome for each in woken] == [Outcome.RESUMED]
    assert session.state()["turns"][0]["status"] == "completed"
    assert session.graph().get_state(session.config).next == ()


class Counting(InMemorySaver):
    """Counts how often a thread is read."""

    reads = 0

    def get_tuple(self, config: Any) -> Any:
        self.reads += 1
        return super().get_tuple(config)


def test_to_wake_a_thread_it_is_read_once_beside_langgraphs_own(
    session: Session,
) -> None:
    saver = session.checkpointer = Counting()
    session.ask("How large is it?")
    pass_time(session)
    saver.reads = 0
    assert wake(session, the_run(session)).outcome is Outcome.RESUMED
    # One of them to see that the checkpointer keeps records.
    assert saver.reads == 3


def test_a_caller_with_nothing_to_resume_does_not_wait_for_the_thread(
    session: Session,
) -> None:
    session.ask("How large is it?")
    pass_time(session)
    graph, run_id = session.graph(), the_run(session)
    wake(session, run_id, graph)
    lock, began = drive(thread_lock(graph, session.config, None)), time.monotonic()
    try:
        assert wake(session, run_id, graph).outcome is Outcome.NOT_PARKED
    finally:
        lock.release()
    assert time.monotonic() - began < BUSY_SECONDS / 10


def test_a_caller_with_something_to_resume_waits_for_the_thread(session: Session) -> None:
    session.ask("How large is it?")
    pass_time(session)
    graph = session.graph()
    lock = drive(thread_lock(graph, session.config, None))
    timer = threading.Timer(0.05, lock.release)
    timer.start()
    assert wake(session, the_run(session), graph).outcome is Outcome.RESUMED
    timer.join()


def test_a_thread_for_which_the_run_is_still_active_stays_parked(session: Session) -> None:
    session.ask("How large is it?")
    run_id = the_run(session)
    ahead = Simulator(ManualClock(), seed=session.simulator.seed)
    asks = TaskRunInput(input="?", processor="lite", metadata={"thread_id": "thread"})
    assert blocking_client(ahead).create(asks).run_id == run_id
    ahead.clock.sleep(3_600.0)
    graph, client = session.graph(), client_of(session.mode, ahead)
    if session.mode == "sync":
        woken = resume_parked(graph, run_id, client)
    else:
        woken = asyncio.run(aresume_parked(graph, run_id, client))
    assert woken.outcome is Outcome.STILL_ACTIVE
    assert len(graph.get_state(session.config).interrupts) == 1


def records(session: Session) -> list[Any]:
    assert session.store is not None
    return session.store.search(("langchain_parallel", "parked"))


def test_the_record_of_a_thread_is_deleted_once_it_was_resumed(session: Session) -> None:
    session.store = InMemoryStore()
    session.ask("How large is it?")
    assert len(records(session)) == 1
    wake(session, the_run(session))
    assert len(records(session)) == 1
    pass_time(session)
    wake(session, the_run(session))
    assert records(session) == []


def test_the_record_of_a_thread_resumed_by_hand_is_deleted_when_it_is_old(session: Session) -> None:
    """Before that, the thread may be one that is about to park."""
    session.store = InMemoryStore()
    session.ask("How large is it?")
    pass_time(session)
    invoke(session.mode, session.graph(), Command(resume=1), session.config)
    assert wake(session, the_run(session)).outcome is Outcome.NOT_PARKED
    (item,) = records(session)
    session.store.put(item.namespace, item.key, {**item.value, "at": time.time() - 61})
    assert wake(session, the_run(session)).outcome is Outcome.NOT_PARKED
    assert records(session) == []


def test_a_thread_resumed_by_hand_is_not_resumed_again(session: Session) -> None:
    session.ask("How large is it?")
    pass_time(session)
    invoke(session.mode, session.graph(), Command(resume=1), session.config)
    assert wake(session, the_run(session)).outcome is Outcome.NOT_PARKED
