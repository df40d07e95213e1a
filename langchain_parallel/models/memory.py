"""Memory: what the API remembers of runs that have completed, monitors and FindAll runs."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Tag, TypeAdapter, ValidationError, model_validator

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
    """Something of a kind, or of a shape, that this package does not know. All its fields are kept."""

    kind: str = ""
    id: str = ""
    updated_at: str = ""
    input_excerpt: str = ""


def _kind_of(value: Any) -> str:
    if isinstance(value, UnknownMemoryResult):
        return "unknown"
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if kind in ("task", "monitor", "findall") else "unknown"


MemoryResult: TypeAlias = Annotated[
    Annotated[TaskMemoryResult, Tag("task")]
    | Annotated[MonitorMemoryResult, Tag("monitor")]
    | Annotated[FindAllMemoryResult, Tag("findall")]
    | Annotated[UnknownMemoryResult, Tag("unknown")],
    Discriminator(_kind_of),
]


_KNOWN: TypeAdapter[Any] = TypeAdapter(MemoryResult)
_UNKNOWN: TypeAdapter[Any] = TypeAdapter(UnknownMemoryResult)


class MemoryRetrieveResponse(ApiModel):
    """What was found in a memory: the most relevant first, or without a query the newest."""

    results: tuple[MemoryResult, ...]

    @model_validator(mode="before")
    @classmethod
    def _readable(cls, value: Any) -> Any:
        """An entry that is not as documented costs no other one: it may be a lost run that is looked for."""
        entries = value.get("results") if isinstance(value, dict) else None
        return value if not isinstance(entries, list) else {**value, "results": _read(entries)}


def _read(entries: list[Any]) -> list[Any]:
    """The entries; one of another shape than its kind's as an unknown one, and none that is no object."""
    read: list[Any] = []
    for entry in entries:
        for form in (_KNOWN, _UNKNOWN):
            with suppress(ValidationError):
                read.append(form.validate_python(entry))
                break
    return read
