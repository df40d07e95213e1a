"""Task groups: their runs, their counts, and their two resumable streams.

Rule: both streams are append-only logs. An `event_id` is the position of an entry, counted from 1, so it
always resumes at the same point. A run enters the logs when it becomes visible; with a late commit, that is
some time after it was accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .http_messages import JsonObject
from .problems import Problem, invalid_request
from .run_schedule import RunSchedule, StatusCounts
from .simulated_run import ACTIVE, Run, timestamp


@dataclass(frozen=True)
class GroupEvent:
    """At `at` seconds, a run ended or, if `run` is None, the group had these counts."""

    at: float
    run: Run | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """How a group's list of runs comes, of which the API documents nothing.

    Args:
        newest_first: The newest run first, instead of the oldest.
        page: Runs after which the list ends; it is read on from the last one's `event_id`.
        most: The list never shows more runs than these, though the group counts them.
        metadata: Whether a listed run, and its input, has its metadata.
    """

    newest_first: bool = False
    page: int | None = None
    most: int | None = None
    metadata: bool = True

    def __post_init__(self) -> None:
        for name in ("page", "most"):
            value = getattr(self, name)
            if value is not None and value < (least := 1 if name == "page" else 0):
                raise ValueError(f"{name} is {value}; at least {least} is needed")


@dataclass(eq=False)
class Group:
    """One group: its `runs` in the order accepted, and the append-only logs `listed` and `events`."""

    group_id: str
    metadata: JsonObject
    created: float
    runs: list[Run] = field(default_factory=list)
    listed: list[Run] = field(default_factory=list)
    events: list[GroupEvent] = field(default_factory=list)
    _counts: StatusCounts = field(default_factory=StatusCounts)
    _hidden: RunSchedule = field(default_factory=lambda: RunSchedule(lambda run: run.visible))
    _open: RunSchedule = field(default_factory=lambda: RunSchedule(lambda run: run.ends))
    _stay_active: list[Run] = field(default_factory=list)
    """Those whose last status, undocumented, is an active one."""

    def add(self, runs: list[Run]) -> None:
        self.runs += runs
        self._hidden.add(runs)
        self._counts.add(runs)

    def refresh(self, t: float) -> None:
        """Append everything that has happened up to t to the logs."""
        shown = self._hidden.take(t)
        self.listed += shown
        self._open.add(shown)
        ended = self._open.take(t)
        self.events += [GroupEvent(max(r.ends, r.visible), r) for r in ended]
        self._stay_active += [r for r in ended if r.outcome in ACTIVE]
        if shown or ended or not self.events:
            self.events.append(GroupEvent(t, counts=self._counts.at(t)))

    def listed_after(self, last_event_id: str | None, order: Listing) -> list[tuple[int, Run]]:
        """The runs listed after an event, in this order, each with its number. Raises ApiError (422)."""
        seen = parse_cursor(last_event_id, len(self.listed))
        numbered = list(enumerate(self.listed, 1))[: order.most]
        if order.newest_first:
            return [(i, run) for i, run in numbered[::-1] if not seen or i < seen]
        return numbered[seen:]

    def reopen(self, run: Run) -> None:
        """Log a run again that had ended in `action_required` and has now ended for good."""
        self._counts.check(run)
        if run not in self._hidden:
            self._open.add([run])

    def next_change(self, t: float) -> float:
        """The time in seconds of the next event after t (infinite if there is none)."""
        return min(self._hidden.next_after(t), self._open.next_after(t))

    def is_active_at(self, t: float) -> bool:
        """Whether a listed run is active at t, up to which the logs are."""
        return bool(self._open) or any(r.is_active_at(t) for r in self._stay_active)

    def status(self, t: float, epoch: float) -> JsonObject:
        """The `TaskGroupStatus` of the runs that are counted."""
        self.refresh(t)
        return group_status(GroupEvent(self.events[-1].at, counts=self._counts.at(t)), epoch)

    def to_json(self, t: float, epoch: float) -> JsonObject:
        """The group as the API shows it (`TaskGroupResponse`)."""
        return {
            "taskgroup_id": self.group_id,
            "metadata": self.metadata,
            "status": self.status(t, epoch),
            "created_at": timestamp(epoch + self.created),
        }


def group_status(event: GroupEvent, epoch: float) -> JsonObject:
    """The `TaskGroupStatus` at an event."""
    return {
        "num_task_runs": sum(event.counts.values()),
        "task_run_status_counts": dict(event.counts),
        "is_active": any(status in ACTIVE for status in event.counts),
        "status_message": "",
        "modified_at": timestamp(epoch + event.at),
    }


def parse_cursor(last_event_id: str | None, length: int) -> int:
    """The number of log entries that a reader has seen. Raises ApiError (422) for an unknown id."""
    if not last_event_id:
        return 0
    known = re.fullmatch("[0-9]{1,9}", last_event_id) and 0 < int(last_event_id) <= length
    if not known:
        raise invalid_request([Problem(("last_event_id",), "unknown event")], "query")
    return int(last_event_id)
