"""Each trouble at each call that the MCP server's desk makes, for a first question and for a follow-up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from ..cut import exhaustive, representatives
from .matrix import Cell, never_makes, verdict
from .table import CALLS, Call, Row, refuses_and_accepts, rows, senseless, shown_too_late
from .users import DeskUser


def cells() -> Iterator[Cell]:
    """Every cell that makes sense, but for details of the wire, which only a client sees."""
    for call, row, turn in product(CALLS, rows(), ("question", "follow-up")):
        if not (
            row.detail
            or never_makes(DeskUser, call)
            or senseless(row.kind, call, turn)
            or (call.late and refuses_and_accepts(row))
            or shown_too_late(row, call)
        ):
            for times in (1, None):
                if not (times and _is_told(row, call)):
                    yield Cell(DeskUser, "async", row, call, times, turn)


def _is_told(row: Row, call: Call) -> bool:
    """The thread looks at the run before it parks, so an answer there that cannot be read is told at once."""
    unreadable = "malformed_json", "wrong_shape", "wrong_id"
    return row.kind in unreadable and call.name.startswith("retrieve")


def shown(cell: Cell) -> list[object]:
    """What one cell of each has to show when not all are played."""
    return [cell.row.kind, (cell.turn, cell.call.name)]


def parameters() -> list[Any]:
    """Some cells; then all of them, exhaustively."""
    every, by_call = list(cells()), defaultdict[str, list[Cell]](list)
    for cell in every:
        by_call[f"{cell.turn}, {cell.call}"].append(cell)
    few = pytest.param(representatives(every, shown), id="a few")
    return [few, *(exhaustive(some, id=name) for name, some in by_call.items())]


@pytest.mark.parametrize("some", parameters())
def test_a_call_of_an_mcp_client_is_answered_and_paid_once_whatever_happens(
    some: list[Cell],
) -> None:
    verdicts = [(cell, verdict(cell)) for cell in some]
    wrong = [f"{cell}: {said}" for cell, said in verdicts if said.startswith("wrong")]
    assert not wrong, "\n".join(wrong)
