"""Deep research first, fast follow-ups, and a step up after a follow-up that did not help."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.options import Limits
from langchain_parallel.processors import PROCESSORS, costs_more
from langchain_parallel.research.evaluation import (
    all_of,
    by_evidence,
    first_objection,
    limit_rounds,
)
from langchain_parallel.research.processor_policy import deep_then_fast

from .harness import Session
from .judging import cite, session, turn

POLICY = deep_then_fast()


FIELDS = "a", "b", "c", "size"


def weak(position: int, *fields: str, **more: Any) -> Any:
    """A turn with the same values as the others, and little confidence in these fields."""
    known = dict.fromkeys([*FIELDS, *fields], "high") | dict.fromkeys(fields, "low")
    evidence = {
        "content": {name: f"the {name}" for name in known},
        "confidence": known,
        "citations": [cite(1, *known)],
    }
    return turn(position, **{**evidence, "unsupported_fields": list(fields), **more})


def chain(*processors: str, unsupported_fields: int = 1) -> Any:
    """A first turn and follow-ups of the evaluation that changed nothing, with these processors."""
    names = [f"field_{n}" for n in range(unsupported_fields)]
    return session(*(weak(n, *names, processor=name) for n, name in enumerate(processors)))


def test_a_first_question_is_deep_and_a_follow_up_fast() -> None:
    assert POLICY(session(), None) == "ultra8x"
    assert POLICY({}, None) == "ultra8x"
    assert POLICY(session(turn()), "trun_0") == "core"
    assert POLICY(session(turn()), None) == "ultra8x"


def test_each_follow_up_that_did_not_help_takes_a_step_up_to_the_last() -> None:
    assert POLICY(chain("ultra8x", "core"), "trun_1") == "pro"
    assert POLICY(chain("ultra8x", "core", "pro"), "trun_2") == "ultra"
    assert POLICY(chain("ultra8x", "core", "ultra"), "trun_2") == "ultra"


@pytest.mark.parametrize(
    ("before", "after", "used"),
    [
        (["a", "b"], ["b"], "core"),
        (["a", "b"], ["a", "b"], "pro"),
        (["a"], ["a", "b"], "pro"),
        (["a"], ["b", "c"], "core"),  # all of them have been found well by one of the two
        ([], ["a"], "core"),
        (["a"], [], "core"),
    ],
)
def test_it_did_not_help_if_there_are_as_many_unsupported_fields_as_before(
    before: list[str], after: list[str], used: str
) -> None:
    state = session(weak(0, *before), weak(1, *after, processor="core"))
    assert POLICY(state, "trun_1") == used


@pytest.mark.parametrize(
    ("before", "after", "used"),
    [
        ("medium", "medium", "pro"),
        ("medium", "high", "core"),
        ("high", "high", "core"),  # nothing could become better
        ("high", "medium", "core"),  # nor has it become worse
    ],
)
def test_where_nothing_is_unsupported_it_did_not_help_if_the_confidence_is_no_better(
    before: str, after: str, used: str
) -> None:
    first = weak(0, confidence={"size": before})
    state = session(first, weak(1, processor="core", confidence={"size": after}))
    assert POLICY(state, "trun_1") == used
    state["verdict"] = {"action": "accept"}
    assert POLICY(state, "trun_1") == "core"  # a new question begins the ladder anew


THIN = {"size": "medium", "growth": "medium"}, [cite(1, "size"), cite(2, "growth")]
REPAIRED = [*(cite(n, "size") for n in range(3, 6)), cite(2, "growth")]


def judged(evaluator: Any, *answers: Any) -> Any:
    """A chain of turns with these citations, each judged as soon as it was answered."""
    turns: list[Any] = []
    for position, citations in enumerate(answers):
        one = turn(position, confidence=THIN[0], citations=citations, processor="core")
        turns.append(one)
        one["verdict"] = evaluator(session(*turns), one)
    return session(*turns, verdict=turns[-1]["verdict"])


@pytest.mark.parametrize(
    "evaluator",
    [
        by_evidence(min_citations=3),
        first_objection(by_evidence(), by_evidence(min_citations=3)),
        all_of(by_evidence(min_citations=3), by_evidence()),
        limit_rounds(9, by_evidence(min_citations=3)),
    ],
)
def test_a_follow_up_is_measured_by_the_rule_of_the_evaluation_that_asked(evaluator: Any) -> None:
    """By the turns' own rule, one citation, nothing was unsupported, and nothing could be repaired."""
    state = judged(evaluator, THIN[1], REPAIRED)
    assert all(not t["unsupported_fields"] for t in state["turns"])
    assert state["verdict"]["unsupported"] == {"trun_1": 1}
    assert POLICY(state, "trun_1") == "core"
    assert POLICY(judged(evaluator, THIN[1], THIN[1]), "trun_1") == "pro"
    assert POLICY(judged(evaluator, REPAIRED, THIN[1]), "trun_1") == "pro"


