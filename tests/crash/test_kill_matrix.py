"""Killed anywhere and resumed by a new process, a thread pays once for each question.

A sample of the matrix (`python -m tests.crash.matrix` is the whole): every cell with a promise, each
killed at a point of another kind. Of the sample, enough to have every kind of point and every part of a
cell once; the rest is exhaustive. Then what is not promised, as it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple

import pytest

from ..cut import exhaustive
from .cells import KINDS, Cell, cells
from .lab import Lab, Outcome
from .matrix import points_of
from .points import kind

PAID_FOR = "POST /v1/tasks/groups/*/runs: answered"
"""The server has started the run, and no other process knows."""

SAMPLE = [
    (cell, cell.kinds[number // 2 % len(cell.kinds)])  # with and without a store
    for number, cell in enumerate(cell for cell in cells() if cell.promised)
]


def parts(cell: Cell, chosen: str) -> list[object]:
    return [*astuple(cell), chosen]


def as_if_nothing_had_happened(lab: Lab, cell: Cell, outcome: Outcome) -> None:
    uncrashed = lab.uncrashed(cell)
    where = outcome.kills
    assert outcome.last.error is None, where
    assert not outcome.wrong(uncrashed, cell, lab.condition), where
    if not (outcome.told and cell.has_model):
        assert Counter(outcome.paid) == Counter(uncrashed.paid), where


@pytest.mark.grid(shows=parts)
@pytest.mark.parametrize(("cell", "chosen"), SAMPLE, ids=str)
def test_killed_once_a_thread_pays_once_and_ends_the_same(
    lab: Lab, cell: Cell, chosen: str
) -> None:
    killed_once(lab, cell, chosen)


def killed_once(lab: Lab, cell: Cell, chosen: str) -> None:
    passed = lab.uncrashed(cell).last.passed
    found = {kind(point) for point in passed}
    if (
        cell.workload == "agent, park"
    ):  # a run that is not over yet is an interrupt, which is written
        found -= {one for one in found if one.startswith("checkpoint writes")} - set(cell.kinds)
    assert found == set(cell.kinds)
    points = points_of(cell, passed)
    point = next(point for point in points if kind(point) == chosen)
    as_if_nothing_had_happened(lab, cell, lab.run(cell, point))


ONCE = [
    Cell("turns once", "sqlite", "sync", "sync", store=False),
    Cell("turns once", "postgres", "async", "async", store=False),
    Cell("turns once", "sqlite", "async", "sync", store=True),
]
"""Beside the matrix. Not under `exit`: LangGraph then begins a thread with an empty checkpoint, and a kill
before the next one leaves a thread that looks as if nothing had been asked.
"""


@pytest.mark.grid("cell")
@pytest.mark.parametrize(
    ("cell", "chosen"), [(cell, one) for cell in ONCE for one in cell.kinds], ids=str
)
def test_killed_once_a_thread_that_writes_its_turns_once_has_them(
    lab: Lab, cell: Cell, chosen: str
) -> None:
    killed_once(lab, cell, chosen)


@pytest.mark.parametrize(
    "workload",
    [
        *("branches", "agent, park"),
        *map(exhaustive, ["subgraph", "turns once", "node", "tool", "three calls"]),
        *map(exhaustive, ["agent, block", "agent, background"]),
    ],
)
def test_killed_again_and_again_it_still_does(lab: Lab, workload: str) -> None:
    cell = Cell(workload, "sqlite", "sync", "sync", store=True)
    outcome = lab.run(cell, f"{PAID_FOR} #1", 12, 9, 6)
    assert len(outcome.kills) >= 3
    as_if_nothing_had_happened(lab, cell, outcome)


def test_the_sample_has_everything() -> None:
    assert len(SAMPLE) >= 30
    assert {chosen for _, chosen in SAMPLE} == set(KINDS)
    assert {cell for cell, _ in SAMPLE} == {cell for cell in cells() if cell.promised}


# --- what cannot be kept --------------------------------------------------------------------------


@pytest.mark.parametrize("workload", ["subgraph", exhaustive("node")])
def test_exit_without_a_store_writes_no_state_but_the_ledger_and_the_intent_are_recorded(
    lab: Lab, workload: str
) -> None:
    cell = Cell(workload, "sqlite", "sync", "exit", store=False)
    outcome = lab.run(cell, f"{PAID_FOR} #1")
    assert outcome.last.how == "invoked"
    assert (outcome.paid_twice, outcome.ledgers) == (0, 1)
    assert outcome.state == lab.uncrashed(cell).state


@pytest.mark.parametrize("workload", ["tool", exhaustive("three calls")])
def test_exit_forgets_what_the_model_said_and_the_next_message_takes_over_the_unanswered_run(
    lab: Lab, workload: str
) -> None:
    """Its next message has another id. After the answer, such a kill would make it another question."""
    cell = Cell(workload, "sqlite", "sync", "exit", store=True)
    outcome = lab.run(cell, f"{PAID_FOR} #1")
    assert outcome.last.how == "invoked"
    assert outcome.ledgers == 1
    assert outcome.paid_twice == 0
    assert outcome.state == lab.uncrashed(cell).state
