"""Evaluators take linear time in the turns of a session."""

from __future__ import annotations

import time

import pytest

from langchain_parallel.research.evaluation import Evaluator, by_evidence, by_excerpts, by_model
from langchain_parallel.research.state import ResearchState, Turn

from .judging import ScriptedModel, branches, cite, judge, session, turn

EVALUATORS = {
    "evidence": by_evidence(),
    "excerpts": by_excerpts(),
    "model": by_model(
        ScriptedModel(says=[{"action": "accept", "reason": "r"}] * 20, heard=[]), "R"
    ),
}
FEW, TIMES = 100, 6


def weak(position: int) -> Turn:
    """A turn with a field of its own, and one that contradicts the turn before."""
    fields = {"ceo": "low", "growth": "low", f"field {position}": "low"}
    return turn(
        position,
        content=dict.fromkeys(fields, f"{'Jane' if position % 2 else 'John'} Roe {position}"),
        confidence=fields,
        unsupported_fields=[*fields],
        citations=[cite(1, *fields, url=f"https://e{position}.example", excerpts=["It is 7 km."])],
    )


def seconds(evaluator: Evaluator, state: ResearchState) -> float:
    taken = []
    for _ in range(2):
        started = time.process_time()
        judge("sync", evaluator, state)
        taken.append(time.process_time() - started)
    return min(taken)


@pytest.mark.parametrize("are_branches", [False, True])
@pytest.mark.parametrize("name", EVALUATORS)
def test_an_evaluator_takes_linear_time(name: str, are_branches: bool) -> None:
    few, many = (
        session(*(branches(*turns) if are_branches else turns))
        for turns in ([weak(n) for n in range(count)] for count in (FEW, FEW * TIMES))
    )
    assert seconds(EVALUATORS[name], many) < 2.5 * TIMES * seconds(EVALUATORS[name], few)
