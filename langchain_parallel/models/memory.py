"""Memory: what the API remembers of runs that have completed, monitors and FindAll runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Tag

from .results import ApiModel

MemoryKind: TypeAlias = Literal["task", "monitor", "findall"]


class TaskMemoryResult(ApiModel):
    """A completed task run. `updated_at` is when it completed; the excerpts are cut."""

    kind: Literal["task"] = "task"
    id: str
    """The run's: `client.result(id)` has the whole answer."""
    updated_at: str = ""
    input_excerpt: str = ""
    output_excerpt: str = ""


class MonitorMemoryEvent(ApiModel):
    """An event that a monitor has found. A task can continue from its id."""

    event_id: str
    event_group_id: str = ""
    detected_at: str = ""
    excerpt: str = ""


class MonitorMemoryResult(ApiModel):
    """A monitor. `updated_at` is when it last ran."""

    kind: Literal["monitor"] = "monitor"
    id: str
    updated_at: str = ""
    input_excerpt: str = ""
    status: str = ""
    matched_events: tuple[MonitorMemoryEvent, ...] = ()


class FindAllMemoryResult(ApiModel):
    """A FindAll run."""

    kind: Literal["findall"] = "findall"
    id: str
    updated_at: str = ""
    input_excerpt: str = ""
    matched_count: int | None = None


class UnknownMemoryResult(ApiModel):
    """Something of a kind that this package does not know. All its fields are kept."""

    kind: str = ""
    id: str = ""
    updated_at: str = ""
    input_excerpt: str = ""


def _kind_of(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if kind in ("task", "monitor", "findall") else "unknown"


MemoryResult: TypeAlias = Annotated[
    Annotated[TaskMemoryResult, Tag("task")]
    | Annotated[MonitorMemoryResult, Tag("monitor")]
    | Annotated[FindAllMemoryResult, Tag("findall")]
    | Annotated[UnknownMemoryResult, Tag("unknown")],
    Discriminator(_kind_of),
]


class MemoryRetrieveResponse(ApiModel):
    """What was found in a memory: the most relevant first, or without a query the newest."""

    results: tuple[MemoryResult, ...] = ()
