"""The fields of a report, each with its value and whether that is supported; and the fields asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .._core.plain_text import one_line
from ..evidence import (
    NO_ANSWERS,
    TEXT_FIELD,
    is_hollow,
    join_path,
    value_at,
    with_parents,
)
from ..models.schema_forms import schema_of
from ..sessions import SessionReport
from ..sessions.report_parts import Origin, ReportedAnswer

_NAMES, _NAME_CHARS = 10, 100
_LEVELS = 8
"""Of a schema; one that refers to itself has no end."""


class ScoredField(NamedTuple):
    """A field of an answer."""

    name: str
    value: Any
    """None where the answer has none."""
    is_supported: bool
    """It has a value, and neither it nor a part of it is of low confidence or without a citation."""


def answers_in(report: SessionReport) -> Iterator[ReportedAnswer]:
    """All answers, those to something beside the question included."""
    left = list(report.answers)[::-1]
    while left:
        yield (answer := left.pop())
        left += answer.beside[::-1]


def fields_in(report: SessionReport) -> list[ScoredField]:
    """The fields of all answers. A question that nothing was found of is one field without a value."""
    return [field for answer in answers_in(report) for field in _fields(answer)]


def _fields(answer: ReportedAnswer) -> Iterator[ScoredField]:
    origins = [origin for origin in answer.origins if origin.in_answer]
    rated = {claim.field: claim.unsupported for claim in answer.claims}
    weak = _weak_parts(rated)
    named = {origin.field for origin in origins}
    for origin in origins:
        value = value_of(answer, origin)
        has_value = not is_hollow(value, NO_ANSWERS)
        supported = has_value and not _is_weak(origin.field, rated, weak)
        yield ScoredField(origin.field, value if has_value else None, supported)
    parents = {parent for name in named for parent in with_parents(name)}
    without_value = [
        claim.field
        for claim in answer.claims
        if claim.field not in parents and named.isdisjoint(with_parents(claim.field))
    ]
    if named:
        without_value = [name for name in without_value if name != TEXT_FIELD]
    yield from (ScoredField(name, None, False) for name in without_value)


def value_of(answer: ReportedAnswer, origin: Origin) -> Any:
    """The value of a field."""
    if not origin.in_answer:
        return origin.value
    if isinstance(answer.answer, dict):
        return value_at(answer.answer, origin.field)
    return answer.answer


def _weak_parts(rated: Mapping[str, bool]) -> dict[str, bool]:
    """By field, and by object or list: whether it or a part of it has too little evidence."""
    weak: dict[str, bool] = {}
    for field, is_weak in rated.items():
        for name in with_parents(field):
            weak[name] = weak.get(name, False) or is_weak
    return weak


def _is_weak(field: str, rated: Mapping[str, bool], weak: Mapping[str, bool]) -> bool:
    """As the API gives evidence: of the field and its parts, or else of an object that it is in."""
    if field in weak:
        return weak[field]
    return next((rated[name] for name in with_parents(field) if name in rated), True)


# --- what was asked for ---------------------------------------------------------------------------


def asked_fields(inputs: Any, reference_outputs: Any) -> list[str]:
    """The fields of the inputs' output schema, or else of an expected answer; none where neither says."""
    schema = inputs.get("output_schema") if isinstance(inputs, Mapping) else None
    if schema is None or isinstance(schema, str):
        return [name for name in expected_values(reference_outputs) if name != TEXT_FIELD]
    if not isinstance(schema, Mapping):
        schema = schema_of(schema)
    return list(_leaves(_bare(schema), _bare(schema), ""))


def _bare(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = schema.get("json_schema")
    return inner if isinstance(inner, Mapping) else schema


def _leaves(schema: Any, root: Mapping[str, Any], path: str) -> Iterator[str]:
    schema = _target(schema, root)
    inside = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(inside, Mapping) or not inside or path.count(".") >= _LEVELS:
        yield from filter(None, [path])
        return
    for name, part in inside.items():
        yield from _leaves(part, root, join_path(path, name))


def _target(schema: Any, root: Mapping[str, Any]) -> Any:
    ref = schema.get("$ref") if isinstance(schema, Mapping) else None
    if not isinstance(ref, str) or not ref.startswith("#/"):
        return schema
    at: Any = root
    for name in ref[2:].split("/"):
        at = at.get(name) if isinstance(at, Mapping) else None
    return at


def expected_values(reference_outputs: Any) -> dict[str, Any]:
    """The values of the expected answer, `reference_outputs["answer"]`, by field, as deep as objects go."""
    known = isinstance(reference_outputs, Mapping) and "answer" in reference_outputs
    return dict(_values(reference_outputs["answer"], "")) if known else {}


def _values(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _values(part, join_path(path, name))
    elif value is not None:
        yield path or TEXT_FIELD, value


def found_value(report: SessionReport, field: str) -> Any:
    """The value of a field in the last answer that has one; None where none does."""
    for answer in list(answers_in(report))[::-1]:
        if isinstance(answer.answer, dict):
            value = value_at(answer.answer, field)
        else:
            value = answer.answer if field == TEXT_FIELD else None
        if not is_hollow(value, NO_ANSWERS):
            return value
    return None


def list_names(names: list[str]) -> str:
    """Some names, for a comment."""
    shown = ", ".join(one_line(name, _NAME_CHARS) for name in names[:_NAMES])
    return f"{shown} and {more} more" if (more := len(names) - _NAMES) > 0 else shown
