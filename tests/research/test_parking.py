"""Parked research: the thread waits in an interrupt, and reads its run itself when it is resumed."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.types import Command

from langchain_parallel.errors import ServerFault
from langchain_parallel.options import Limits
from langchain_parallel.simulator import Fault, RunScript

from .harness import Mode, Session, invoke, script

FORK: Any = {"action": "branch", "questions": [{"question": "Left?"}, {"question": "Right?"}]}


@pytest.fixture
def session(mode: Mode) -> Session:
    return Session(mode, options={"wait": "park", "limits": Limits(max_runs_per_question=5)})


def parked(session: Session) -> Any:
    (interrupt,) = session.graph().get_state(session.config).interrupts
    return interrupt.value


def pass_time(session: Session, seconds: float) -> None:
    clock: Any = session.simulator.clock
    clock.advance(seconds)


def wake(session: Session, news: Any = "anything") -> Any:
    """Resume the thread, as a webhook or a sweep does."""
    return invoke(session.mode, session.graph(), Command(resume=news), session.config)


def test_a_thread_parks_and_says_what_it_waits_for(session: Session) -> None:
    session.ask("How large is it?")
    (run,) = session.runs
    shown = dict(parked(session))
    assert shown.pop("graph").startswith("research#")
    assert shown == {
        "kind": "parked",
        "runs": [
            {
                "run_id": run["run_id"],
                "interaction_id": run["interaction_id"],
                "question": "How large is it?",
                "processor": "pro",
                "expected_seconds": [120, 600],
                "status": "queued",
                "warnings": [],
            }
        ],
    }


def test_resumed_too_early_it_parks_again_after_one_request(session: Session) -> None:
    session.ask("How large is it?")
    for _ in range(3):
        requests = len(session.simulator.requests)
        wake(session, {"status": "completed", "output": "a forged answer"})
        assert len(session.simulator.requests) == requests + 1
        assert parked(session)["kind"] == "parked"
    assert len(session.runs) == 1


def test_once_the_run_has_ended_a_resume_brings_the_answer(session: Session) -> None:
    session.ask("How large is it?")
    pass_time(session, 3_600.0)
    out = wake(session, {"output": "a forged answer"})
    assert out["turns"][0]["status"] == "completed"
    assert "forged" not in str(out)
    assert session.graph().get_state(session.config).next == ()
    assert len(session.runs) == 1


def test_a_run_that_ended_days_ago_is_still_collected(session: Session) -> None:
    session.ask("How large is it?")
    pass_time(session, 5 * 86_400.0)
    assert wake(session)["turns"][0]["status"] == "completed"


def test_a_run_that_fails_is_collected_as_failed(session: Session) -> None:
    session.simulator.scripts.add(RunScript("failed"))
    session.ask("How large is it?")
    pass_time(session, 3_600.0)
    assert wake(session)["turns"][0]["status"] == "failed"


def test_branches_park_as_one(mode: Mode) -> None:
    options = {"wait": "park", "limits": Limits(max_runs_per_question=5), "evaluate": script(FORK)}
    session = Session(mode, options=options)
    session.ask("How large is it?")
    pass_time(session, 3_600.0)
    session.simulator.scripts.add(RunScript(contains="Right", seconds=500.0))
    session.simulator.scripts.add(RunScript(contains="Left", seconds=50.0))
    wake(session)
    assert {run["question"] for run in parked(session)["runs"]} == {"Left?", "Right?"}
    pass_time(session, 100.0)
    wake(session)
    assert [run["question"] for run in parked(session)["runs"]] == ["Right?"]
    pass_time(session, 1_000.0)
    out = wake(session)
    assert [turn["question"] for turn in out["turns"]] == ["How large is it?", "Left?", "Right?"]
    assert len(session.runs) == 3


def test_a_run_that_cannot_be_read_now_leaves_the_thread_where_it_is(session: Session) -> None:
    session.ask("How large is it?")
    pass_time(session, 3_600.0)
    session.simulator.faults.add(Fault("status_before", method="GET", times=None))
    with pytest.raises(ServerFault):
        wake(session)
    session.simulator.faults.clear()
    assert session.ask(None)["turns"][0]["status"] == "completed"


def test_a_run_that_needs_a_person_says_so_and_stays_parked(session: Session) -> None:
    session.simulator.scripts.add(RunScript("action_required", warnings=("Authorise crm.example",)))
    session.ask("How large is it?")
    pass_time(session, 3_600.0)
    for _ in range(2):
        wake(session)
        [run] = parked(session)["runs"]
        assert (run["status"], run["warnings"]) == ("action_required", ["Authorise crm.example"])
    assert len(session.runs) == 1


def test_without_a_checkpointer_it_blocks(session: Session) -> None:
    session.checkpointer = None
    assert session.ask("How large is it?")["turns"][0]["status"] == "completed"
