"""The bill: one line for each run and chat turn that completed, and for each answer that was given at once.

Rule: failed and cancelled runs are free. The lines of runs are computed from them and never stored, so they
cannot disagree. An answer given at once is billed whether it arrives or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .simulated_run import Run


@dataclass(frozen=True)
class BilledRun:
    """One line of the bill. `metadata` is what the caller sent with the run.

    A turn of a chat has no run id, and `chat:` before its model's name.
    """

    run_id: str
    interaction_id: str
    processor: str
    usd: float
    metadata: Mapping[str, Any]
    taskgroup_id: str | None


@dataclass(frozen=True)
class BilledAnswer:
    """An answer that was given at once: `kind` is `search` or `extract`, `id` the answer's."""

    kind: str
    id: str
    usd: float


class Billing:
    """The bill at the present time."""

    def __init__(
        self,
        runs: Callable[[], Iterable[Run]],
        answers: Callable[[], Iterable[BilledAnswer]],
        now: Callable[[], float],
    ) -> None:
        self._runs = runs
        self._answers = answers
        self._now = now

    def billed_answers(self) -> list[BilledAnswer]:
        """Answers that were given at once, oldest first."""
        return list(self._answers())

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
        runs = sum(line.usd for line in self.billed_runs())
        return round(runs + sum(line.usd for line in self.billed_answers()), 6)

    @property
    def reserved_usd(self) -> float:
        return round(sum(line.usd for line in self.reserved_runs()), 6)


def _line(run: Run) -> BilledRun:
    metadata = dict(run.request.get("metadata") or {})
    ids = run.run_id, run.interaction_id
    return BilledRun(*ids, run.processor, run.usd, metadata, run.group_id)
