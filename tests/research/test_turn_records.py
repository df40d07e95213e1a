"""A turn that has ended carries no planning fields, however it ended (R8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langgraph.types import Command

from langchain_parallel.errors import StillRunning
from langchain_parallel.options import Limits
from langchain_parallel.research.state import Turn
from langchain_parallel.simulator import Fault, RunScript

from .harness import Mode, Session, invoke, script

RECORD = {
    *("key", "position", "round", "question", "asked_by", "processor", "verdict", "error"),
    *("parent_interaction_id", "interaction_id", "run_id", "status", "started_at", "ended_at"),
    *("content", "confidence", "unsupported_fields", "citations", "warnings", "cost_usd"),
    *("ledger_id", "seal"),
}
"""The keys of a turn that has ended."""
PLANNING = {
    *("output_schema", "source_policy", "ledger_position", "cleared", "approved"),
    *("on_hold", "no_credit", "sent_again"),
}
QUESTION = "How large is it?"
SCHEMA = {"type": "object", "properties": {"law": {"type": "string"}}}
FORK: Any = {
    "action": "branch",
    "questions": [{"question": "Left?"}, {"question": "Right?", "output_schema": SCHEMA}],
}
YES = {"decisions": [{"type": "approve"}]}
NO = {"decisions": [{"type": "reject"}]}


def go_on(session: Session, given: Any) -> None:
    invoke(session.mode, session.graph(), Command(resume=given), session.config)


def answered(session: Session) -> None:
    session.ask(QUESTION)


def failed(session: Session) -> None:
    session.simulator.scripts.add(RunScript("failed"))
    session.ask(QUESTION)


def approved(session: Session) -> None:
    session.options["limits"] = Limits(approve_above="lite")
    session.ask(QUESTION)
    go_on(session, YES)


def approved_once_there_was_credit(session: Session) -> None:
    session.options["limits"] = Limits(max_cost_usd=9.0)
    session.simulator.faults.add(Fault("payment_required", method="POST", path="*/runs"))
    session.ask(QUESTION)
    go_on(session, YES)


def branched(session: Session) -> None:
    session.options["evaluate"] = script(FORK)
    session.ask(QUESTION)


def branched_and_refused(session: Session) -> None:
    session.simulator.faults.add(
        Fault("status_before", status=422, method="POST", contains="Right?")
    )
    branched(session)


def branched_and_declined(session: Session) -> None:
    session.options["limits"] = Limits(max_cost_usd=9.0, max_runs_per_question=9)
    session.simulator.faults.add(Fault("payment_required", method="POST", contains="Right?"))
    branched(session)
    go_on(session, NO)


def overtaken(session: Session) -> None:
    session.simulator.scripts.add(RunScript(seconds=5_000))
    session.options["timeout"] = 60.0
    with pytest.raises(StillRunning):
        session.ask(QUESTION)
    session.options["timeout"] = None
    session.ask("Something else?", processor="lite")
    session.ask(QUESTION)


def asked_again_after_another_question(session: Session) -> None:
    """Its position in the ledger differs from its position in the session."""
    session.simulator.scripts.add(RunScript(contains="Left?", seconds=5_000))
    session.simulator.scripts.add(RunScript(contains="Right?", seconds=5_000))
    session.options["timeout"] = 1_000.0
    with pytest.raises(StillRunning):
        branched(session)
    session.options["timeout"] = 10_000.0
    session.ask("Right?")


def started_twice(session: Session) -> None:
    session.simulator.scripts.add(RunScript(late_commit=20.0))
    session.simulator.faults.add(Fault("drop_after", method="POST", path="*/runs"))
    session.ask(QUESTION)


ENDS: dict[Callable[[Session], None], set[str]] = {
    answered: {"completed"},
    failed: {"failed"},
    approved: {"completed"},
    approved_once_there_was_credit: {"completed"},
    branched: {"completed"},
    branched_and_refused: {"completed", "refused"},
    branched_and_declined: {"completed", "refused"},
    overtaken: {"completed", "unfinished"},
    asked_again_after_another_question: {"completed", "unfinished"},
    started_twice: {"completed"},
}


@pytest.mark.parametrize("story", ENDS, ids=lambda story: story.__name__)
def test_a_turn_that_has_ended_carries_nothing_of_its_planning(
    mode: Mode, story: Callable[[Session], None]
) -> None:
    session = Session(mode, options={"limits": Limits(max_runs_per_question=9)})
    session.options["evaluate"] = script()
    story(session)
    state = session.state()
    assert {turn["status"] for turn in state["turns"]} == ENDS[story]
    for turn in state["turns"]:
        assert set(turn) - {"duplicates", "approved_by"} == RECORD
        assert ("approved_by" in turn) is (story in (approved, approved_once_there_was_credit))
        assert turn["key"]
    assert not state.get("pending")
    assert not state.get("branches")


def test_a_turn_has_the_keys_of_its_record_and_those_of_its_planning() -> None:
    sometimes = {"approved_by", "checks", "duplicates", "message_key"}
    assert set(Turn.__annotations__) == RECORD | PLANNING | sometimes


def test_a_planned_turn_is_the_turn_that_it_becomes(mode: Mode) -> None:
    """The same record is planned, put on hold, running and answered."""
    session = Session(mode, options={"limits": Limits(approve_above="lite"), "wait": "park"})
    seen = []
    session.ask(QUESTION)
    seen.append(session.state()["pending"])
    go_on(session, YES)
    seen.append(session.state()["pending"])
    clock: Any = session.simulator.clock
    clock.advance(3_600.0)
    go_on(session, "wake up")
    seen.append(session.state()["turns"][0])
    assert [turn["status"] for turn in seen] == ["planned", "running", "completed"]
    assert [turn.get("on_hold") for turn in seen] == [True, None, None]
    assert [bool(turn["run_id"]) for turn in seen] == [False, True, True]
    same = ("position", "round", "question", "asked_by", "processor", "parent_interaction_id")
    assert len({str([turn[name] for name in same]) for turn in seen}) == 1
    assert seen[1]["key"] == seen[2]["key"]
    assert seen[1]["interaction_id"] == seen[2]["interaction_id"]
