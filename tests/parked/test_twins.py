"""A run that was started twice: the thread stays parked until the run that counts has ended."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel.parked import Outcome
from langchain_parallel.simulator import Fault, RunScript, Simulator

from ..middleware import harness as agents
from ..research.harness import Session, invoke
from .helpers import swept, woken

LONG = 5_000.0


def started_twice(simulator: Simulator) -> None:
    """The answer to the first send is lost, and its run listed after the second; it takes longer, too."""
    simulator.scripts.add(RunScript(late_commit=80.0, seconds=LONG))
    simulator.scripts.add(RunScript(seconds=60.0))
    simulator.faults.add(Fault("drop_after", method="POST", path="*/runs"))


@pytest.fixture(params=["sync", "async"])
def session(request: pytest.FixtureRequest) -> Session:
    return Session(request.param, options={"wait": "park"})


def waits_for(session: Session) -> str:
    [interrupt] = session.graph().get_state(session.config).interrupts
    [run] = interrupt.value["runs"]
    assert run["question"] == "q"
    return str(run["run_id"])


@pytest.mark.parametrize("how", ["woken", "swept", "resumed"])
@pytest.mark.parametrize("store", [lambda: None, InMemoryStore], ids=["no store", "store"])
def test_a_thread_parks_again_for_the_older_run(session: Session, store: Any, how: str) -> None:
    started_twice(session.simulator)
    session.store = store()
    session.ask("q")
    older, younger = (run["run_id"] for run in session.runs)
    assert waits_for(session) == younger
    session.simulator.clock.sleep(100)
    began = session.simulator.clock.monotonic()
    goes_on(session, younger, how)
    assert session.simulator.clock.monotonic() - began < 30  # looks, and no waiting
    assert waits_for(session) == older
    session.simulator.clock.sleep(LONG)
    goes_on(session, older, how)
    (turn,) = session.state()["turns"]
    assert (turn["run_id"], turn["status"], turn["duplicates"]) == (older, "completed", [younger])


def goes_on(session: Session, run_id: str, how: str) -> None:
    if how == "woken":
        assert woken(session, session.graph(), run_id).outcome is Outcome.RESUMED
    elif how == "swept":
        assert swept(session, session.graph()).resumed == ["thread"]
    else:
        invoke(session.mode, session.graph(), Command(resume=True), session.config)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_an_agent_parks_again_for_the_older_run(how: Any) -> None:
    account = agents.Account(how)
    started_twice(account.simulator)
    model = agents.Model(agents.calls(agents.start("q")), "done")
    agent = account.agent(model, wait="park", compiled={"checkpointer": InMemorySaver()})
    state = account.invoke(agent, agents.SAID, agents.thread())
    older, younger = (run["run_id"] for run in account.runs)
    for run_id, seconds in ((younger, 100.0), (older, LONG)):
        [interrupt] = state["__interrupt__"]
        assert [run["run_id"] for run in interrupt.value["runs"]] == [run_id]
        account.pass_time(seconds)
        state = account.invoke(agent, Command(resume=True), agents.thread())
    assert "__interrupt__" not in state
    found = agents.record(state, "r1")
    assert (found["run_id"], found["status"]) == (older, "completed")
