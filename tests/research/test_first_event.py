"""A question that waits in its process starts its run and follows it; the first event says whose run it is.

Between the two steps the state knows the run by its id alone, as the API has named it. Whatever comes then,
the answer is that of the question's own run, which is paid for once.
"""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from langchain_parallel.errors import SubmissionUnknown
from langchain_parallel.models import TaskRunInput
from langchain_parallel.options import Limits
from langchain_parallel.parked import Outcome
from langchain_parallel.simulator import Listing, ManualClock, RunScript

from ..client.test_unclear_answers import Naming
from ..parked.helpers import woken
from ..tool.test_first_event import Killed, Lying
from .harness import Mode, Session, blocking_client, invoke, script
from .test_first_look import requests

QUESTION = "How large is it?"


def another_run(session: Session) -> str:
    """A run of somebody else, which has ended."""
    client = blocking_client(session.simulator)
    asked = TaskRunInput(input="A secret?", processor="lite")
    run_id = client.submit(client.create_group().taskgroup_id, asked).run.run_id
    session.simulator.settle(run_id)
    return run_id


def stopped_at(session: Session, node: str = "wait") -> Session:
    """The session whose process has ended before this step."""
    graph = session.graph()
    graph.interrupt_before_nodes = [node]
    graph.invoke({"question": QUESTION}, session.config, durability="sync")
    assert session.graph().get_state(session.config).next == (node,)
    return session


def unread(session: Session) -> dict[str, Any]:
    """The turn on its way, whose run was never read."""
    pending: dict[str, Any] = session.state()["pending"]
    assert pending["run_id"]
    assert pending["interaction_id"] is None
    return pending


def test_a_thread_that_parks_reads_its_run_once(mode: Mode) -> None:
    session = Session(mode, options={"wait": "park"})
    assert requests(session) == ["POST groups", "POST runs", "GET run"]
    [parked] = session.graph().get_state(session.config).interrupts
    assert parked.value["runs"][0]["interaction_id"] == session.runs[0]["interaction_id"]


def test_resumed_at_once_it_looks_again(mode: Mode) -> None:
    session = Session(mode, options={"wait": "park"})
    graph = session.graph()
    invoke(mode, graph, {"question": QUESTION}, session.config)
    before = len(session.simulator.requests)
    invoke(mode, graph, None, session.config)
    assert [entry.method for entry in session.simulator.requests[before:]] == ["GET"]


def test_what_was_read_too_long_ago_does_not_count(mode: Mode) -> None:
    session = Session(mode, options={"wait": "park"})
    graph = session.graph()
    graph.interrupt_before_nodes = ["wait"]
    graph.invoke({"question": QUESTION}, session.config, durability="sync")
    graph.interrupt_before_nodes, before = [], len(session.simulator.requests)
    session.simulator.clock.sleep(1.5)
    graph.invoke(None, session.config, durability="sync")
    looked = [entry.method for entry in session.simulator.requests[before:]]
    assert looked == ["GET"]


def test_a_process_that_ends_before_it_follows_loses_nothing(mode: Mode) -> None:
    session = stopped_at(Session(mode))
    unread(session)
    turn = session.ask()["turns"][0]
    (run,) = session.runs
    assert (turn["run_id"], turn["interaction_id"]) == (run["run_id"], run["interaction_id"])


def test_another_process_may_park_for_it(mode: Mode) -> None:
    session = stopped_at(Session(mode))
    session.options["wait"] = "park"
    [parked] = session.ask()["__interrupt__"]
    (run,) = session.runs
    assert parked.value["runs"][0]["interaction_id"] == run["interaction_id"]
    session.simulator.settle(run["run_id"])
    assert session.ask()["turns"][0]["interaction_id"] == run["interaction_id"]
    assert len(session.runs) == 1


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_run_that_ends_without_an_answer_has_its_interaction(mode: Mode, status: str) -> None:
    session = Session(mode)
    session.simulator.scripts.add(RunScript(outcome=status))  # type: ignore[arg-type]
    turn = session.ask(QUESTION)["turns"][0]
    (run,) = session.runs
    assert turn["status"] == status
    assert (turn["run_id"], turn["interaction_id"]) == (run["run_id"], run["interaction_id"])


def test_one_that_another_question_overtakes_has_its_interaction(mode: Mode) -> None:
    session = stopped_at(Session(mode))
    first, second = session.ask("Who sells it?")["turns"]
    assert first["status"] == "unfinished"
    assert first["interaction_id"] == session.runs[0]["interaction_id"]
    assert second["status"] == "completed"
    assert len(session.runs) == 2


