"""Stored research in any form, as a report: the one form that scores are made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

from pydantic import ValidationError

from .._core.kinds import kind_of
from ..checks import check_answer
from ..errors import InvalidRequest
from ..evidence import evidence_of
from ..models import TaskRunResult
from ..processors import price_usd
from ..research.state import Turn
from ..sessions import SessionReport
from ..tools.answer import Answer

Scored: TypeAlias = (
    Mapping[str, Any]
    | Iterable[Mapping[str, Any]]
    | SessionReport
    | Answer
    | TaskRunResult
    | str
    | bytes
)
"""A state of the research graph or its output, a list of turns, a report, an `Answer`, a run's result, the
artifact of `ParallelTaskTool`, or any of these as JSON. Also `{"output": …}` with one of them, as LangSmith
writes the output of a function that returns no dictionary.
"""


def report_of(outputs: Scored) -> SessionReport:
    """The report of stored research, with the checks of what has kept its excerpts.

    Raises:
        InvalidRequest: It is no research.
    """
    if isinstance(outputs, str | bytes):
        outputs = _parse(outputs)
    if isinstance(outputs, Mapping):
        return _report_of_plain(outputs)
    if isinstance(outputs, SessionReport):
        return outputs
    if isinstance(outputs, Answer):
        return _report_of_result(outputs.result, outputs.cost_usd)
    if isinstance(outputs, TaskRunResult):
        return _report_of_result(outputs, price_usd(outputs.run.processor))
    if isinstance(outputs, Iterable):
        return SessionReport.of(cast("Iterable[Turn]", outputs), checks=True)
    raise _no_research(outputs)


def _report_of_plain(outputs: Mapping[str, Any]) -> SessionReport:
    if outputs.keys() == {"output"}:
        return report_of(outputs["output"])
    if {"run", "output"} <= outputs.keys():
        result = _read_result(outputs)
        cost = outputs.get("cost_usd", price_usd(result.run.processor))
        return _report_of_result(result, cost if isinstance(cost, int | float) else None)
    if {"version", "answers"} <= outputs.keys():
        return SessionReport.from_json(json.dumps(outputs))
    if "turns" in outputs:
        return SessionReport.of(outputs, checks=True)
    raise _no_research(outputs)


def _parse(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidRequest(["This text is no JSON."], hint=_HINT) from None


def _read_result(plain: Mapping[str, Any]) -> TaskRunResult:
    try:
        return TaskRunResult.model_validate({name: plain[name] for name in ("run", "output")})
    except ValidationError:
        raise _no_research(plain) from None


def _report_of_result(result: TaskRunResult, cost_usd: float | None) -> SessionReport:
    """One run as a session of one turn."""
    run, evidence = result.run, evidence_of(result, excerpts=True)
    turn = Turn(
        key=run.run_id,
        position=0,
        round=0,
        question="",
        asked_by="caller",
        processor=run.processor,
        parent_interaction_id=None,
        interaction_id=run.interaction_id,
        run_id=run.run_id,
        status=run.status,
        warnings=[],
        error=None,
        cost_usd=cost_usd,
        started_at=run.created_at,
        ended_at=run.modified_at,
        verdict=None,
        checks=check_answer(result),
        content=evidence["content"],
        confidence=evidence["confidence"],
        unsupported_fields=evidence["unsupported_fields"],
        citations=evidence["citations"],
    )
    return SessionReport.of([turn])


_HINT = "Give a state of the research graph, turns, a SessionReport, an Answer, or one of these as JSON."


def _no_research(given: object) -> InvalidRequest:
    return InvalidRequest([f"There is no research in {kind_of(given)}."], hint=_HINT)
