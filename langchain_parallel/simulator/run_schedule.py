"""The runs of a group by the times at which something happens to them.

Rule: both give what looking at each run would give, at the cost of what has changed since the last look. A
run whose end is moved (`Run.settle`) is handed in again.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable

from .simulated_run import Run


class RunSchedule:
    """Runs that wait for a moment of theirs, such as their end, and leave when it has come."""

    def __init__(self, moment: Callable[[Run], float]) -> None:
        self._moment = moment
        self._waiting: dict[Run, int] = {}
        self._times: list[tuple[float, int, Run]] = []
        self._count = itertools.count()

    def __contains__(self, run: Run) -> bool:
        return run in self._waiting

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, runs: Iterable[Run]) -> None:
        """Add runs, or hand in again some whose moment has changed."""
        for run in runs:
            number = self._waiting.setdefault(run, next(self._count))
            if (moment := self._moment(run)) < math.inf:
                heapq.heappush(self._times, (moment, number, run))

    def take(self, t: float) -> list[Run]:
        """Take those whose moment has come by t: the earliest first, and in the order added."""
        due: list[Run] = []
        while self._times and self._times[0][0] <= t:
            entry = heapq.heappop(self._times)
            if self._is_current(entry):
                run = entry[-1]
                del self._waiting[run]
                due.append(run)
        return due

    def next_after(self, t: float) -> float:
        """The first moment after t of those that wait (infinite if there is none)."""
        while self._times:
            if self._is_current(self._times[0]):
                break
            heapq.heappop(self._times)
        first = self._times[0][0] if self._times else math.inf
        if first > t:
            return first
        return min((m for m in map(self._moment, self._waiting) if m > t), default=math.inf)

    def _is_current(self, entry: tuple[float, int, Run]) -> bool:
        """Whether the run has not left meanwhile, and waits for no other moment."""
        moment, number, run = entry
        return self._waiting.get(run) == number and self._moment(run) == moment


class StatusCounts:
    """How many runs that are counted have each status."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._changes: list[tuple[float, int, Run]] = []
        self._count = itertools.count()
        self._shown: dict[Run, str] = {}
        self._counts: Counter[str] = Counter()
        self._at = -math.inf

    def add(self, runs: Iterable[Run]) -> None:
        """Count these, from their time on."""
        for run in runs:
            self._runs.append(run)
            self._put(run, run.counted)

    def check(self, run: Run) -> None:
        """Look at a run again, whose end was moved to the present."""
        self._put(run, -math.inf)

    def at(self, t: float) -> dict[str, int]:
        """The counts at t. A time before that of the last call is asked for by a late request only."""
        if t < self._at:
            return dict(Counter(r.status_at(t) for r in self._runs if r.counted <= t))
        self._at = t
        while self._changes and self._changes[0][0] <= t:
            run = heapq.heappop(self._changes)[-1]
            if run.counted > t:
                continue
            before, status = self._shown.get(run), run.status_at(t)
            self._counts[status] += 1
            if before is not None:
                self._counts[before] -= 1
            self._shown[run] = status
            self._put(run, min((at for at in (run.starts, run.ends) if at > t), default=math.inf))
        return {status: number for status, number in self._counts.items() if number}

    def _put(self, run: Run, moment: float) -> None:
        if moment < math.inf:
            heapq.heappush(self._changes, (moment, next(self._count), run))