def test_where_another_evaluation_asks_now_the_turns_own_fields_count() -> None:
    state = judged(by_evidence(min_citations=3), THIN[1], REPAIRED)
    state["verdict"] = {"action": "follow_up", "question": "As of when?"}
    state["turns"][1]["verdict"] = state["verdict"]
    assert POLICY(state, "trun_1") == "core"


@pytest.mark.parametrize("asked_by", ["caller", "person"])
def test_only_a_follow_up_of_the_evaluation_can_lead_to_a_step_up(asked_by: str) -> None:
    state = session(weak(0, "a"), weak(1, "a", processor="core", asked_by=asked_by))
    assert POLICY(state, "trun_1") == "core"


def test_a_follow_up_is_measured_by_the_turn_it_continues() -> None:
    turns = [weak(0, "a"), weak(1), weak(2, "a", processor="core")]
    turns[2]["parent_interaction_id"] = "trun_0"
    assert POLICY(session(*turns), "trun_2") == "pro"
    turns[2]["parent_interaction_id"] = "trun_1"
    assert POLICY(session(*turns), "trun_2") == "core"


@pytest.mark.parametrize("unknown", ["elsewhere", "trun_1"])
def test_without_both_answers_nothing_can_be_compared(unknown: str) -> None:
    failed: Any = {"status": "failed", "unsupported_fields": [], "interaction_id": None}
    lost: Any = {**turn(0), **failed}
    state = session(lost, weak(1, "a", processor="core", parent_interaction_id=None))
    assert POLICY(state, unknown) == "core"
    unfinished: Any = {**turn(0), "status": "unfinished"}
    assert POLICY(session(unfinished, weak(1, "a")), "trun_1") == "core"


@pytest.mark.parametrize(
    ("used", "then"),
    [("lite", "core"), ("core", "pro"), ("pro", "ultra"), ("ultra8x", "ultra")],
)
def test_from_a_processor_outside_the_escalation_the_next_more_expensive_step_is_taken(
    used: str, then: str
) -> None:
    assert POLICY(chain("ultra8x", used), "trun_1") == then


@pytest.mark.parametrize(
    ("ceiling", "first", "steps"),
    [
        ("ultra8x", "ultra8x", ["core", "pro", "ultra"]),
        ("ultra", "ultra", ["core", "pro", "ultra"]),
        ("pro", "pro", ["core", "pro", "pro"]),
        ("core", "core", ["core", "core", "core"]),
        ("base", "base", ["base", "base", "base"]),
    ],
)
def test_nothing_costs_more_than_the_ceiling(ceiling: str, first: str, steps: list[str]) -> None:
    policy = deep_then_fast(ceiling=ceiling)
    assert policy(session(), None) == first
    used = [first]
    for step in steps:
        state = chain(*used)
        assert policy(state, f"trun_{len(used) - 1}") == step
        used.append(step)


@pytest.mark.parametrize("ceiling", PROCESSORS)
@pytest.mark.parametrize("used", PROCESSORS)
def test_whatever_was_used_before_the_ceiling_holds(ceiling: str, used: str) -> None:
    policy = deep_then_fast(ceiling=ceiling)
    state = chain("ultra8x", used)
    assert not any(
        costs_more(policy(state, parent), ceiling) for parent in (None, "trun_0", "trun_1")
    )


def test_a_turn_planned_again_gets_the_same() -> None:
    state = chain("ultra8x", "core")
    assert {deep_then_fast()(state, "trun_1") for _ in range(3)} == {"pro"}


@pytest.mark.parametrize(
    "names",
    [
        {"first": "ultra8"},
        {"follow_up": "cor-fast"},
        {"escalation": ["pro-fats"]},
        {"ceiling": "ultr"},
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(names: Any) -> None:
    with pytest.raises(InvalidRequest, match="is unknown; did you mean"):
        deep_then_fast(**names)
    deep_then_fast(**names, allow_unknown_processor=True)


def test_an_escalation_given_as_text_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"escalation is text; give a list, such as \['pro'\]"):
        deep_then_fast(escalation="pro")


def test_in_a_graph_a_follow_up_that_did_not_help_is_followed_by_a_more_expensive_one(
    session: Session,
) -> None:
    """No answer has 99 citations for a field, so no follow-up of this evaluation helps."""
    session.options |= {
        "processor": deep_then_fast("pro"),
        "evaluate": by_evidence(min_citations=99),
        "limits": Limits(max_runs_per_question=3),
    }
    turns = session.ask("How large is the market?")["turns"]
    assert [turn["processor"] for turn in turns] == ["pro", "core", "pro"]
    assert all(not turn["unsupported_fields"] for turn in turns)
    assert all(turn["verdict"]["unsupported"][turn["interaction_id"]] for turn in turns[:2])
