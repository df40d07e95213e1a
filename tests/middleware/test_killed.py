"""Killed by SIGKILL anywhere and resumed by a new process, an agent pays once for each question."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import astuple
from typing import Any

import pytest

from langchain_parallel.simulator import Simulator, serve

from ..crash.cells import Cell
from ..crash.lab import Lab, Outcome
from ..crash.matrix import SPEED, points_of
from ..crash.points import kind
from ..cut import exhaustive
from .killed import WAYS, Zygote

PAID_FOR = "POST /v1/tasks/groups/*/runs: answered"
"""The server has started the run, and no other process knows."""
KINDS = 4
"""How many kinds of points each cell is killed at here."""


@pytest.fixture(scope="module")
def lab(postgres_uri: Callable[[], str]) -> Iterator[Lab]:
    with serve(Simulator(latency_scale=SPEED)) as server, Zygote() as zygote:
        yield Lab(server, zygote, postgres_uri)


def cell(way: str, mode: Any, durability: Any = "sync", *, store: bool = False) -> Cell:
    return Cell(f"agent, {way}", "sqlite", mode, durability, store)


def nothing_lost_and_paid_once(lab: Lab, here: Cell, outcome: Outcome) -> None:
    where = outcome.kills
    assert outcome.last.error is None, where
    assert Counter(outcome.paid) == Counter(lab.uncrashed(here).paid), where
    assert outcome.lost == 0, where
    research = outcome.last.state["parallel_research"]
    assert {handle: r["status"] for handle, r in research.items()} == {
        "r1": "completed",
        "r2": "completed",
        "r1.2": "completed",
    }, where


CELLS = [
    cell("block", "sync"),
    cell("block", "async", "async"),
    cell("background", "sync", "async"),
    cell("background", "async"),
    cell("park", "sync"),
    cell("park", "async", store=True),
    cell("block", "sync", "exit", store=True),
]


def parts(here: Cell, number: int) -> list[object]:
    return [*astuple(here), f"kind {number}"]


@pytest.mark.grid(shows=parts)
@pytest.mark.parametrize("here", CELLS, ids=str)
@pytest.mark.parametrize("number", range(KINDS))
def test_killed_once_an_agent_pays_once_and_loses_nothing(
    lab: Lab, here: Cell, number: int
) -> None:
    points = list(points_of(here, lab.uncrashed(here).last.passed))
    nothing_lost_and_paid_once(lab, here, lab.run(here, points[number]))


@pytest.mark.grid
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_killed_when_only_the_server_knows_of_the_run(lab: Lab, way: str, nth: int) -> None:
    here = cell(way, "sync")
    outcome = lab.run(here, f"{PAID_FOR} #{nth}")
    assert outcome.kills == [f"{PAID_FOR} #{nth}"]
    nothing_lost_and_paid_once(lab, here, outcome)


@pytest.mark.parametrize("way", ["park", exhaustive("block"), exhaustive("background")])
def test_killed_again_and_again_it_still_does(lab: Lab, way: str) -> None:
    here = cell(way, "sync")
    outcome = lab.run(here, f"{PAID_FOR} #1", 12, 9, 6)
    assert len(outcome.kills) >= 3
    nothing_lost_and_paid_once(lab, here, outcome)


def test_the_kinds_of_points_are_those_of_the_matrix(lab: Lab) -> None:
    here = cell("block", "sync", store=True)
    passed = lab.uncrashed(here).last.passed
    assert {kind(point) for point in passed} == set(here.kinds)
    assert any(point.startswith("step tool") for point in passed)
    json.dumps(lab.uncrashed(here).state)
