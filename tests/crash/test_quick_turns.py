"""A process is killed around a quick question: it is billed at most once, and what is lost is said.

The account's bill is the judge: how many quick questions it has accepted, whatever became of their answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from itertools import product
from typing import Any

import pytest

from ..cut import exhaustive
from .cells import Cell
from .lab import Lab, Outcome
from .points import EXCHANGE, kind

CHAT = "POST /v1beta/chat/completions"
_EVERY: list[Any] = [
    *product(
        ("quick", "agent, quick"),
        ("sqlite", "postgres"),
        ("sync", "async"),
        ("sync", "async", "exit"),
        (True, False),
    )
]
CELLS = [
    Cell(*parts)
    for parts in _EVERY
    if parts[0] == "quick"
    or parts[3] != "exit"  # a model says something else, so that it may ask anew
]
AROUND = ("recorded: before", "recorded: after", "answered: before", "answered: after")
"""Of the record of the question, and of that of its answer."""
WHERE = [*(f"exchange: {what}" for what in EXCHANGE), *AROUND, "ended"]
"""Before it is recorded; recorded and not sent; sent and unanswered; answered and not recorded; recorded."""
SAMPLE = [(cell, WHERE[nth % len(WHERE)]) for nth, cell in enumerate(CELLS)]


def parts(cell: Cell, where: str) -> list[object]:
    return [*astuple(cell), where]


def point_at(passed: list[str], where: str) -> str:
    """The point of an uncrashed thread that is meant."""
    what, _, when = where.partition(": ")
    leaving, read = passed.index(f"{CHAT}: leaving #1"), passed.index(f"{CHAT}: read #1")
    if what == "exchange":
        return f"{CHAT}: {when} #1"
    if what == "recorded":  # the last thing that is written before the question leaves
        return [p for p in passed[:leaving] if _is_write(p, when)][-1]
    if what == "answered":  # the first that is written after its answer has come
        return next(p for p in passed[read:] if _is_write(p, when))
    return next(p for p in passed[read:] if kind(p) == "step: end")


def _is_write(point: str, when: str) -> bool:
    return kind(point).startswith(("checkpoint put", "store")) and f": {when} #" in point


def quick_turn(cell: Cell, outcome: Outcome) -> dict[str, Any]:
    """What the final state says of the quick question."""
    state = outcome.last.state
    turns = state["turns"] if cell.workload == "quick" else state["parallel_research"].values()
    [turn] = [turn for turn in turns if turn["processor"] == "chat:lite"]
    return dict(turn)


def judged(lab: Lab, cell: Cell, outcome: Outcome) -> str:
    """The turn's status, once nothing is paid twice or lost without a word."""
    assert outcome.last.error is None, outcome.last.error
    assert outcome.quick <= 1
    assert outcome.paid_twice == outcome.lost == 0
    turn = quick_turn(cell, outcome)
    if turn["status"] == "completed":
        assert outcome.quick == 1
        assert outcome.state == lab.uncrashed(cell).state
    else:
        assert turn["status"] == "lost"
        assert "$0.005 may have been paid" in turn["error"]
    return str(turn["status"])


EXPECTED = {
    "exchange: leaving": "lost",
    "exchange: sent": "lost",
    "exchange: answered": "lost",
    "exchange: read": "lost",
    "recorded: before": "completed",
    "recorded: after": "lost",
    "answered: before": "lost",
    "answered: after": "completed",
    "ended": "completed",
}


@pytest.mark.grid(shows=parts)
@pytest.mark.parametrize(("cell", "where"), SAMPLE, ids=str)
def test_killed_around_a_quick_question_a_thread_pays_once_at_most_and_says_what_is_lost(
    lab: Lab, cell: Cell, where: str
) -> None:
    point = point_at(lab.uncrashed(cell).last.passed, where)
    outcome = lab.run(cell, point)
    assert outcome.kills == [point]
    assert judged(lab, cell, outcome) == EXPECTED[where], point


@pytest.mark.parametrize("workload", ["quick", exhaustive("agent, quick")])
def test_killed_again_while_it_resumes_it_is_billed_once_at_most(lab: Lab, workload: str) -> None:
    cell = Cell(workload, "sqlite", "sync", "sync", store=False)
    judged(lab, cell, lab.run(cell, f"{CHAT}: sent #1", 6, 12))


def test_who_was_suspended_before_the_send_pays_once_and_the_other_says_that_it_is_lost(
    lab: Lab,
) -> None:
    cell = Cell("quick", "sqlite", "sync", "sync", store=False)
    outcome = lab.suspend(cell, f"{CHAT}: leaving #1")
    second, first = outcome.reports
    assert [second.error, first.error] == [None, None]
    assert outcome.quick == 1
    assert _statuses(second.state) == ["completed", "lost"]


def _statuses(state: Any) -> list[str]:
    return [turn["status"] for turn in state["turns"]]


def _points(cell: Cell, passed: list[str]) -> Iterator[str]:
    """All that can be killed from the plan of the question to the end."""
    yield from passed[passed.index(f"{CHAT}: leaving #1") - 12 :]


@pytest.mark.exhaustive
def test_wherever_it_is_killed_the_bill_and_the_session_agree(lab: Lab) -> None:
    cell = Cell("quick", "sqlite", "async", "async", store=True)
    for point in _points(cell, lab.uncrashed(cell).last.passed):
        judged(lab, cell, lab.run(cell, point))
