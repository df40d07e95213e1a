"""A thread that fails in every sweep does not get in the way of the others."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import interrupt

from langchain_parallel._core.calls import drive
from langchain_parallel.errors import NotFound
from langchain_parallel.parked import GraphThreads
from langchain_parallel.simulator import Fault

from ..middleware.harness import SAID, Account, How, Model, calls, start, thread
from ..research.harness import Mode, Session
from .helpers import records, swept


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=[False, True], ids=["listing", "store"])
def store(request: pytest.FixtureRequest) -> InMemoryStore | None:
    return InMemoryStore() if request.param else None


class Driven:
    """An account's agents, driven one way."""

    def __init__(self, how: How) -> None:
        self.mode, self.account = how, Account(how)
        self.simulator = self.account.simulator


@pytest.mark.parametrize("lost", [1, 2])
def test_a_run_that_vanished_keeps_its_thread_from_nothing(
    mode: Mode, store: InMemoryStore | None, lost: int
) -> None:
    driven = Driven(mode)
    account, kept = driven.account, {"checkpointer": InMemorySaver(), "store": store}
    model = Model(calls(start("Who?"), start("What?")), "done")
    agent = account.agent(model, wait="park", compiled=kept)
    account.invoke(agent, SAID, thread())
    account.pass_time()
    for gone in account.runs[:lost]:
        for path in (f"*/{gone['run_id']}", f"*/{gone['run_id']}/*", "*/groups/*"):
            account.fault("status_before", method="GET", path=path, status=404, times=None)
    found = swept(driven, agent)
    for _ in range(5):
        if not found.resumed:  # two calls move one virtual clock: one has gone on waiting
            found = swept(driven, agent)
    assert found.resumed == ["thread"]
    assert isinstance(found.failed["thread"], NotFound)
    assert not agent.get_state(thread()).tasks
    assert records(store) == []
    assert len(account.runs) == 2


def test_threads_that_always_fail_do_not_starve_the_others(
    mode: Mode, store: InMemoryStore | None
) -> None:
    session = Session(mode, options={"wait": "park"}, store=store)
    for number in range(6):
        session.ask("How large?", config={"configurable": {"thread_id": f"{number}"}})
    session.simulator.clock.sleep(3_600.0)
    graph = session.graph()
    listed = [one.thread_id for one in drive(GraphThreads(graph).list_parked())]
    for found in session.runs:
        if found["metadata"]["thread_id"] in listed[:3]:
            path = f"*/{found['run_id']}"
            session.simulator.faults.add(Fault("status_before", path=path, times=None))
    resumed: set[str] = set()
    for _ in range(50):  # one in twenty begins with all three of them, and gives up
        resumed |= set(swept(session, graph, concurrency=1).resumed)
        if len(resumed) == 3:
            break
    assert resumed == set(listed[3:])


class State(TypedDict, total=False):
    said: str


@pytest.mark.parametrize(
    "odd", [{"runs": None}, {"runs": 5}, {"runs": {"a": 1}}, {"waiting_for": None}]
)
def test_an_interrupt_that_only_calls_itself_parked_stops_no_sweep(
    mode: Mode, odd: dict[str, Any]
) -> None:
    session = Session(mode, options={"wait": "park"})
    session.ask("How large is it?")
    session.simulator.clock.sleep(3_600.0)
    other: Any = StateGraph(State)
    other.add_node("wait", lambda state: {"said": interrupt({"kind": "parked", **odd})})
    other.add_edge(START, "wait")
    other.add_edge("wait", END)
    config: Any = {"configurable": {"thread_id": "foreign"}}
    other.compile(checkpointer=session.checkpointer).invoke({"said": "?"}, config)
    assert swept(session, session.graph()).resumed == ["thread"]
