"""A process is suspended before its paid request leaves, or while it makes the ledger, and goes on after
another has resumed the thread.

With real signals and two processes. Nothing but the checkpoints tells the first one what has happened.
"""

from __future__ import annotations

import pytest

from ..cut import exhaustive
from .cells import Cell
from .lab import Lab

LEAVING = "POST /v1/tasks/groups/*/runs: leaving #1"
"""It has looked, and nothing has been sent."""
MAKING = "POST /v1/tasks/groups: leaving #1"
"""It has found no ledger, and makes one."""


@pytest.mark.parametrize("mode", ["sync", exhaustive("async")])
@pytest.mark.parametrize("workload", ["subgraph", exhaustive("three calls")])
def test_who_was_suspended_before_the_send_finds_what_another_has_sent(
    lab: Lab, workload: str, mode: str
) -> None:
    # Of one model message: a model that the first process asks for its next one speaks anew.
    cell = Cell(workload, "sqlite", mode, "sync", store=False)  # type: ignore[arg-type]
    uncrashed = lab.uncrashed(cell)
    outcome = lab.suspend(cell, LEAVING)
    assert [report.error for report in outcome.reports] == [None, None]
    assert outcome.paid_twice == outcome.lost == 0
    assert sorted(outcome.paid) == sorted(uncrashed.paid)
    # The one that was suspended writes last, and the same.
    assert outcome.state == uncrashed.state
    assert [one["run_id"] for one in _runs(outcome.reports[0].state)] == [
        one["run_id"] for one in _runs(outcome.reports[1].state)
    ]


@pytest.mark.parametrize(
    ("workload", "mode"),
    [("subgraph", "sync"), exhaustive("subgraph", "async"), exhaustive("three calls", "sync")],
)
def test_who_was_suspended_while_it_made_the_ledger_finds_that_of_another_machine(
    lab: Lab, workload: str, mode: str
) -> None:
    """No lock keeps the two apart."""
    cell = Cell(workload, "sqlite", mode, "sync", store=False)  # type: ignore[arg-type]
    uncrashed = lab.uncrashed(cell)
    outcome = lab.suspend(cell, MAKING, elsewhere=True)
    assert [report.error for report in outcome.reports] == [None, None]
    assert outcome.paid_twice == outcome.lost == 0
    assert outcome.ledgers == 1
    assert outcome.state == uncrashed.state


@pytest.mark.exhaustive
@pytest.mark.parametrize(("workload", "mode"), [("subgraph", "sync"), ("tool", "async")])
def test_who_is_suspended_while_it_makes_the_ledger_alone_pays(
    lab: Lab, workload: str, mode: str
) -> None:
    cell = Cell(workload, "sqlite", mode, "sync", store=False)  # type: ignore[arg-type]
    uncrashed = lab.uncrashed(cell)
    outcome = lab.suspend(cell, MAKING)
    assert [report.error_type for report in outcome.reports] == ["ThreadBusy", None]
    assert outcome.paid_twice == outcome.lost == 0
    assert sorted(outcome.paid) == sorted(uncrashed.paid)
    assert outcome.state == uncrashed.state


def _runs(state: object) -> list[dict[str, str]]:
    """Everything in a state that names a run, in order."""
    if isinstance(state, list):
        return [run for part in state for run in _runs(part)]
    if not isinstance(state, dict):
        return []
    inner = [run for part in state.values() for run in _runs(part)]
    return [state, *inner] if state.get("run_id") else inner
