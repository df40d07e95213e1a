"""Task groups: which runs they hold, what they count, and their two resumable streams.

Rule: both streams are append-only logs. What has been given out once keeps its place for good, so
an `event_id` (the place, counted from 1) always resumes at the same point, whatever came since.
A run enters the logs when it becomes visible, which for a late commit is after it was accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from .answers import ApiError, JsonObject
from .runs import ACTIVE, Run, timestamp

__all__ = ["Group", "GroupEvent", "cursor", "status_of"]


@dataclass(frozen=True)
class GroupEvent:
    """A run that ended, or (run None) the group's counts as they were, at `at` seconds."""

    at: float
    run: Run | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(eq=False)
class Group:
    """One group. `runs` in the order accepted; `listed` and `events` are the append-only logs."""

    group_id: str
    metadata: JsonObject
    created: float
    runs: list[Run] = field(default_factory=list)
    listed: list[Run] = field(default_factory=list)
    events: list[GroupEvent] = field(default_factory=list)
    _hidden: list[Run] = field(default_factory=list)
    _open: list[Run] = field(default_factory=list)

    def add(self, runs: list[Run]) -> None:
        self.runs += runs
        self._hidden += runs

    def refresh(self, t: float) -> None:
        """Write down in the logs everything that has happened up to t."""
        shown = sorted((r for r in self._hidden if r.visible <= t), key=lambda r: r.visible)
        if shown:
            self.listed += shown
            self._open += shown
            self._hidden = [r for r in self._hidden if r.visible > t]
        ended = sorted((r for r in self._open if r.is_over_at(t)), key=lambda r: r.ends)
        if ended:
            self._open = [r for r in self._open if not r.is_over_at(t)]
            self.events += [GroupEvent(max(r.ends, r.visible), r) for r in ended]
        if shown or ended or not self.events:
            self.events.append(GroupEvent(t, counts=self._counts(t)))

    def reopen(self, run: Run) -> None:
        """A run that had ended (in a state that waits for someone) ends anew: log it again."""
        if run in self.listed and run not in self._open:
            self._open.append(run)

    def next_change(self, t: float) -> float:
        """When something next happens after t, in seconds (infinite if never)."""
        times = [*(r.visible for r in self._hidden), *(r.ends for r in self._open)]
        return min((at for at in times if at > t), default=float("inf"))

    def is_active_at(self, t: float) -> bool:
        return any(r.is_active_at(t) for r in self.listed)

    def status(self, t: float, epoch: float) -> JsonObject:
        """`TaskGroupStatus` of the visible runs."""
        self.refresh(t)
        return status_of(GroupEvent(self.events[-1].at, counts=self._counts(t)), epoch)

    def _counts(self, t: float) -> dict[str, int]:
        return dict(Counter(r.status_at(t) for r in self.listed))

    def wire(self, t: float, epoch: float) -> JsonObject:
        """`TaskGroupResponse`."""
        return {
            "taskgroup_id": self.group_id,
            "metadata": self.metadata,
            "status": self.status(t, epoch),
            "created_at": timestamp(epoch + self.created),
        }


def status_of(event: GroupEvent, epoch: float) -> JsonObject:
    """`TaskGroupStatus` as it was at an event."""
    return {
        "num_task_runs": sum(event.counts.values()),
        "task_run_status_counts": dict(event.counts),
        "is_active": any(status in ACTIVE for status in event.counts),
        "status_message": "",
        "modified_at": timestamp(epoch + event.at),
    }


def cursor(last_event_id: str | None, length: int) -> int:
    """How many entries of a log a reader has seen. Raises a 422 for an id never given out."""
    if not last_event_id:
        return 0
    if not last_event_id.isdigit() or not 0 < int(last_event_id) <= length:
        detail = {
            "errors": [{"loc": ["query", "last_event_id"], "msg": "unknown", "type": "value"}]
        }
        raise ApiError(422, f"last_event_id: unknown event {last_event_id!r}", detail)
    return int(last_event_id)
