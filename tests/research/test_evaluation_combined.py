"""Evaluators put together, and a person among them."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.options import Limits
from langchain_parallel.research.evaluation import (
    all_of,
    by_evidence,
    by_person,
    first_objection,
    limit_rounds,
)

from .harness import Mode, Session
from .judging import branches, failed, judge, low, session, turn

STATE = session(turn(), turn(1))
GOOD = {"action": "accept", "reason": "good"}
STOP = {"action": "stop", "reason": "dear"}
MORE = {"action": "follow_up", "reason": "thin", "question": "More?"}


def gives(verdict: Any) -> Any:
    return lambda state, turn: verdict


def follow_up(question: str, **more: Any) -> Any:
    return gives({"action": "follow_up", "reason": f"why {question}", "question": question, **more})


def branch(*questions: Any) -> Any:
    return gives({"action": "branch", "reason": "wide", "questions": list(questions)})


def unasked(state: Any, turn: Any) -> Any:
    pytest.fail("asked")


# --- the first that objects ----------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [MORE, STOP, {"action": "review"}])
def test_the_first_objection_holds_and_no_evaluator_after_it_is_called(
    mode: Mode, verdict: Any
) -> None:
    evaluator = first_objection(gives(None), gives(GOOD), gives(verdict), unasked)
    assert judge(mode, evaluator, STATE) == verdict


def test_without_an_objection_it_is_accepted_with_the_reasons(mode: Mode) -> None:
    fine = {"action": "accept", "reason": "fine"}
    evaluator = first_objection(gives(GOOD), gives(None), gives(fine), gives(GOOD))
    assert judge(mode, evaluator, STATE) == {"action": "accept", "reason": "good; fine"}
    assert judge(mode, first_objection(gives(None)), STATE) == {"action": "accept"}


# --- all of them ---------------------------------------------------------------------------------


def joined(mode: Mode, *evaluators: Any) -> Any:
    return judge(mode, all_of(*evaluators), STATE)


def test_follow_ups_from_one_interaction_become_one_question(mode: Mode) -> None:
    out = joined(
        mode, follow_up("A?"), gives(GOOD), follow_up("B?", continue_from="trun_1"), follow_up("A?")
    )
    assert out == {"action": "follow_up", "reason": "why A?; why B?", "question": "A?\n\nB?"}


def test_follow_ups_from_different_interactions_become_a_branch(mode: Mode) -> None:
    out = joined(mode, follow_up("A?"), follow_up("B?", continue_from="trun_0"), follow_up("C?"))
    assert out == {
        "action": "branch",
        "reason": "why A?; why B?; why C?",
        "questions": [
            {"question": "A?\n\nC?"},
            {"question": "B?", "continue_from": "trun_0"},
        ],
    }


def test_answers_of_different_shapes_are_not_asked_in_one_question(mode: Mode) -> None:
    out = joined(mode, follow_up("A?", output_schema="a number"), follow_up("B?"))
    assert [q["question"] for q in out["questions"]] == ["A?", "B?"]


@pytest.mark.parametrize(
    ("one", "other", "used"),
    [
        ({"processor": "base"}, {"processor": "pro"}, "pro"),
        ({"processor": "pro"}, {"processor": "base"}, "pro"),
        ({}, {"processor": "base"}, "base"),
        ({}, {}, None),
    ],
)
def test_one_question_of_two_gets_the_more_expensive_processor(
    mode: Mode, one: Any, other: Any, used: str | None
) -> None:
    assert joined(mode, follow_up("A?", **one), follow_up("B?", **other)).get("processor") == used


def test_the_questions_of_a_branch_stay_apart_and_none_is_asked_twice(mode: Mode) -> None:
    a, b = {"question": "A?"}, {"question": "B?"}
    out = joined(mode, branch(a, b), branch(b, {"question": "C?"}), follow_up("A?"))
    assert [q["question"] for q in out["questions"]] == ["A?", "B?", "C?"]
    assert out["reason"] == "wide; why A?"


def test_a_verdict_to_stop_stops_all(mode: Mode) -> None:
    assert joined(mode, gives(MORE), gives(STOP), gives(GOOD)) == {
        "action": "stop",
        "reason": "thin; dear",
    }


def test_a_person_is_asked_about_the_joined_verdict(mode: Mode) -> None:
    review = {"action": "review", "reason": "unsure", "proposal": {**MORE, "question": "Sure?"}}
    out = joined(mode, gives(MORE), gives(review))
    assert out == {
        "action": "review",
        "reason": "thin; unsure",
        "proposal": {"action": "follow_up", "reason": "thin", "question": "More?\n\nSure?"},
    }
    out = joined(mode, gives(STOP), gives({"action": "review"}))
    assert out["action"] == "review"
    assert out["proposal"] == STOP
    assert joined(mode, gives(GOOD), gives({"action": "review"}))["proposal"] == GOOD


def test_all_that_accept_accept_with_their_reasons(mode: Mode) -> None:
    assert joined(mode, gives(GOOD), gives(None)) == GOOD


def test_more_than_twenty_questions_are_cut_and_counted(mode: Mode) -> None:
    wide = [branch(*({"question": f"{n}-{k}?"} for n in range(15))) for k in range(2)]
    out = joined(mode, *wide)
    assert len(out["questions"]) == 20
    assert "(10 more questions are left out.)" in out["reason"]


# --- a limit on the rounds ------------------------------------------------------------------------


def later(position: int, **more: Any) -> Any:
    return turn(position, asked_by="evaluation", **more)


@pytest.mark.parametrize(
    ("turns", "rounds"),
    [
        ([turn()], 0),
        ([turn(), later(1)], 1),
        ([turn(), *branches(later(1), later(2), later(3))], 1),
        ([turn(), *branches(later(1), later(2)), later(3)], 2),
        ([turn(), later(1), turn(2, asked_by="caller")], 0),
        ([turn(), later(1), turn(2, asked_by="person"), later(3)], 2),
    ],
)
@pytest.mark.parametrize("verdict", [MORE, {"action": "branch", "questions": [MORE, STOP]}])
def test_it_allows_its_rounds_after_each_question_of_the_caller(
    mode: Mode, turns: Any, rounds: int, verdict: Any
) -> None:
    if verdict["action"] == "branch":
        verdict = {"action": "branch", "questions": [{"question": "A?"}, {"question": "B?"}]}
    state = session(*turns)
    assert judge(mode, limit_rounds(rounds + 1, gives(verdict)), state) == verdict
    if rounds:
        assert judge(mode, limit_rounds(rounds, gives(verdict)), state)["action"] == "stop"


def test_it_stops_with_the_reason(mode: Mode) -> None:
    state = session(turn(), later(1))
    assert judge(mode, limit_rounds(1, gives(MORE)), state) == {
        "action": "stop",
        "reason": "Asked again once, which is all. thin",
    }
    assert judge(mode, limit_rounds(0, gives(MORE)), session(turn()))["action"] == "stop"


@pytest.mark.parametrize("verdict", [GOOD, STOP, {"action": "review", "proposal": MORE}])
def test_what_asks_nothing_passes(mode: Mode, verdict: Any) -> None:
    assert judge(mode, limit_rounds(0, gives(verdict)), STATE) == verdict


def test_in_a_graph_it_ends_the_asking(session: Session) -> None:
    session.options |= {
        "evaluate": limit_rounds(2, gives(MORE)),
        "limits": Limits(max_runs_per_question=9),
    }
    out = session.ask("How large is the market?")
    assert len(out["turns"]) == 3
    assert out["verdict"]["reason"] == "Asked again 2 times, which is all. thin"


# --- a person ------------------------------------------------------------------------------------


def test_a_person_is_asked_with_the_proposal_of_another(mode: Mode) -> None:
    out = judge(mode, by_person(gives(MORE)), STATE)
    assert out == {"action": "review", "reason": "thin", "proposal": MORE}
    out = judge(mode, by_person(by_evidence()), session(low()))
    assert out["proposal"]["action"] == "follow_up"


def test_without_a_proposal_a_person_may_accept_what_was_answered(mode: Mode) -> None:
    assert judge(mode, by_person(), STATE) == {"action": "review", "proposal": {"action": "accept"}}


def test_without_an_answer_it_is_proposed_to_stop(mode: Mode) -> None:
    out = judge(mode, by_person(), session(failed()))
    stop = {"action": "stop", "reason": "No sources."}
    assert out == {"action": "review", "reason": "No sources.", "proposal": stop}
    some = session(turn(), *branches(turn(1), failed(2)))
    assert judge(mode, by_person(), some)["proposal"] == {"action": "accept"}


def test_a_review_proposed_by_another_evaluator_is_not_wrapped(mode: Mode) -> None:
    review = {"action": "review", "reason": "unsure", "proposal": STOP}
    assert judge(mode, by_person(gives(review)), STATE) == review


def test_for_turns_that_are_not_chosen_the_proposal_holds(mode: Mode) -> None:
    def dear(state: Any, turn: Any) -> bool:
        assert state is STATE
        return bool(turn["cost_usd"] > 1)

    assert judge(mode, by_person(gives(MORE), when=dear), STATE) == MORE
    assert judge(mode, by_person(when=dear), STATE) == {"action": "accept"}
    assert judge(mode, by_person(when=lambda s, t: True), STATE)["action"] == "review"


# --- asynchronous parts --------------------------------------------------------------------------


async def later_on(state: Any, turn: Any) -> Any:
    return MORE


async def chosen(state: Any, turn: Any) -> bool:
    return False


NESTED = [
    first_objection(gives(None), later_on),
    all_of(gives(None), later_on),
    limit_rounds(9, later_on),
    by_person(later_on, when=chosen),
    limit_rounds(9, first_objection(by_evidence(), all_of(by_person(later_on, when=chosen)))),
]


@pytest.mark.parametrize("evaluator", NESTED)
def test_an_asynchronous_part_is_awaited(evaluator: Any) -> None:
    assert judge("async", evaluator, STATE) == MORE


@pytest.mark.parametrize("evaluator", NESTED)
def test_an_asynchronous_part_is_refused_in_a_blocking_graph(evaluator: Any) -> None:
    with pytest.raises(TypeError, match="is asynchronous; run the graph with `ainvoke`"):
        judge("sync", evaluator, STATE)


@pytest.mark.parametrize("make", [first_objection, all_of, lambda e: limit_rounds(1, e), by_person])
def test_an_unusable_verdict_of_a_part_is_refused(mode: Mode, make: Any) -> None:
    with pytest.raises(InvalidRequest, match="action 'again' is unknown"):
        judge(mode, make(gives({"action": "again"})), STATE)


@pytest.mark.parametrize("make", [first_objection, all_of])
def test_no_evaluator_is_refused(make: Any) -> None:
    with pytest.raises(InvalidRequest, match="give at least one"):
        make()


def test_fewer_rounds_than_none_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="rounds is -1"):
        limit_rounds(-1, gives(None))


@pytest.mark.parametrize(
    "make",
    [
        first_objection,
        all_of,
        lambda e: limit_rounds(1, e),
        by_person,
        lambda e: by_person(when=e),
        lambda e: first_objection(by_evidence(), e),
    ],
)
@pytest.mark.parametrize("part", [lambda state: None, "accept"], ids=["one argument", "text"])
def test_a_part_that_could_not_judge_is_refused_at_once(make: Any, part: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"function of the state and its last turn"):
        make(part)
