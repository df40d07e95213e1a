"""The bill: one line for each run that completed. Failed and cancelled runs are free.

Rule: the bill is computed from the runs and never stored, so it cannot disagree with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .simulated_run import Run


@dataclass(frozen=True)
class BilledRun:
    """One line of the bill. `metadata` is what the caller sent with the run."""

    run_id: str
    interaction_id: str
    processor: str
    usd: float
    metadata: Mapping[str, Any]
    taskgroup_id: str | None


class Billing:
    """The bill at the present time."""

    def __init__(self, runs: Callable[[], Iterable[Run]], now: Callable[[], float]) -> None:
        self._runs = runs
        self._now = now

    def billed_runs(self) -> list[BilledRun]:
        """Runs that completed, in the order they were created."""
        now = self._now()
        return [_line(r) for r in self._runs() if r.status_at(now) == "completed"]

    def reserved_runs(self) -> list[BilledRun]:
        """Active runs. Their price is reserved now and billed if they complete."""
        now = self._now()
        return [_line(r) for r in self._runs() if r.is_active_at(now)]

    @property
    def total_usd(self) -> float:
        return round(sum(line.usd for line in self.billed_runs()), 6)

    @property
    def reserved_usd(self) -> float:
        return round(sum(line.usd for line in self.reserved_runs()), 6)


def _line(run: Run) -> BilledRun:
    metadata = dict(run.request.get("metadata") or {})
    ids = run.run_id, run.interaction_id
    return BilledRun(*ids, run.processor, run.usd, metadata, run.group_id)
