"""Killed anywhere and gone on with by a new process, a batch pays once for each row, and loses none."""

from __future__ import annotations

import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from langchain_parallel.simulator import RunningServer, Simulator, serve

from ..cut import exhaustive, is_exhaustive
from .batches import BATCHES, QUESTIONS, ROWS
from .child import Job
from .lab import Report, Zygote
from .points import kind

Mode = Literal["sync", "async"]
KINDS = [
    *(f"paid request: {when}" for when in ("leaving", "sent", "answered", "read")),
    "free request: answered",
    "begin: after",
]
PARTS = 8
"""Tests that share the other points, so that none takes minutes."""


class BatchLab:
    """A simulator of its own, and a zygote."""

    def __init__(self, server: RunningServer, zygote: Zygote) -> None:
        self._server, self._zygote = server, zygote
        self.passed: dict[tuple[str, Mode], list[str]] = {}

    @property
    def simulator(self) -> Simulator:
        return self._server.simulator

    def run(self, workload: str, mode: Mode, *kill_at: str | None) -> list[Report]:
        """A batch, killed at each of these points in turn, and gone on with until it ends."""
        self.simulator.reset()
        with tempfile.TemporaryDirectory(prefix="batch-") as place:
            reports = [self._zygote.run(self._job(workload, mode, place, one)) for one in kill_at]
            for report in reports:
                assert report.signal in (signal.SIGKILL, None)
            reports.append(self._zygote.run(self._job(workload, mode, place, None)))
        return reports

    def points(self, workload: str, mode: Mode) -> list[str]:
        """The points of a batch that nothing kills."""
        if (workload, mode) not in self.passed:
            [report] = self.run(workload, mode)
            assert report.error is None, report.error
            self.passed[workload, mode] = report.passed
        return self.passed[workload, mode]

    def _job(self, workload: str, mode: Mode, place: str, kill_at: str | None) -> Job:
        return Job(
            workload=workload,
            mode=mode,
            durability="sync",
            store=False,
            place=place,
            api=self._server.url,
            thread_id="",
            kill_at=kill_at,
            stop_at=None,
            locks=None,
            clock_shift=0.0,
            called_by={},
        )

    def assert_paid_once(self, reports: list[Report]) -> None:
        """Each question has one run, and the last process has it in the row that asked."""
        where = [report.killed_at for report in reports]
        assert reports[-1].error is None, (where, reports[-1].error)
        asked = {run.run_id: run.text for run in self.simulator.all_runs()}
        assert Counter(asked.values()) == Counter(QUESTIONS), where
        found = reports[-1].state["runs"]
        assert [asked[found[row["id"]]] for row in ROWS] == QUESTIONS, where


@pytest.fixture(scope="module")
def batches() -> Iterator[BatchLab]:
    with serve(Simulator(latency_scale=0.002)) as server, Zygote() as zygote:
        yield BatchLab(server, zygote)


def of_kind(lab: BatchLab, workload: str, mode: Mode, chosen: str) -> list[str]:
    passed = lab.points(workload, mode)
    exact = [point for point in passed if point.startswith(f"{chosen} #")]
    return exact or [p for p in passed if not p.startswith("begin") and kind(p) == chosen]


@pytest.mark.larger
@pytest.mark.grid
@pytest.mark.parametrize("chosen", KINDS)
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("workload", BATCHES)
def test_killed_once_a_batch_pays_once_for_each_row(
    batches: BatchLab, workload: str, mode: Mode, chosen: str
) -> None:
    points = of_kind(batches, workload, mode, chosen)
    for point in points if is_exhaustive() else points[len(points) // 2 :][:1]:
        batches.assert_paid_once(batches.run(workload, mode, point))


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("workload", BATCHES)
def test_at_every_other_point_too(batches: BatchLab, workload: str, mode: Mode, part: int) -> None:
    points = batches.points(workload, mode)
    done = {one for chosen in KINDS for one in of_kind(batches, workload, mode, chosen)}
    for point in [one for one in points if one not in done][part::PARTS]:
        batches.assert_paid_once(batches.run(workload, mode, point))


@pytest.mark.parametrize("mode", ["sync", exhaustive("async")])
@pytest.mark.parametrize("workload", ["table", *map(exhaustive, BATCHES[1:])])
def test_killed_again_and_again_it_still_does(batches: BatchLab, workload: str, mode: Mode) -> None:
    points = of_kind(batches, workload, mode, "paid request: answered")
    kills: list[Any] = [points[1], points[0], points[0]]
    reports = batches.run(workload, mode, *kills)
    assert sum(bool(report.killed_at) for report in reports) >= 2
    batches.assert_paid_once(reports)
