"""A node with a table, killed anywhere and gone on with: each row has one run, and its answer."""

from __future__ import annotations

import shutil
import signal
import tempfile
import uuid
from collections import Counter
from typing import Any, Literal

import pytest

from ..cut import is_exhaustive
from .cells import Cell
from .lab import Lab, Report
from .points import kind
from .workloads import COUNTRIES

KINDS = [
    *(f"paid request: {when}" for when in ("leaving", "sent", "answered", "read")),
    "free request: answered",
    "checkpoint put: before",
    "checkpoint writes: after",
]
_PROCESSES = 60
"""That go on with a thread, one after the other, before it counts as lost."""


def run(lab: Lab, cell: Cell, kill_at: str | None) -> list[Report]:
    """A thread whose process is killed, and gone on with until it has its answers."""
    thread_id = f"table-{uuid.uuid4().hex}"
    folder = tempfile.mkdtemp(prefix="table-") if cell.backend == "sqlite" else None
    try:
        place = folder or lab._postgres()
        reports = [lab._zygote.run(lab._job(cell, place, thread_id, kill_at, later=False))]
        assert reports[0].signal in {None, signal.SIGKILL}
        while not _answers(reports[-1]) and len(reports) < _PROCESSES:
            reports.append(lab._zygote.run(lab._job(cell, place, thread_id, None, later=True)))
            assert reports[-1].error is None, (kill_at, reports[-1].error)
    finally:
        if folder:
            shutil.rmtree(folder)
    runs = [
        run
        for run in lab._server.simulator.all_runs()
        if run.request["metadata"].get("thread_id") == thread_id
    ]
    asked = Counter(run.text for run in runs)
    assert reports[0].signal or reports[0].error is None, reports[0].error
    assert asked == {f"Who leads {row['country']}?": 1 for row in COUNTRIES}, kill_at
    ids = {run.text: run.run_id for run in runs}
    found = _answers(reports[-1])
    assert [one["row"] for one in found] == COUNTRIES
    assert all(one["run_id"] == ids[f"Who leads {one['row']['country']}?"] for one in found)
    return reports


def _answers(report: Report) -> list[Any]:
    return [] if report.state is None else report.state.get("leaders") or []


@pytest.mark.larger
@pytest.mark.grid
@pytest.mark.parametrize("chosen", KINDS)
@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
@pytest.mark.parametrize("store", [True, False], ids=["store", "no store"])
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("workload", ["table node", "table node, park"])
def test_killed_once_each_row_has_one_run_and_its_answer(  # noqa: PLR0917 -- a grid
    lab: Lab,
    workload: str,
    mode: Literal["sync", "async"],
    store: bool,
    backend: Literal["sqlite", "postgres"],
    durability: Literal["sync", "async"],
    chosen: str,
) -> None:
    cell = Cell(workload, backend, mode, durability, store=store)
    [first, *_] = run(lab, cell, None)
    points = [point for point in first.passed if kind(point) == chosen]
    chosen_points = points if is_exhaustive() else points[len(points) // 2 :][:1]
    killed = [_killed_at(lab, cell, point) for point in chosen_points]
    assert any(killed) or not points


def _killed_at(lab: Lab, cell: Cell, point: str) -> bool:
    """Whether a thread has come by that point, of three: how often a process looks, and how often it
    writes, depends on when runs end. All of them have their answers.
    """
    return any(run(lab, cell, point)[0].signal == signal.SIGKILL for _ in range(3))
