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
    run_id: str
    interaction_id: str | None
    status: str
    kind: str
    message: str
    progress: float | None
    sources_considered: int | None
    sources_read: int | None


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
