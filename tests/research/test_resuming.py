"""A checkpoint is the session: what was interrupted is continued, and nothing is paid for twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel import aresume, resume
from langchain_parallel.errors import (
    ActionRequired,
    CreditExhausted,
    ResponseLost,
    StillRunning,
    SubmissionUnknown,
)
from langchain_parallel.simulator import Fault, RunScript

from .harness import Mode, Session


def test_a_deadline_that_passes_leaves_the_run_to_be_resumed(session: Session) -> None:
    session.simulator.scripts.add(RunScript(seconds=5_000))
    session.options["timeout"] = 60.0
    with pytest.raises(StillRunning) as caught:
        session.ask("Map the landscape")
    (run,) = session.runs
    assert caught.value.run_id == run["run_id"]
    assert caught.value.interaction_id == run["interaction_id"]
    session.options["timeout"] = 10_000.0
    assert session.ask()["turns"][0]["run_id"] == run["run_id"]
    assert len(session.runs) == 1


def test_asking_the_same_again_instead_of_resuming_finds_the_run(session: Session) -> None:
    session.simulator.scripts.add(RunScript(seconds=5_000))
    session.options["timeout"] = 60.0
    with pytest.raises(StillRunning):
        session.ask("Map the landscape")
    session.options["timeout"] = None
    session.simulator.clock.sleep(5_000)
    out = session.ask("Map the landscape")
    assert len(session.runs) == 1
    assert [turn["status"] for turn in out["turns"]] == ["completed"]


def test_another_question_in_between_keeps_the_ids_of_the_run_it_left(session: Session) -> None:
    session.simulator.scripts.add(RunScript(seconds=5_000))
    session.options["timeout"] = 60.0
    with pytest.raises(StillRunning):
        session.ask("Map the landscape")
    out = session.ask("Something else?", processor="lite")
    left, turn = out["turns"]
    assert left["status"] == "unfinished"
    assert left["run_id"] == session.runs[0]["run_id"]
    assert left["cost_usd"] == 0.1
    assert turn["status"] == "completed"
    assert turn["position"] == 1


def test_a_run_that_needs_a_person_is_waited_for_again(session: Session) -> None:
    session.simulator.scripts.add(RunScript("action_required"))
    with pytest.raises(ActionRequired) as caught:
        session.ask("Map the landscape")
    run_id = caught.value.run_id
    assert run_id is not None
    session.simulator.settle(run_id)
    assert session.ask()["turns"][0]["status"] == "completed"
    assert len(session.runs) == 1


def test_a_lost_answer_is_found_in_the_ledger(session: Session) -> None:
    session.simulator.faults.add(Fault("drop_after", method="POST", path="*/runs"))
    assert session.ask("Map the landscape")["turns"][0]["status"] == "completed"
    assert len(session.runs) == 1


def test_an_api_that_cannot_be_asked_leaves_a_thread_that_can_be_resumed(session: Session) -> None:
    session.simulator.faults.add(Fault("drop_after", method="POST", path="*/runs"))
    session.simulator.faults.add(Fault("drop_before", method="GET", path="*/runs", times=None))
    with pytest.raises(SubmissionUnknown):
        session.ask("Map the landscape")
    session.simulator.faults.clear()
    assert session.ask()["turns"][0]["status"] == "completed"
    assert len(session.runs) == 1


def test_credit_that_runs_out_leaves_a_thread_that_can_be_resumed(session: Session) -> None:
    session.simulator.faults.add(Fault("payment_required", method="POST", path="*/runs"))
    with pytest.raises(CreditExhausted, match="not enough credit"):
        session.ask("Map the landscape")
    assert session.runs == []
    assert session.ask()["turns"][0]["status"] == "completed"


def test_an_outage_while_waiting_names_the_run_and_can_be_resumed(session: Session) -> None:
    session.simulator.faults.add(Fault("drop_before", method="GET", path="*/trun_*", times=None))
    with pytest.raises(ResponseLost) as caught:
        session.ask("Map the landscape")
    (run,) = session.runs
    assert caught.value.run_id == run["run_id"]
    session.simulator.faults.clear()
    assert session.ask()["turns"][0]["interaction_id"] == run["interaction_id"]
    assert len(session.runs) == 1


def history(session: Session) -> list[Any]:
    return list(session.graph().get_state_history(session.config))


@pytest.mark.parametrize("before", ["submit", "wait", "evaluate"])
def test_a_replay_from_within_the_session_adopts_the_run(session: Session, before: str) -> None:
    first = session.ask("Map the landscape")
    (at,) = [snapshot for snapshot in history(session) if snapshot.next == (before,)]
    again = session.ask(config=at.config)
    assert len(session.runs) == 1
    assert again["turns"][0]["run_id"] == first["turns"][0]["run_id"]


def test_a_fork_that_asks_something_else_is_a_run_of_its_own(session: Session) -> None:
    session.ask("Map the landscape")
    (at,) = [snapshot for snapshot in history(session) if snapshot.next == ("plan",)]
    fork = session.graph().update_state(
        at.config, {"question": "Something else"}, as_node="__start__"
    )
    out = session.ask(config=fork)
    told = [(turn["question"], turn["asked_by"]) for turn in out["turns"]]
    assert told == [("Map the landscape", "elsewhere"), ("Something else", "caller")]
    assert len(session.runs) == 2


def test_with_a_store_even_a_replay_from_before_the_session_adopts(session: Session) -> None:
    session.store = InMemoryStore()
    session.ask("Map the landscape")
    (at,) = [snapshot for snapshot in history(session) if snapshot.next == ("plan",)]
    assert "ledger_id" not in at.values
    session.ask(config=at.config)
    assert len(session.runs) == 1


class Killed(BaseException):
    """What a process that is killed at this moment does not catch."""


class Dying(InMemorySaver):
    """Dies as a checkpoint is to be written: the step's writes are there, what follows from them is not."""

    dies_at = 0
    written = 0

    def put(self, *given: Any, **more: Any) -> RunnableConfig:
        self.written += 1
        if self.written == self.dies_at:
            raise Killed
        return super().put(*given, **more)


@pytest.mark.parametrize("nth", [2, 3, 4, 5, 6])
def test_a_thread_whose_step_was_done_but_not_checkpointed_is_resumed(mode: Mode, nth: int) -> None:
    saver = Dying()
    session = Session(mode, checkpointer=saver)
    saver.dies_at = nth
    with pytest.raises(Killed):
        session.ask("Map the landscape")
    graph, config = session.graph(), session.config
    found = resume(graph, config) if mode == "sync" else asyncio.run(aresume(graph, config))
    assert found.resumed
    assert found.state.tasks == ()
    assert found.state.values["turns"][0]["status"] == "completed"
    assert len(session.runs) == 1
