"""Judging answers: the built-in rule, a caller's function, and the limit on runs."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.options import Limits
from langchain_parallel.research.evaluation import by_evidence
from langchain_parallel.simulator import EvidenceSettings, ManualClock, RunScript, Simulator

from .harness import Mode, Session, script

SCHEMA = {
    "type": "object",
    "properties": {"size": {"type": "string"}, "growth": {"type": "string"}},
    "required": ["size", "growth"],
    "additionalProperties": False,
}


THE_LIMIT = "The answer stands: a question gets {} at most (max_runs_per_question)."


def weak(mode: Mode, **settings: Any) -> Session:
    """A session whose answers are well supported, but for what `settings` say."""
    evidence = EvidenceSettings(**{"low_confidence": 0.0, **settings})
    simulator = Simulator(ManualClock(), evidence=evidence)
    return Session(
        mode,
        simulator,
        options={"output_schema": SCHEMA, "limits": Limits(max_runs_per_question=3)},
    )


def test_a_field_of_low_confidence_is_asked_again_by_name(mode: Mode) -> None:
    session = weak(mode, low_fields=frozenset({"growth"}))
    out = session.ask("How large is the market?")
    first, second = out["turns"]
    assert first["verdict"]["action"] == "follow_up"
    assert first["verdict"]["reason"] == "growth: confidence low, at least medium wanted"
    assert "growth" in second["question"]
    assert "size: confidence" not in second["question"]
    assert second["asked_by"] == "evaluation"
    assert second["parent_interaction_id"] == first["interaction_id"]
    assert second["processor"] == "core-fast"
    assert out["verdict"]["action"] == "accept"


def test_a_field_without_citations_is_asked_again(mode: Mode) -> None:
    session = weak(mode, uncited_fields=frozenset({"size"}))
    out = session.ask("How large is the market?")
    assert out["turns"][0]["verdict"]["reason"] == "size: no citations, at least 1 wanted"
    assert len(out["turns"]) == 2


def test_a_supported_answer_is_accepted_at_once(mode: Mode) -> None:
    out = weak(mode).ask("How large is the market?")
    assert out["verdict"]["action"] == "accept"
    assert len(out["turns"]) == 1


def test_the_runs_for_one_question_are_limited(mode: Mode) -> None:
    session = weak(mode)
    never: Any = {"action": "follow_up", "question": "More?", "reason": "never enough"}
    session.options |= {"evaluate": lambda state, turn: never}
    out = session.ask("How large is the market?")
    assert len(out["turns"]) == 3
    assert out["verdict"] == {
        "action": "stop",
        "reason": f"{THE_LIMIT.format('3 runs')} Not asked further: never enough",
    }
    assert len(session.ask("And next year?")["turns"]) == 6


def test_a_limit_is_said_where_the_verdict_has_no_reason(mode: Mode) -> None:
    session = weak(mode)
    session.options |= {"evaluate": lambda state, turn: {"action": "follow_up", "question": "?"}}
    out = session.ask("How large is the market?")
    assert out["verdict"]["reason"] == THE_LIMIT.format("3 runs")


def test_one_run_means_that_nothing_is_asked_again(mode: Mode) -> None:
    session = weak(mode, low_fields=frozenset({"growth"}))
    session.options["limits"] = Limits(max_runs_per_question=1)
    out = session.ask("How large is the market?")
    assert len(out["turns"]) == 1
    assert out["verdict"] == {
        "action": "stop",
        "reason": f"{THE_LIMIT.format('1 run')} Not asked further: "
        "growth: confidence low, at least medium wanted",
    }


def test_a_verdict_may_branch_and_choose_the_processor(mode: Mode) -> None:
    session = weak(mode)
    session.options["evaluate"] = script({"action": "accept"})
    root = session.ask("How large is the market?")["interaction_id"]
    branch = {
        "action": "follow_up",
        "question": "And from the start?",
        "continue_from": root,
        "processor": "base",
    }
    session.options["evaluate"] = script(branch, None)
    graph = session.graph()  # one graph: the script is used up by it
    session.graph = lambda: graph  # type: ignore[method-assign]
    out = session.ask("What about Europe?")
    assert out["turns"][2]["parent_interaction_id"] == root
    assert out["turns"][2]["processor"] == "base"


def test_an_asynchronous_evaluation_is_awaited() -> None:
    async def evaluate(state: Any, turn: Any) -> Any:
        return {"action": "stop", "reason": "enough"}

    out = Session("async", options={"evaluate": evaluate}).ask("How large is the market?")
    assert out["verdict"]["reason"] == "enough"


def test_an_asynchronous_evaluation_in_a_blocking_run_is_refused_and_the_answer_kept() -> None:
    async def evaluate(state: Any, turn: Any) -> Any:
        return None

    session = Session("sync", options={"evaluate": evaluate})
    with pytest.raises(TypeError, match=r"evaluate is asynchronous; run the graph with `ainvoke`"):
        session.ask("How large is the market?")
    session.mode = "async"
    assert session.ask()["turns"][0]["status"] == "completed"
    assert len(session.runs) == 1


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("accept", r"it is a str; return a dict"),
        (
            {"action": "again"},
            r"action 'again' is unknown; accept, follow_up, branch, review, stop are allowed",
        ),
        ({"action": "follow_up"}, r"a follow_up needs a question"),
        ({"action": "follow_up", "question": " "}, r"a follow_up needs a question"),
        ({"action": "accept", "why": "x"}, r"why means nothing in accept"),
        ({"action": "accept", "reason": 1}, r"reason must be text"),
    ],
)
def test_a_wrong_verdict_is_refused_and_the_answer_it_judged_is_kept(
    session: Session, verdict: Any, words: str
) -> None:
    session.options["evaluate"] = lambda state, turn: verdict
    with pytest.raises(InvalidRequest, match=words):
        session.ask("How large is the market?")
    del session.options["evaluate"]
    out = session.ask()
    assert out["turns"][0]["status"] == "completed"
    assert len(session.runs) == 1


def test_a_failed_run_is_a_turn_that_costs_nothing_and_moves_no_head(session: Session) -> None:
    head = session.ask("How large is the market?")["interaction_id"]
    session.simulator.scripts.add(RunScript("failed", message="no sources", ref_id="ref-7"))
    out = session.ask("And next year?")
    turn = out["turns"][1]
    assert turn["status"] == "failed"
    assert turn["cost_usd"] == 0.0
    assert "no sources" in turn["error"]
    assert turn["run_id"] in turn["error"]
    assert "ref-7" in turn["error"]
    assert out["interaction_id"] == head
    assert out["answer"] is None
    assert out["verdict"]["action"] == "stop"
    assert session.ask("And next year?")["turns"][2]["status"] == "completed"


# --- attacked ------------------------------------------------------------------------------------


def test_what_an_evaluator_does_to_the_state_stays_with_it(mode: Mode) -> None:
    def vandal(state: Any, turn: Any) -> Any:
        turn["cost_usd"] = 0.0
        state["turns"].clear()

    session = weak(mode)
    session.options["evaluate"] = vandal
    out = session.ask("How large is the market?")
    assert len(out["turns"]) == 1
    assert out["spent_usd"] == 0.1


def test_an_evaluator_cannot_speak_for_a_person(mode: Mode) -> None:
    session = weak(mode)
    posing: Any = {"action": "follow_up", "question": "More?", "decided_by": "person"}
    session.options["evaluate"] = lambda state, turn: posing
    with pytest.raises(InvalidRequest, match="decided_by is for people"):
        session.ask("How large is the market?")
    assert len(session.runs) == 1


@pytest.mark.filterwarnings("ignore:The task spec holds:langchain_parallel.errors.RequestWarning")
def test_a_built_in_question_that_would_not_fit_stops_with_the_answer(mode: Mode) -> None:
    long = {"type": "string", "description": "x" * 14_000}
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "growth": long}}  # type: ignore[dict-item]
    session = weak(mode, low_fields=frozenset({"growth"}))
    session.options["output_schema"] = schema
    out = session.ask("How large is the market? " + "y" * 10_700)
    assert out["turns"][0]["status"] == "completed"
    assert out["verdict"]["action"] in ("stop", "accept")
    assert session.graph().get_state(session.config).next == ()


def test_a_field_that_cannot_be_found_is_paid_for_four_times_at_most(mode: Mode) -> None:
    session = weak(mode)
    session.options |= {
        "evaluate": by_evidence(required=["founder"]),
        "limits": Limits(max_runs_per_question=10),
    }
    out = session.ask("How large is the market?")
    assert len(session.runs) == 4
    assert out["verdict"]["action"] == "stop"
    assert out["verdict"]["reason"] == (
        "Asked 3 times in vain: founder: missing or empty in the answer"
    )
