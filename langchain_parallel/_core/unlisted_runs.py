"""Runs that are awaited and that the list of their group leaves out.

Rule: a list says nothing of what it leaves out. So a run that it leaves out for a while is asked for by
itself: it may have ended, or the API may not know it, and then nobody should wait for it any longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import AuthenticationFailed, Forbidden, NotFound, ParallelError
from . import operations
from .effects import Flow
from .retry import RetryPolicy

_PATIENCE = 60.0
"""Seconds for which a list may leave out a run; then it is asked for, and again as long after."""
_AT_ONCE = 100
"""Runs that are asked for after one look."""


@dataclass(eq=False)
class UnlistedRuns:
    """Those of one group."""

    policy: RetryPolicy
    since: dict[str, float] = field(default_factory=dict)
    """By run id: when it was first left out, or last asked for."""
    unknown: dict[str, NotFound] = field(default_factory=dict)
    """Those that the API does not know."""

    def note(self, run_ids: Iterable[str], time: float) -> None:
        """Note what a look has left out."""
        self.since = {run_id: self.since.get(run_id, time) for run_id in run_ids}

    def ask(self, time: float) -> Flow[list[str]]:
        """Ask for those that were left out for long; return those that have ended, or are unknown."""
        overdue = [run_id for run_id, since in self.since.items() if time >= since + _PATIENCE]
        ended: list[str] = []
        for run_id in overdue[:_AT_ONCE]:
            self.since[run_id] = time
            try:
                run = yield from operations.retrieve(run_id, self.policy)
            except NotFound as error:
                error.billed = None
                error.hint = (
                    "The API had accepted this run, and knows it no longer. Go on with the batch later; if "
                    "it stays unknown, ask Parallel about it."
                )
                self.unknown[run_id] = error
            except (AuthenticationFailed, Forbidden):
                raise
            except ParallelError:
                continue  # it is asked for again, for waiting is free
            else:
                if run.active:
                    continue
            ended.append(run_id)
        return ended
