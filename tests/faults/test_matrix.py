"""The fault matrix (see `matrix.py`), a test for each user and call; and that it is whole.

A cell alone would be a test in its own right, but there are thousands, and a test has its price. Without
`--exhaustive` each user meets every trouble once, and has trouble at every call.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from typing import Any

import pytest

from langchain_parallel.simulator import Simulator

from ..cut import exhaustive, representatives
from .matrix import (
    Cell,
    cells,
    cells_under_conditions,
    ending_cells,
    never_makes,
    verdict,
)
from .table import CALLS, FAULTS, OUTCOMES, SENSELESS, Row, endings, rows, senseless
from .users import USERS, Clock, GraphUser, User

CELLS, ENDINGS = list(cells()), list(ending_cells())


def together(every: list[Cell]) -> dict[str, list[Cell]]:
    """The cells of each user and call."""
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in every:
        groups[f"{cell.user.name} {cell.mode}: {cell.turn}, {cell.call}"].append(cell)
    return groups


def shown(cell: Cell) -> list[object]:
    """What one cell of each has to show when not all are played."""
    user = cell.user.name
    where = (user, cell.mode, cell.turn, cell.call.name, cell.times)
    return [(user, str(cell.row)), where]


def parameters(every: list[Cell]) -> list[Any]:
    """Some cells of each user; then all of them, exhaustively."""
    few = representatives(every, shown)
    by_user = {user: [cell for cell in few if cell.user is user] for user in USERS}
    return [
        *(pytest.param(some, id=f"{user.name}: a few") for user, some in by_user.items()),
        *(exhaustive(some, id=name) for name, some in together(every).items()),
    ]


def wrong(some: list[Cell]) -> str:
    """What went wrong where, a line for each cell."""
    verdicts = [(cell, verdict(cell)) for cell in some]
    return "\n".join(f"{cell}: {said}" for cell, said in verdicts if said.startswith("wrong"))


@pytest.mark.parametrize("some", parameters(CELLS))
def test_trouble_is_recovered_from_or_reported_and_nothing_is_paid_for_twice(
    some: list[Cell],
) -> None:
    assert not wrong(some), wrong(some)


def under_conditions() -> list[Any]:
    """A few of these cells; then all of them, exhaustively."""
    every = cells_under_conditions()
    few = representatives(every, lambda cell: [cell.under.name, cell.user.name, cell.call.name])
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in every:
        groups[cell.under.name].append(cell)
    return [
        pytest.param(few, id="a few"),
        *(exhaustive(some, id=name) for name, some in groups.items()),
    ]


@pytest.mark.parametrize("some", under_conditions())
def test_nor_is_it_whatever_lists_and_answers_are_like(some: list[Cell]) -> None:
    assert not wrong(some), wrong(some)


@pytest.mark.parametrize("some", parameters(ENDINGS))
def test_however_a_run_ends_the_error_says_how_to_get_one_paid_answer(
    some: list[Cell],
) -> None:
    assert not wrong(some), wrong(some)


def test_every_fault_and_ending_of_the_simulator_is_in_the_table() -> None:
    assert {row.kind for row in rows()} == set(FAULTS)
    assert {row.kind for row in endings()} >= set(OUTCOMES)
    assert {cell.row.kind for cell in ENDINGS} == {row.kind for row in endings()}


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.name)
def test_a_user_meets_every_trouble_at_every_call_unless_that_is_senseless(
    user: type[User],
) -> None:
    met = {(cell.row.kind, cell.call.name) for cell in CELLS if cell.user is user}
    turns = ("question", "follow-up") if user is GraphUser else ("question",)
    for call in CALLS:
        for kind in FAULTS:
            excused = all(senseless(kind, call, turn) for turn in turns) or never_makes(user, call)
            assert ((kind, call.name) in met) is not excused


def test_every_excuse_is_needed_and_says_why() -> None:
    turns = ("question", "follow-up")
    used = {senseless(kind, call, turn) for kind in FAULTS for call in CALLS for turn in turns}
    assert set(SENSELESS) <= used
    assert all(len(excuse.why) > 40 for excuse in SENSELESS)


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.name)
def test_what_is_excused_for_an_empty_list_changes_no_request(user: type[User]) -> None:
    look = next(call for call in CALLS if call.name == "look")
    untroubled = requests(user, [])
    for row in rows():
        if (excuse := senseless(row.kind, look, "question")) and excuse.turn == "question":
            assert requests(user, [row]) == untroubled


def requests(user: type[User], troubles: list[Row]) -> list[tuple[str, str]]:
    """What a user's question asks of the API, with these troubles at its first look."""
    look = next(call for call in CALLS if call.name == "look")
    simulator = Simulator(Clock())
    with closing(user("sync", simulator)) as someone:
        someone.write_slowly()
        for row in troubles:
            simulator.faults.add(*look.faults(row, 1))
        assert someone.ask() is None
    return [(entry.method, entry.path) for entry in simulator.requests]


def test_a_follow_up_makes_no_ledger() -> None:
    made = [path for method, path in requests(GraphUser, []) if path.endswith("/groups")]
    assert len(made) == 1
