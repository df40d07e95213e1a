"""Killed about the paid request, a thread pays once, whatever the server and the clocks are like.

A sample of the matrix's columns: each condition with each workload, killed at one of the four points of the
exchange. Of the sample, enough to have every condition, workload and point once; the rest is exhaustive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from langchain_parallel.simulator import serve

from ..conditions import PLAIN, Condition
from .cells import Cell, cells
from .conditions import CONDITIONS, account
from .lab import Lab
from .matrix import points_of
from .points import EXCHANGE, kind
from .test_kill_matrix import as_if_nothing_had_happened

Labs = Callable[[Condition], Lab]


def sample() -> Iterator[tuple[Condition, Cell, str]]:
    every = [cell for cell in cells() if cell.promised]
    workloads = sorted({cell.workload for cell in every})
    turn = count()
    for condition in CONDITIONS:
        for workload in workloads if condition is not PLAIN else ():
            number = next(turn)
            of_it = [cell for cell in every if cell.workload == workload]
            cell = of_it[number % len(of_it)]
            yield condition, cell, EXCHANGE[number % len(EXCHANGE)]


def parts(condition: Condition, cell: Cell, chosen: str) -> list[object]:
    return [condition.name, cell.workload, chosen]


@pytest.fixture(scope="module")
def labs(lab: Lab) -> Iterator[Labs]:
    """A lab under each condition, made when it is first asked for."""
    made: dict[str, Lab] = {}
    with ExitStack() as stack:

        def under(condition: Condition) -> Lab:
            if condition.name not in made:
                server = stack.enter_context(serve(account(condition)))
                made[condition.name] = lab.under(condition, server)
            return made[condition.name]

        yield under


@pytest.mark.grid(shows=parts)
@pytest.mark.parametrize(("condition", "cell", "chosen"), list(sample()), ids=str)
def test_killed_about_the_paid_request_a_thread_pays_once(
    labs: Labs, condition: Condition, cell: Cell, chosen: str
) -> None:
    lab = labs(condition)
    points = points_of(cell, lab.uncrashed(cell).last.passed)
    point = next(point for point in points if kind(point) == f"paid request: {chosen}")
    outcome = lab.run(cell, point)
    as_if_nothing_had_happened(lab, cell, outcome)
    if condition.answers:
        assert not outcome.told, "it ended in SubmissionUnknown"
