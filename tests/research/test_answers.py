"""The answer of a graph is what its question has found, not its last turn."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.types import Command

from langchain_parallel.findings import contradictions, last_findings, without_excerpts
from langchain_parallel.options import Limits
from langchain_parallel.simulator import RunScript

from .harness import Mode, Session, invoke, script

AGAIN: dict[str, Any] = {"action": "follow_up", "question": "How many employees?"}
FORK: dict[str, Any] = {
    "action": "branch",
    "questions": [{"question": "Beta's CEO?"}, {"question": "Gamma's CEO?"}],
}


def answer(content: Any, confidence: str, *fields: str, host: str = "a") -> RunScript:
    citations = [{"url": f"https://{host}.example.com/x", "title": "T"}]
    basis = [
        {"field": name, "reasoning": "r", "confidence": confidence, "citations": citations}
        for name in fields
    ]
    return RunScript(output={"content": content, "basis": basis})


def play(session: Session, *scripts: RunScript) -> None:
    for one in scripts:
        session.simulator.scripts.add(one)


@pytest.fixture
def session(mode: Mode) -> Session:
    session = Session(mode, options={"limits": Limits(max_runs_per_question=3)})
    session.options["evaluate"] = script(AGAIN, None)
    return session


FIRST = answer({"ceo": "Ada", "employees": None}, "high", "ceo")
SECOND = answer({"ceo": "unknown", "employees": 1200}, "medium", "employees", host="b")


def test_a_follow_up_takes_nothing_away(session: Session) -> None:
    play(session, FIRST, SECOND)
    out = invoke(
        session.mode, session.graph(), {"messages": [HumanMessage("Who?", id="m")]}, session.config
    )
    assert out["answer"] == {"ceo": "Ada", "employees": 1200}
    text = out["messages"][-1].text
    assert "- **ceo**: Ada [1]" in text
    assert "- **employees**: 1200 [2]" in text
    assert "From turn 1: ceo" in text
    assert out["findings"]["fields"]["ceo"]["turn"] == 0
    found = last_findings(out["turns"])
    assert found is not None
    assert out["findings"] == without_excerpts(found)


def test_what_the_answer_has_no_place_for_is_in_the_message(session: Session) -> None:
    play(session, answer("Ada leads Acme.", "high", "output"), FIRST)
    out = session.ask("Who?")
    assert out["answer"] == "Ada leads Acme."
    told = "Found in another form than the answer's: ceo is Ada (turn 2, sources: 1)"
    assert told in out["messages"][-1].text


def test_a_contradiction_is_in_the_message(session: Session) -> None:
    play(session, FIRST, answer({"ceo": "Bob", "employees": 5}, "low", "ceo", host="b"))
    out = session.ask("Who?")
    assert out["answer"] == {"ceo": "Ada", "employees": 5}
    assert [one["field"] for one in contradictions(out["findings"])] == ["ceo"]
    told = "Contradiction: ceo is Ada (turn 1, sources: 1), but Bob (turn 2, sources: 2)"
    assert told in out["messages"][-1].text


def test_a_follow_up_that_fails_leaves_the_answer(session: Session) -> None:
    play(session, FIRST, RunScript("failed", message="No."))
    out = session.ask("Who?")
    assert out["turns"][-1]["status"] == "failed"
    assert out["answer"] == {"ceo": "Ada", "employees": None}
    text = out["messages"][-1].text
    assert "**ceo**: Ada" in text
    assert "There is no answer (status failed)" in text


def test_the_next_question_has_an_answer_of_its_own(session: Session) -> None:
    play(session, FIRST, SECOND, answer("Berlin", "high", "output"))
    session.ask("Who?")
    out = session.ask("And where?")
    assert out["answer"] == "Berlin"
    assert out["findings"]["turns"] == [2]


def test_the_answer_before_is_not_shown_as_that_of_a_question_on_its_way(session: Session) -> None:
    play(session, FIRST, SECOND)
    session.ask("Who?")
    session.options["wait"] = "park"
    out = session.ask("And where?")
    assert out["__interrupt__"]
    assert out["answer"] is None
    assert out.get("findings") is None
    assert out["turns"][0]["content"] == {"ceo": "Ada", "employees": None}


def test_the_findings_are_in_the_state_from_the_end_of_a_question_to_the_next_step(
    session: Session,
) -> None:
    """They repeat the answer with its sources, so no checkpoint of the next question has them."""
    play(session, FIRST, SECOND, answer("Berlin", "high", "output"))
    out = session.ask("Who?")
    graph = session.graph()
    assert graph.get_state(session.config).values["findings"] == out["findings"]
    session.ask("And where?")
    later = [one for one in graph.get_state_history(session.config) if one.metadata["step"] > 8]
    have = [one.metadata["source"] for one in later if one.values.get("findings")]
    assert len(later) > 5
    assert have == ["loop", "input"]  # the end, and what stood there before the question was taken


def test_an_evaluator_and_a_person_have_the_findings(session: Session) -> None:
    seen: list[Any] = []

    def doubt(state: Any, turn: Any) -> Any:
        seen.append(state["findings"])
        return {"action": "review", "reason": "see for yourself"}

    session.options["evaluate"] = doubt
    play(session, FIRST)
    out = session.ask("Who?")
    assert out["__interrupt__"]
    [evaluated] = seen
    assert evaluated["answer"] == FIRST.output["content"]  # type: ignore[index]
    assert session.state()["findings"] == out["findings"] == evaluated
    resume: Any = Command(resume={"decisions": [{"type": "approve"}]})
    done = invoke(session.mode, session.graph(), resume, session.config)
    assert done["findings"] == session.state()["findings"] == evaluated


def test_a_question_that_the_limits_end_has_its_findings(session: Session) -> None:
    session.options["limits"] = Limits(max_runs=1, max_runs_per_question=3, on_exceed="stop")
    play(session, FIRST)
    out = session.ask("Who?")
    assert out["verdict"]["action"] == "stop"
    assert out["findings"]["fields"]["ceo"]["value"] == "Ada"
    assert session.state()["findings"] == out["findings"]


def test_branches_about_two_things_stand_beside_the_answer(session: Session) -> None:
    session.options["evaluate"] = script(FORK, None)
    beta, gamma = {"name": "Beta", "ceo": "Bob"}, {"name": "Gamma", "ceo": "Eve"}
    play(session, answer({"rivals": ["Beta", "Gamma"]}, "high", "rivals"))
    play(session, answer(beta, "high", "ceo"), answer(gamma, "high", "ceo"))
    out = session.ask("Who are the rivals?")
    assert out["answer"] == {"rivals": ["Beta", "Gamma"]}
    beside = [one["answer"] for one in out["findings"]["beside"]]
    assert sorted(beside, key=str) == [beta, gamma]  # whichever of them starts first has the first
    assert contradictions(out["findings"]) == []
    text = out["messages"][-1].text
    assert "### Beta's CEO?" in text
    assert "### Gamma's CEO?" in text


def test_a_checkpoint_without_findings_goes_on(session: Session) -> None:
    """As an earlier version has written it; and a fork of one has the answer up to there."""
    play(session, FIRST, SECOND)
    graph, config = session.graph(), session.config
    out = session.ask("Who?")
    graph.update_state(config, {"findings": None, "answer": out["turns"][1]["content"]})
    old = graph.get_state(config).values
    assert old["findings"] is None
    play(session, answer({"ceo": "Zoe"}, "high", "ceo"))
    assert session.ask("And then?")["answer"] == {"ceo": "Zoe"}
    history = list(graph.get_state_history(config))
    before = next(one for one in history if len(one.values.get("turns") or ()) == 1)
    assert before.values["answer"] == FIRST.output["content"]  # type: ignore[index]
    forked = invoke(session.mode, graph, None, before.config)
    assert forked["answer"] == {"ceo": "Ada", "employees": 1200}
