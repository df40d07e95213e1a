"""Typed research, handed over as it is: no model writes it out again, so no model can get it wrong."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from ..errors import InvalidRequest
from ..models import TaskRun, TaskRunOutput, TaskRunResult
from .agent_state import AgentTurn, Research
from .call_plan import brief, known
from .citations import Source, sources
from .names import Names

_NOTHING_LOST = "Nothing is lost: name another one."
ModelT = TypeVar("ModelT", bound=BaseModel)


class UseFinding(BaseModel):
    """Finish by handing over a research result as it is, without writing it out again."""

    handle: str = Field(description="Handle of the finished research, such as r1.2.")
    comment: str = Field(default="", description="What to say about it, citing sources as [3].")


@dataclass(frozen=True)
class StructuredFinding(Generic[ModelT]):
    """Typed research with its evidence."""

    value: ModelT
    handle: str
    run_id: str
    interaction_id: str | None
    citations: dict[str, list[Source]]
    """By field, such as `revenue` or `executives.0`."""
    confidence: dict[str, str]
    comment: str = ""


def structured_finding(
    model: type[ModelT],
    state: Mapping[str, Any],
    handle: str | None = None,
    *,
    name: str = "research",
) -> StructuredFinding[ModelT]:
    """A finding as your model, with the sources of every field.

    Args:
        model: The class that the middleware's `output_schema` was made from, or one that fits.
        state: What the agent returned, or `agent.get_state(config).values`.
        handle: Which finding; unless given, the one the agent named in `structured_response`, where it
            was made with `response_format=UseFinding`.
        name: The middleware's.

    Raises:
        InvalidRequest: There is no such finding, or it has no answer; names those that have. Then give one
            of them: it takes the place of what the agent named, and the agent's comment stays.
        OutputMismatch: The answer does not fit the model.
    """
    said = state.get("structured_response")
    said = said if isinstance(said, UseFinding) else None
    if handle is None and said is None:
        raise InvalidRequest(
            ["Nobody said which finding to hand over."],
            hint="Give a handle, or make the agent with response_format=UseFinding.",
        )
    research: Research = state.get(Names(name).channel) or {}
    record = _answered(research, handle or (said.handle if said else ""))
    comment = said.comment if said and _means(said, record, research) else ""
    value = _result(record).parse(model)
    by_field: dict[str, list[Source]] = {}
    for number, source in sources(state, name).items():
        own = [c for c in record["citations"] if c["number"] == number]
        for field in own[0]["fields"] if own else ():
            by_field.setdefault(field, []).append(source)
    return StructuredFinding(
        value=value,
        handle=record["handle"],
        run_id=record["run_id"],
        interaction_id=record["interaction_id"],
        citations=by_field,
        confidence=record["confidence"],
        comment=comment,
    )


def _answered(research: Research, handle: str) -> AgentTurn:
    try:
        record = known(research, handle)
    except InvalidRequest as error:
        error.hint = _NOTHING_LOST
        raise
    if record["status"] == "completed":
        return record
    there = "; ".join(brief(r) for r in research.values() if r["status"] == "completed")
    problem = f"{record['handle']} has no answer ({record['status']}). Known: {there or 'none'}."
    raise InvalidRequest([problem], hint=_NOTHING_LOST)


def _means(said: UseFinding, record: AgentTurn, research: Research) -> bool:
    """Whether the agent named this finding, or none that there is."""
    with suppress(InvalidRequest):
        return known(research, said.handle)["handle"] == record["handle"]
    return True


def _result(record: AgentTurn) -> TaskRunResult:
    run = TaskRun(
        run_id=record["run_id"], interaction_id=record["interaction_id"], status=record["status"]
    )
    return TaskRunResult(run=run, output=TaskRunOutput(type="json", content=record["content"]))
