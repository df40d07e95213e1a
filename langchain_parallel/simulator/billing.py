"""Who pays for what: one line per run that completed; failed and cancelled runs are free.

Rule: the bill is read off the runs, never kept beside them, so it cannot disagree with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .runs import Run

__all__ = ["BilledRun", "Billing"]


@dataclass(frozen=True)
class BilledRun:
    """One line of the bill. `metadata` is the caller's own, as sent with the run."""

    run_id: str
    interaction_id: str
    processor: str
    usd: float
    metadata: Mapping[str, Any]
    taskgroup_id: str | None


class Billing:
    """The bill as it stands now."""

    def __init__(self, runs: Callable[[], Iterable[Run]], now: Callable[[], float]) -> None:
        self._runs = runs
        self._now = now

    def billed_runs(self) -> list[BilledRun]:
        """Runs that completed, in the order they were created."""
        now = self._now()
        return [_line(r) for r in self._runs() if r.status_at(now) == "completed"]

    def reserved_runs(self) -> list[BilledRun]:
        """Runs still active: their price is held back and will be billed if they complete."""
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
