"""A run's events as small plain-JSON messages for people and streams.

The tool sends them as LangChain custom events (`parallel_progress`), and tool and graph on LangGraph's
custom stream. They hold no output: that comes with the result.
"""

from __future__ import annotations

from typing import TypedDict, cast

from .._core.payloads import storable
from ..models import (
    ErrorEvent,
    Event,
    TaskRunEvent,
    TaskRunProgressMessageEvent,
    TaskRunProgressStatsEvent,
)

CUSTOM_EVENT = "parallel_progress"
"""Name of the LangChain custom event."""


class Progress(TypedDict, total=False):
    """One step of a run.

    `type` is the API's event type; `progress` goes from 0 to 100. `message` and the sample of sources
    are untrusted text.
    """

    type: str
    """`task_run.state`, `task_run.progress_stats`, `task_run.progress_msg.…` or `error`."""
    run_id: str
    interaction_id: str | None
    status: str
    """Of the run, where the state has changed."""
    kind: str
    """Of a message: the end of its type, such as `plan` or `search`."""
    message: str
    """What the run is doing, in words. Untrusted."""
    progress: float | None
    """From 0 to 100."""
    sources_considered: int | None
    """Pages that were looked at so far."""
    sources_read: int | None
    """Pages that were read so far."""


def progress(event: Event, run_id: str, interaction_id: str | None) -> Progress:
    """The message for an event of this run."""
    message = Progress(type=event.type, run_id=run_id, interaction_id=interaction_id)
    match event:
        case TaskRunEvent():
            message["status"] = event.run.status
        case TaskRunProgressStatsEvent():
            message["progress"] = event.progress_meter
            message["sources_considered"] = event.source_stats.num_sources_considered
            message["sources_read"] = event.source_stats.num_sources_read
        case TaskRunProgressMessageEvent():
            message["kind"] = event.kind
            message["message"] = event.message
        case ErrorEvent():
            message["message"] = event.error.message
    return cast(Progress, storable(message)[0])
