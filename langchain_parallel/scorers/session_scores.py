"""The scorers.

Rule: a share is 1 where nothing is wrong. A score is None where there is nothing to measure, and then the
comment says why; a session that found nothing has the score 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typing_extensions import TypedDict

from .._core.plain_text import one_line
from ..checks.source_problems import find_source_problems
from ..evidence import NO_ANSWERS, is_hollow
from ..findings import is_same_value
from ..sessions import SessionReport
from ..sessions.report_parts import ReportedTurn
from ..text.format import usd
from .scored_fields import (
    answers_in,
    asked_fields,
    expected_values,
    fields_in,
    found_value,
    list_names,
    value_of,
)
from .stored_sessions import Scored, report_of

_VALUE_CHARS = 60


class Score(TypedDict):
    """A score, as LangSmith and openevals take it."""

    key: str
    score: float | None
    """A share of 0 to 1, or USD; None where there is nothing to measure."""
    comment: str
    """What was counted. Names and values in it are untrusted."""


def support(outputs: Scored, inputs: Any = None, reference_outputs: Any = None) -> Score:
    """The share of the fields that have a value of at least medium confidence, with a citation.

    Raises:
        InvalidRequest: The outputs are no research.
    """
    fields = fields_in(report_of(outputs))
    weak = [field.name for field in fields if not field.is_supported]
    return _share("support", "fields", len(fields), weak, "No question has ended.")


def coverage(outputs: Scored, inputs: Any = None, reference_outputs: Any = None) -> Score:
    """The share of the fields asked for that have a value, however it is supported.

    Args:
        outputs: Of the session.
        inputs: Those of the graph: the fields of `output_schema`, a JSON schema or a class, were asked for.
        reference_outputs: Without a schema, the fields of their `answer` were asked for, if it is an object.
            Without both, the fields of the session's own answers were.

    Raises:
        InvalidRequest: The outputs are no research.
    """
    report = report_of(outputs)
    if asked := asked_fields(inputs, reference_outputs):
        missing = [name for name in asked if found_value(report, name) is None]
        return _share("coverage", "fields asked for", len(asked), missing)
    fields = fields_in(report)
    missing = [field.name for field in fields if field.value is None]
    return _share("coverage", "fields", len(fields), missing, "No question has ended.")


def groundedness(outputs: Scored, inputs: Any = None, reference_outputs: Any = None) -> Score:
    """The share of the claims whose quotes, numbers, dates and names are in excerpts of their citations.

    Claims of the turns that the answers are made of count; one whose citations have no excerpt is not found.
    The session has to have kept its excerpts or its checks (`create_research_graph(checks=True)`).

    Raises:
        InvalidRequest: The outputs are no research.
    """
    checks = [turn.checks for turn in _answering(report_of(outputs)) if turn.checks]
    lost = [
        f"{claim.field} ({', '.join(claim.not_found)})"
        for check in checks
        for claim in check.claims
        if claim.support == "not_found"
    ]
    found = sum(check.supported for check in checks)
    without = sum(check.no_excerpt for check in checks)
    total = found + without + sum(check.not_found for check in checks)
    if without:
        lost.append(f"{without} without an excerpt")
    why = "No claim was checked."
    return _share("groundedness", "claims", total, lost, why, bad=total - found)


def citation_validity(outputs: Scored, inputs: Any = None, reference_outputs: Any = None) -> Score:
    """The share of the citations that have an address which a browser opens, and another one than a citation
    before it in the same turn. Nothing is fetched. A host that the session's source policy excludes is
    no valid one, if the session was checked.

    Raises:
        InvalidRequest: The outputs are no research.
    """
    report = report_of(outputs)
    total, faults = 0, list[str]()
    for turn in report.turns:
        cited = [{"number": n, "url": report.sources[n - 1].url} for n in turn.sources]
        told = turn.checks.sources if turn.checks else ()
        why = {p.number: p.problem for p in told if p.number is not None}
        why |= {p["number"]: p["problem"] for p in find_source_problems(cited, None)}
        lost = sum(problem.number is None for problem in told)
        total += len(cited) + lost
        faults += [f"{report.sources[n - 1].url} ({why[n]})" for n in sorted(why)]
        faults += ["one without an address"] * lost
    return _share("citation_validity", "citations", total, faults, "Nothing is cited.")


def consistency(outputs: Scored, inputs: Any = None, reference_outputs: Any = None) -> Score:
    """The share of the fields with a value of which no turn of the session found a contradicting one.

    Raises:
        InvalidRequest: The outputs are no research.
    """
    total, against = 0, list[str]()
    for answer in answers_in(report_of(outputs)):
        for origin in answer.origins:
            value = value_of(answer, origin)
            if is_hollow(value, NO_ANSWERS):
                continue
            total += 1
            if not origin.agrees:
                other = next(one.value for one in origin.others if one.contradicts)
                against.append(f"{origin.field} ({_short(value)} or {_short(other)})")
    return _share("consistency", "fields with a value", total, against, "No field has a value.")


def correctness(outputs: Scored, inputs: Any = None, reference_outputs: Any = None) -> Score:
    """The share of the values of the expected answer, `reference_outputs["answer"]`, that the session found.

    Values that differ in form alone are the same: 1200, `1,200` and `1.2k`.

    Raises:
        InvalidRequest: The outputs are no research.
    """
    report = report_of(outputs)
    expected = expected_values(reference_outputs)
    wrong = list[str]()
    for name, value in expected.items():
        found = found_value(report, name)
        if found is None or not is_same_value(found, value):
            wrong.append(f"{name} ({_short(found)}, expected {_short(value)})")
    why = "reference_outputs has no answer."
    return _share("correctness", "expected values", len(expected), wrong, why)


def cost_per_supported_field(
    outputs: Scored, inputs: Any = None, reference_outputs: Any = None
) -> Score:
    """USD of the session for each field that `support` counts; the whole cost where no field is supported.

    To compare several sessions, divide the sum of their costs by that of their fields, instead of averaging.

    Raises:
        InvalidRequest: The outputs are no research.
    """
    report = report_of(outputs)
    supported = sum(field.is_supported for field in fields_in(report))
    totals, key = report.totals, "cost_per_supported_field"
    if totals.runs and totals.cost_unknown == totals.runs:
        return Score(key=key, score=None, comment="No run's cost is known.")
    if not supported and not totals.cost_usd:
        return Score(key=key, score=None, comment="Nothing was spent, and no field is supported.")
    least = "at least " if totals.cost_unknown else ""
    cost = round(totals.cost_usd / max(supported, 1), 6)
    fields = f"{supported} supported field{'' if supported == 1 else 's'}"
    return Score(key=key, score=cost, comment=f"{least}{usd(totals.cost_usd)} for {fields}")


_SCORERS = (
    *(support, coverage, groundedness, citation_validity, consistency, correctness),
    cost_per_supported_field,
)


def score_session(
    outputs: Scored, inputs: Any = None, reference_outputs: Any = None
) -> list[Score]:
    """All scores of a session, in the order of the module's; `correctness` only with an expected answer.

    Raises:
        InvalidRequest: The outputs are no research.
    """
    report = report_of(outputs)
    scores = (score(report, inputs, reference_outputs) for score in _SCORERS)
    return [
        one for one in scores if one["key"] != "correctness" or expected_values(reference_outputs)
    ]


def _answering(report: SessionReport) -> Iterator[ReportedTurn]:
    """The turns that the answers have values of."""
    used = {origin.turn for answer in answers_in(report) for origin in answer.origins}
    return (turn for turn in report.turns if turn.number in used)


def _share(
    key: str,
    what: str,
    total: int,
    names: list[str],
    why: str = "",
    *,
    bad: int | None = None,
) -> Score:
    """One less the share of those that are bad.

    Args:
        key: The score's.
        what: What is counted.
        total: How many there are; without any there is no score.
        names: Of the bad ones.
        why: Said where there is none.
        bad: How many of them are, if not all are named.
    """
    if not total:
        return Score(key=key, score=None, comment=why)
    bad = len(names) if bad is None else bad
    told = f"; not: {list_names(names)}" if names else ""
    share = round((total - bad) / total, 4)
    return Score(key=key, score=share, comment=f"{total - bad} of {total} {what}{told}")


def _short(value: Any) -> str:
    return "nothing" if value is None else one_line(str(value), _VALUE_CHARS)
