"""Typed research as an agent's result. The model names the handle only, so it cannot miscopy the data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from ..errors import InvalidRequest
from ..evidence import numbers_by_field
from ..models import TaskRun, TaskRunOutput, TaskRunResult
from .agent_state import AgentTurn, Research, brief, find_record
from .citations import Source, sources
from .names import Names

_NOTHING_LOST = "Nothing is lost: name another one."
T = TypeVar("T")


class UseFinding(BaseModel):
    """Finish by handing over a research result as it is, without writing it out again."""

    handle: str = Field(description="Handle of the finished research, such as r1.2.")
    comment: str = Field(default="", description="What to say about it, citing sources as [3].")


@dataclass(frozen=True)
class StructuredFinding(Generic[T]):
    """Typed research with its evidence."""

    value: T
    handle: str
    run_id: str
    interaction_id: str | None
    citations: dict[str, list[Source]]
    """By field, such as `revenue` or `executives.0`."""
    confidence: dict[str, str]
    comment: str = ""


def structured_finding(
    model: type[T],
    state: Mapping[str, Any],
    handle: str | None = None,
    *,
    name: str = "research",
) -> StructuredFinding[T]:
    """A finding as your model, with the sources of every field.

    Args:
        model: The class or type that the middleware's `output_schema` was made from, or one that fits.
        state: What the agent returned, or `agent.get_state(config).values`.
        handle: Of the finding. Unless given, the one the agent named in `structured_response`, where it
            was made with `response_format=UseFinding`.
        name: The middleware's.

    Raises:
        InvalidRequest: There is no such finding, or it has no answer; the error names those that have. Give
            one of them: it replaces the one the agent named, and the agent's comment stays.
        OutputMismatch: The answer does not fit the model.
    """
    said = state.get("structured_response")
    said = said if isinstance(said, UseFinding) else None
    if handle is None and said is None:
        raise InvalidRequest(
            ["No finding is named."],
            hint="Give a handle, or make the agent with response_format=UseFinding.",
        )
    research: Research = state.get(Names(name).records) or {}
    record = _record_with_answer(research, handle or (said.handle if said else ""))
    comment = said.comment if said and _is_about(said, record, research) else ""
    value = _result(record).parse(model)
    known = sources(state, name)
    by_field = numbers_by_field(record["citations"])
    citations = {field: [known[n] for n in numbers] for field, numbers in by_field.items()}
    return StructuredFinding(
        value=value,
        handle=record["handle"],
        run_id=record["run_id"],
        interaction_id=record["interaction_id"],
        citations=citations,
        confidence=record["confidence"],
        comment=comment,
    )


def _record_with_answer(research: Research, handle: str) -> AgentTurn:
    try:
        record = find_record(research, handle)
    except InvalidRequest as error:
        error.hint = _NOTHING_LOST
        raise
    if record["status"] == "completed":
        return record
    there = "; ".join(brief(r) for r in research.values() if r["status"] == "completed")
    problem = f"{record['handle']} has no answer ({record['status']}). Known: {there or 'none'}."
    raise InvalidRequest([problem], hint=_NOTHING_LOST)


def _is_about(said: UseFinding, record: AgentTurn, research: Research) -> bool:
    """Whether the agent named this finding, or one that does not exist."""
    with suppress(InvalidRequest):
        return find_record(research, said.handle)["handle"] == record["handle"]
    return True


def _result(record: AgentTurn) -> TaskRunResult:
    run = TaskRun(
        run_id=record["run_id"], interaction_id=record["interaction_id"], status=record["status"]
    )
    return TaskRunResult(run=run, output=TaskRunOutput(type="json", content=record["content"]))