def test_a_fork_from_before_the_start_finds_the_run(mode: Mode) -> None:
    session = stopped_at(Session(mode))
    (at,) = [
        state
        for state in session.graph().get_state_history(session.config)
        if state.next == ("submit",)
    ]
    out = session.ask(config=at.config)
    assert out["turns"][0]["run_id"] == session.runs[0]["run_id"]
    assert len(session.runs) == 1


def test_an_id_of_another_run_that_was_recorded_makes_no_turn(mode: Mode) -> None:
    """Of a process that was killed before its step was written; the next one has only the record."""
    naming = Naming(ManualClock())
    session = Session(mode, naming)
    naming.instead = another_run(session)
    stopped_at(session)
    graph = session.graph()
    at = next(s for s in graph.get_state_history(session.config) if s.next == ("submit",))
    invoke(mode, graph, None, at.config)
    turns = invoke(mode, graph, {"question": "Who sells it?"}, session.config)["turns"]
    assert [turn["asked_by"] for turn in turns] == ["caller", "caller"]
    assert [turn["run_id"] for turn in turns] == [run["run_id"] for run in session.runs[1:]]


@pytest.mark.parametrize("wait", ["block", "park"])
def test_the_id_of_another_run_is_never_taken_for_its_own(mode: Mode, wait: str) -> None:
    naming = Naming(ManualClock())
    session = Session(mode, naming, options={"wait": wait})
    naming.instead = other = another_run(session)
    state = session.ask(QUESTION)
    if wait == "park":
        session.simulator.settle(session.runs[1]["run_id"])
        state = session.ask()
    own = session.runs[1]
    assert state["turns"][0]["run_id"] == own["run_id"] != other
    assert state["turns"][0]["interaction_id"] == own["interaction_id"]
    assert len(session.runs) == 2


def test_nor_where_the_process_ends_before_and_another_parks(mode: Mode) -> None:
    naming = Naming(ManualClock())
    session = Session(mode, naming, store=InMemoryStore())
    naming.instead = another_run(session)
    stopped_at(session)
    session.options["wait"] = "park"
    [parked] = session.ask()["__interrupt__"]
    own = session.runs[1]["run_id"]
    assert [run["run_id"] for run in parked.value["runs"]] == [own]
    session.simulator.settle(own)
    assert woken(session, session.graph(), own).outcome is Outcome.RESUMED
    assert session.state()["turns"][0]["run_id"] == own


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("asks_again", [False, True])
def test_an_id_that_is_anothers_does_not_hold_a_thread_for_ever(
    mode: Mode, is_killed: bool, asks_again: bool
) -> None:
    """The API names another's run, and has started nothing."""
    lying = Lying(ManualClock())
    session = Session(mode, lying)
    lying.instead, lying.kills = another_run(session), is_killed
    with pytest.raises(Killed if is_killed else SubmissionUnknown):
        session.ask(QUESTION)
    lying.kills = False
    if is_killed:  # what was accepted is looked for, and nothing is sent
        with pytest.raises(SubmissionUnknown):
            session.ask()
    assert len(session.runs) == 1
    if not asks_again:
        turn = session.ask()["turns"][0]
        assert (turn["status"], turn["cost_usd"], turn["run_id"]) == ("refused", 0.0, "")
        assert len(session.runs) == 1
    out = session.ask(QUESTION)
    assert out["turns"][-1]["run_id"] == session.runs[1]["run_id"]
    assert len(session.runs) == 2


def test_nor_one_of_several_branches(mode: Mode) -> None:
    lying, asked = Lying(ManualClock()), [{"question": "Where?"}, {"question": "When?"}]
    session = Session(mode, lying)
    session.options |= {"limits": Limits(max_runs_per_question=5)}
    session.options["evaluate"] = script({"action": "branch", "questions": asked})
    other = another_run(session)
    graph = session.graph()
    graph.interrupt_before_nodes = ["submit_branch"]
    graph.invoke({"question": QUESTION}, session.config, durability="sync")
    lying.instead = other
    with pytest.raises(SubmissionUnknown):
        session.ask()
    turns = session.ask()["turns"]
    assert [turn["status"] for turn in turns] == ["completed"] * 3
    assert {turn["run_id"] for turn in turns} == {r["run_id"] for r in session.runs} - {other}
    assert len(session.runs) == 4


def test_where_the_list_shows_the_run_late_it_is_unknown_and_found(mode: Mode) -> None:
    naming = Naming(ManualClock())
    session = Session(mode, naming)
    naming.instead, naming.listing = another_run(session), Listing(metadata=False)
    with pytest.raises(SubmissionUnknown):
        session.ask(QUESTION)
    naming.listing = Listing()
    turn = session.ask()["turns"][0]
    assert turn["run_id"] == session.runs[1]["run_id"]
    assert turn["status"] == "completed"
    assert len(session.runs) == 2
