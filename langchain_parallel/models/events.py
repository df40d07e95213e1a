"""What streams: events of a run and of a group.

Rule: an event of a type or a shape that this package does not know is an `UnknownEvent` with all its fields.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from .results import ApiModel, RunInput, TaskGroupStatus, TaskRun, TaskRunError, TaskRunOutput


class TaskRunEvent(ApiModel):
    """The state of a run; with its output at the end of a stream."""

    type: Literal["task_run.state"] = "task_run.state"
    run: TaskRun
    event_id: str | None = None
    input: RunInput | None = None
    output: TaskRunOutput | None = None


class TaskRunSourceStats(ApiModel):
    """How many sources a run has considered and read so far."""

    num_sources_considered: int | None = None
    num_sources_read: int | None = None
    sources_read_sample: tuple[str, ...] | None = None


class TaskRunProgressStatsEvent(ApiModel):
    """How far a run is. `progress_meter` goes from 0 to 100."""

    type: Literal["task_run.progress_stats"] = "task_run.progress_stats"
    source_stats: TaskRunSourceStats = TaskRunSourceStats()
    progress_meter: float | None = None


class TaskRunProgressMessageEvent(ApiModel):
    """What a run is doing. `type` is `task_run.progress_msg.` and a kind such as `plan` or `search`."""

    type: str
    message: str = ""
    timestamp: str | None = None

    @property
    def kind(self) -> str:
        """The last part of the type: `plan`, `search`, `result`, `tool_call`, `exec_status`, …"""
        return self.type.rpartition(".")[2]


class TaskGroupStatusEvent(ApiModel):
    """The state of a group. `event_id` is the cursor from which to resume."""

    type: Literal["task_group_status"] = "task_group_status"
    status: TaskGroupStatus
    event_id: str | None = None


class ErrorEvent(ApiModel):
    """An error that the server reports inside a stream."""

    type: Literal["error"] = "error"
    error: TaskRunError


class UnknownEvent(ApiModel):
    """An event of a type or a shape that this package does not know. All its fields are kept."""

    type: str = ""


Event: TypeAlias = (
    TaskRunEvent
    | TaskRunProgressStatsEvent
    | TaskRunProgressMessageEvent
    | TaskGroupStatusEvent
    | ErrorEvent
    | UnknownEvent
)
