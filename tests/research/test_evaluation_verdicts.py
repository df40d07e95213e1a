"""What a verdict may say: anything else is refused with the reason, before it costs anything."""

from __future__ import annotations

import json
from typing import Any

import pytest

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.research.evaluation import check_verdict, consult, last_round, questions_of
from langchain_parallel.research.evaluation.verdicts import ask_verdict

from .harness import Mode
from .judging import branches, judge, session, turn

A, B = {"question": "A?"}, {"question": "B?"}


def test_none_accepts() -> None:
    assert check_verdict(None) == {"action": "accept"}


@pytest.mark.parametrize(
    "verdict",
    [
        {"action": "accept", "reason": "good"},
        {"action": "stop"},
        {"action": "follow_up", "question": "A?", "continue_from": "trun_0", "processor": "base"},
        {"action": "follow_up", "question": "A?", "output_schema": {"type": "object"}},
        {"action": "branch", "questions": [A, {**A, "processor": "base"}, {**A, "output_schema": "x"}]},
        {"action": "branch", "questions": [{"question": f"{n}?"} for n in range(20)]},
        {"action": "review"},
        {"action": "review", "proposal": {"action": "branch", "questions": [A, B]}},
        {"action": "accept", "decided_by": "person"},
        {"action": "follow_up", "question": "A?", "unsupported": {"trun_0": 2, "trun_1": 0}},
    ],
)  # fmt: skip
def test_a_good_verdict_stays_as_it_is(verdict: dict[str, Any]) -> None:
    assert check_verdict(verdict) == verdict


def test_what_comes_out_is_plain_json_of_its_own() -> None:
    schema = {"type": "object", "required": ("size",)}
    given = {
        "action": "follow_up",
        "question": "  A? ",
        "reason": None,
        "processor": None,
        "output_schema": schema,
    }
    verdict = check_verdict(given)
    assert verdict == {
        "action": "follow_up",
        "question": "A?",
        "output_schema": {"type": "object", "required": ["size"]},
    }
    assert json.loads(json.dumps(verdict)) == verdict
    branch = check_verdict({"action": "branch", "questions": ({"question": " A? "}, B)})
    assert branch["questions"] == [A, B]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (["accept"], "it is a list; return a dict"),
        ({}, "action None is unknown"),
        ({"action": ["accept"]}, "is unknown; accept, follow_up, branch, review, stop are allowed"),
        ({"action": "accept", "question": "A?"}, "question means nothing in accept"),
        ({"action": "follow_up", **A, "questions": [A, B]}, "questions means nothing in follow_up"),
        ({"action": "follow_up", "question": 7}, "question must be text"),
        ({"action": "follow_up", **A, "processor": 7}, "processor must be text"),
        ({"action": "follow_up", **A, "continue_from": ["x"]}, "continue_from must be text"),
        ({"action": "follow_up", **A, "output_schema": 7}, "output_schema must be a JSON schema"),
        ({"action": "follow_up", **A, "output_schema": int}, "give `model_json_schema()`"),
        ({"action": "follow_up", **A, "output_schema": {"x": {1, 2}}}, "must be a JSON schema"),
        ({"action": "stop", "decided_by": "me"}, "decided_by may only be 'person'"),
        ({"action": "stop", "unsupported": ["size"]}, "unsupported must be a dict of interaction ids"),
        ({"action": "stop", "unsupported": {"trun_0": -1}}, "unsupported must be a dict of interaction"),
        ({"action": "branch"}, "a branch needs `questions`, a list"),
        ({"action": "branch", "questions": "A? B?"}, "a branch needs `questions`, a list"),
        ({"action": "branch", "questions": []}, "at least two questions, 0 given"),
        ({"action": "branch", "questions": [A]}, "1 given; use follow_up for one"),
        ({"action": "branch", "questions": [A, "B?"]}, "question 2 is a str"),
        ({"action": "branch", "questions": [A, {}]}, "question 2 needs a question"),
        ({"action": "branch", "questions": [A, {**B, "reason": "x"}]}, "reason means nothing in q"),
        ({"action": "branch", "questions": [A, B, {"question": " A? "}]}, "question 3 is the same as q"),
        ({"action": "branch", "questions": [{"question": f"{n}"} for n in range(21)]}, "21 are given"),
        ({"action": "review", "proposal": "accept"}, "in its proposal, it is a str"),
        ({"action": "review", "proposal": {"action": "review"}}, "in its proposal, action 'review' is"),
        ({"action": "review", "proposal": {"action": "branch"}}, "in its proposal, a branch needs"),
    ],
)  # fmt: skip
def test_a_wrong_verdict_is_refused_with_what_is_allowed(verdict: Any, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_verdict(verdict)
    assert words in str(caught.value)
    assert "resume the thread" in str(caught.value)


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_verdict(
            {"action": "branch", "questions": [{}, {"question": 1}], "reason": 3, "why": "x"}
        )
    assert len(caught.value.problems) == 4


def test_naming_the_head_makes_no_other_question_of_it(mode: Mode) -> None:
    """Both would be asked of the same interaction, and paid for twice."""
    verdict: Any = {"action": "branch", "questions": [A, {**A, "continue_from": "trun_1"}]}
    assert check_verdict(verdict, head="trun_0") == verdict
    with pytest.raises(InvalidRequest, match="question 2 is the same as question 1"):
        judge(mode, lambda state, turn: verdict, session(turn(), turn(1)))


def test_the_questions_of_a_verdict() -> None:
    follow_up = check_verdict({"action": "follow_up", **A, "continue_from": "x", "reason": "why"})
    assert questions_of(follow_up) == [{**A, "continue_from": "x"}]
    assert questions_of(check_verdict({"action": "branch", "questions": [A, B]})) == [A, B]
    for action in ("accept", "stop", "review"):
        assert questions_of(check_verdict({"action": action})) == []


def test_more_questions_than_a_branch_may_have_are_left_out_and_counted() -> None:
    verdict = ask_verdict([{"question": f"{n}?"} for n in range(23)], "why")
    assert len(verdict["questions"]) == 20
    assert verdict["reason"] == "why (3 more questions are left out.)"
    assert check_verdict(verdict) == verdict


def test_the_last_round_is_what_was_asked_at_the_same_time() -> None:
    turns = [turn(0), *branches(turn(1), turn(2))]
    assert last_round(turns) == turns[1:]
    assert last_round(turns[:1]) == turns[:1]


def test_an_evaluator_is_handed_the_session_and_its_last_turn(mode: Mode) -> None:
    state, seen = session(turn(), turn(1)), []

    def evaluate(state: Any, turn: Any) -> None:
        seen.append((state, turn))

    assert judge(mode, evaluate, state) == {"action": "accept"}
    assert seen == [(state, state["turns"][1])]


def test_consulting_is_lazy() -> None:
    """Nothing happens before the graph runs it."""
    consult(lambda state, turn: pytest.fail("asked"), session(turn()), {}).close()
