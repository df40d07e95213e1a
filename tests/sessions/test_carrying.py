"""A session continues in another LangGraph thread, with all its findings and without paying again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.research import Turn
from langchain_parallel.sessions.quotes import with_findings
from langchain_parallel.sessions.transfer import carry_over
from tests.research.harness import Mode, Session

from .building import turn

NEW: Any = {"configurable": {"thread_id": "new"}}


@pytest.fixture(params=["sync", "async"])
def session(request: pytest.FixtureRequest) -> Session:
    """A first question with two branches: risks, then risks in Europe; and prices."""
    mode: Mode = request.param
    session = Session(mode, store=InMemoryStore())
    first = session.ask("Map the landscape")["interaction_id"]
    session.ask("What about the risks?")
    session.ask("And in Europe?")
    session.ask("What about prices?", continue_from=first)
    return session


def places(turns: list[Turn]) -> list[tuple[str, int, int]]:
    return [(turn["question"], turn["position"], turn["round"]) for turn in turns]


def parent_of_the_last_run(session: Session) -> str:
    """The interaction that the last request continues."""
    sent = [e.body["inputs"][0] for e in session.simulator.requests if "inputs" in (e.body or {})]
    return str(sent[-1]["previous_interaction_id"])


# --- on the simulator ----------------------------------------------------------------------------


def test_a_new_thread_continues_from_the_head_with_the_whole_session(session: Session) -> None:
    old = session.state()
    out = session.ask("What is next?", config=NEW, **carry_over(old))
    assert places(out["turns"])[:4] == places(old["turns"])
    assert out["turns"][:4] == old["turns"]
    assert out["turns"][4]["position"] == 4
    assert len(session.runs) == 5
    assert parent_of_the_last_run(session) == old["turns"][3]["interaction_id"]
    answer = json.dumps(out["answer"])
    assert "Map the landscape" in answer  # the simulator quotes its context
    assert "What about prices?" in answer
    assert "And in Europe?" not in answer
    assert out["spent_usd"] == pytest.approx(old["spent_usd"] + 0.025)


def test_a_branch_is_carried_alone_and_numbered_anew(session: Session) -> None:
    old = session.state()
    prices = old["turns"][3]["interaction_id"]
    out = session.ask("What is next?", config=NEW, **carry_over(old, prices))
    assert places(out["turns"]) == [
        ("Map the landscape", 0, 0),
        ("What about prices?", 1, 1),
        ("What is next?", 2, 2),
    ]
    assert parent_of_the_last_run(session) == prices
    assert len(session.runs) == 5


def test_a_branch_is_carried_up_to_the_named_interaction(session: Session) -> None:
    old = session.state()
    risks = old["turns"][1]["interaction_id"]
    out = session.ask("What is next?", config=NEW, **carry_over(old, risks))
    assert [turn["question"] for turn in out["turns"]][:-1] == [
        "Map the landscape",
        "What about the risks?",
    ]
    assert "And in Europe?" not in json.dumps(out["answer"])
    assert "What about the risks?" in json.dumps(out["answer"])


def test_the_old_thread_continues_as_if_nothing_had_been_carried(session: Session) -> None:
    old = session.state()
    session.ask("What is next?", config=NEW, **carry_over(old))
    assert session.state() == old
    out = session.ask("What is next?")
    assert len(out["turns"]) == 5
    assert len(session.runs) == 6


def test_the_same_question_in_two_new_threads_is_two_runs_in_two_ledgers(session: Session) -> None:
    carried = carry_over(session.state())
    one = session.ask("What is next?", config=NEW, **carried)
    two = session.ask("What is next?", config={"configurable": {"thread_id": "newer"}}, **carried)
    assert one["ledger_id"] != two["ledger_id"]
    assert session.state()["ledger_id"] not in (one["ledger_id"], two["ledger_id"])
    assert one["turns"][4]["run_id"] != two["turns"][4]["run_id"]
    assert len(session.runs) == 6


def test_a_new_thread_that_is_replayed_pays_nothing_again(session: Session) -> None:
    out = session.ask("What is next?", config=NEW, **carry_over(session.state()))
    history = list(session.graph().get_state_history(NEW))
    (planned,) = (state for state in history if state.next == ("submit",))
    again = session.ask(None, config=planned.config)
    assert again["turns"] == out["turns"]
    assert len(session.runs) == 5


def test_a_session_that_was_carried_can_be_carried_on(session: Session) -> None:
    session.ask("What is next?", config=NEW, **carry_over(session.state()))
    state = session.graph().get_state(NEW).values
    europe = state["turns"][2]["interaction_id"]
    third: Any = {"configurable": {"thread_id": "third"}}
    out = session.ask("And then?", config=third, **carry_over(state, europe))
    assert [position for _, position, _ in places(out["turns"])] == [0, 1, 2, 3]
    assert out["turns"][3]["parent_interaction_id"] == europe


def test_a_follow_up_on_one_branch_may_quote_another(session: Session) -> None:
    old = session.state()
    europe, prices = old["turns"][2], old["turns"][3]
    question = with_findings("Do prices explain the risks?", [europe])
    out = session.ask(question, config=NEW, **carry_over(old, prices["interaction_id"]))
    assert parent_of_the_last_run(session) == prices["interaction_id"]
    assert "And in Europe?" in out["turns"][2]["question"]
    assert len(session.runs) == 5


# --- states by hand ------------------------------------------------------------------------------


def test_only_turns_and_head_are_carried() -> None:
    state = {
        "question": "Old?",
        "turns": [turn(0)],
        "interaction_id": "intr_0",
        "ledger_id": "tgrp_1",
        "pending": {"question": "On its way"},
        "branches": [{"question": "Too"}],
        "limits": {"max_runs": 9},
        "verdict": {"action": "accept"},
        "spent_usd": 0.1,
        "answer": "x",
    }
    assert carry_over(state) == {"turns": [turn(0)], "interaction_id": "intr_0"}


def test_positions_with_gaps_and_rounds_of_branches_are_closed_up() -> None:
    turns = [turn(2, round=2), turn(5, round=5), turn(6, round=5), turn(9, round=9)]
    carried = carry_over({"turns": turns})["turns"]
    assert [(t["position"], t["round"]) for t in carried] == [(0, 0), (1, 1), (2, 1), (3, 3)]
    assert [t["position"] for t in turns] == [2, 5, 6, 9]  # the old state stays as it was


def test_of_branches_asked_at_the_same_time_one_is_carried_as_a_round_of_its_own() -> None:
    turns = [turn(0), *(turn(n, round=1, parent_interaction_id="intr_0") for n in (1, 2, 3))]
    carried = carry_over({"turns": turns}, "intr_3")
    assert [(t["run_id"], t["position"], t["round"]) for t in carried["turns"]] == [
        ("trun_0", 0, 0),
        ("trun_3", 1, 1),
    ]
    assert carried["interaction_id"] == "intr_3"


def test_a_head_that_is_not_in_the_state_is_the_last_answer() -> None:
    failed = turn(1, status="failed", content=None)
    assert carry_over({"turns": [turn(0), failed]})["interaction_id"] == "intr_0"


def test_turns_that_claim_to_be_their_own_ancestors_are_carried_once() -> None:
    turns = [turn(0, parent_interaction_id="intr_1"), turn(1, parent_interaction_id="intr_0")]
    assert [t["run_id"] for t in carry_over({"turns": turns}, "intr_1")["turns"]] == [
        "trun_0",
        "trun_1",
    ]


@pytest.mark.parametrize("wrong", ["intr_9", "trun_9", "intr_1", ""])
def test_an_interaction_that_cannot_be_built_on_is_refused_with_those_that_can(wrong: str) -> None:
    state = {"turns": [turn(0), turn(1, status="failed", content=None)]}
    with pytest.raises(InvalidRequest, match=rf"'{wrong}'; known: intr_0 \(Question 0\?\)\."):
        carry_over(state, wrong)


@pytest.mark.parametrize("state", [{}, {"turns": []}, {"turns": [turn(0, status="failed")]}])
def test_a_session_without_an_answer_has_nothing_to_carry(state: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="no interaction in this session to continue from"):
        carry_over(state)


def test_turns_are_carried_as_their_state_is() -> None:
    turns = [turn(0), turn(1, parent_interaction_id="intr_0")]
    assert carry_over(turns) == carry_over({"turns": turns})
    assert carry_over(turns, "intr_0")["interaction_id"] == "intr_0"


@pytest.mark.parametrize("wrong", [None, "text", 5, [1], {"turns": "x"}, {"turns": [{}]}, [{}]])
def test_what_is_no_session_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"no turns in a|A turn in the state lacks key"):
        carry_over(wrong)
