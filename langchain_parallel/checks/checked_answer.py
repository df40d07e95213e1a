"""An answer with its evidence, checked claim by claim.

Rule: a claim is `supported` if each of its quotes, numbers, dates and names is in an excerpt of a citation of
its field. That an excerpt has them does not say that the claim is right, nor does `not_found` say that it is
wrong. A claim without any of these is not listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from pydantic import ValidationError

from .._core.kinds import kind_of
from .._core.plain_text import one_line
from ..errors import InvalidRequest
from ..evidence import citations as citations_of
from ..models import SourcePolicy, TaskRunResult
from .asides import blank_asides, blank_headings
from .checked_claim import CheckedAnswer, CheckedClaim, Support
from .figures import Figure, figure_of_number, find_figures
from .languages import guess_languages
from .passages import Passages, PassagesByField
from .proper_names import ProperName, find_names
from .quotations import Quotation, find_quotations, is_quoted
from .source_problems import find_source_problems
from .statements import Value, read_values, split_statements

_Detail: TypeAlias = "Quotation | Figure | ProperName"

_CLAIM_CHARS, _DETAIL_CHARS, _DETAILS = 300, 200, 10
_KEPT_CLAIMS, _KEPT_CHARS, _KEPT_SOURCES = 25, 120, 25


def check_answer(
    answer: Mapping[str, Any] | TaskRunResult,
    *,
    source_policy: SourcePolicy | Mapping[str, Any] | None = None,
) -> CheckedAnswer:
    """Check an answer against the excerpts of its own citations. It sends nothing.

    Args:
        answer: A run's result, also as plain JSON, such as the artifact of `ParallelTaskTool`; or a turn of a
            session, or other evidence, that has kept its excerpts.
        source_policy: The sites that were allowed, if that is to be checked.

    Raises:
        InvalidRequest: It is no answer, or the policy is none.
    """
    content, cited = _parts_of(answer)
    policy = _policy(source_policy)
    passages = PassagesByField(cited)
    claims = [claim for value in read_values(content) for claim in _claims(value, passages)]
    counts = {name: sum(claim["support"] == name for claim in claims) for name in _COUNTED}
    return CheckedAnswer(
        claims=claims,
        sources=list(find_source_problems(cited, policy)),
        supported=counts["supported"],
        not_found=counts["not_found"],
        no_excerpt=counts["no_excerpt"],
    )


_COUNTED: tuple[Support, ...] = ("supported", "not_found", "no_excerpt")


def shorten_checks(checked: CheckedAnswer) -> CheckedAnswer:
    """What a turn keeps of it: bounded, so that checkpoints stay small."""
    lost = [claim for claim in checked["claims"] if claim["support"] == "not_found"]
    kept = [
        CheckedClaim(
            field=one_line(claim["field"], _KEPT_CHARS),
            text=one_line(claim["text"], _KEPT_CHARS),
            support=claim["support"],
            not_found=[one_line(text, _KEPT_CHARS) for text in claim["not_found"][:3]],
        )
        for claim in lost[:_KEPT_CLAIMS]
    ]
    return {**checked, "claims": kept, "sources": checked["sources"][:_KEPT_SOURCES]}


def _parts_of(answer: object) -> tuple[Any, list[Mapping[str, Any]]]:
    if isinstance(answer, Mapping) and {"run", "output"} <= answer.keys():
        answer = _result_of(answer)
    if isinstance(answer, TaskRunResult):
        unusable = [
            {"number": 0, "url": citation.url or "", "fields": []}
            for entry in answer.output.basis or ()
            for citation in entry.citations or ()
            if not (citation.url or "").strip()
        ]
        return answer.output.content, [*citations_of(answer, excerpts=True), *unusable]
    if not isinstance(answer, Mapping) or "content" not in answer:
        raise InvalidRequest(
            [f"This is {kind_of(answer)}, which has no answer with citations."],
            hint="Give a TaskRunResult (of an `Answer`: its `result`), the tool's artifact, or a turn.",
        )
    cited = [one for one in answer.get("citations") or () if isinstance(one, Mapping)]
    return answer["content"], cited


def _result_of(plain: Mapping[str, Any]) -> TaskRunResult:
    try:
        return TaskRunResult.model_validate({name: plain[name] for name in ("run", "output")})
    except ValidationError:
        raise InvalidRequest([f"This is {kind_of(plain)}, and no run's result."]) from None


def _policy(given: SourcePolicy | Mapping[str, Any] | None) -> SourcePolicy | None:
    if given is None or isinstance(given, SourcePolicy):
        return given
    try:
        return SourcePolicy.model_validate(given)
    except ValidationError:
        raise InvalidRequest(["source_policy is none; give a SourcePolicy."]) from None


# --- one value -----------------------------------------------------------------------------------


def _claims(value: Value, passages: PassagesByField) -> Iterator[CheckedClaim]:
    if value.is_number:
        details: list[_Detail] = [figure_of_number(value.text, value.field)]
        yield _claim(value, value.text, details, passages.of(value.field), frozenset())
        return
    text = blank_asides(value.text)
    languages = guess_languages(text)
    details = _details(text)
    whole = [(detail.start, detail.end) for detail in details]
    at, there = 0, passages.of(value.field)
    for statement in split_statements(value.text, whole):
        own: list[_Detail] = []
        while at < len(details) and details[at].start < statement.end:
            own.append(details[at])
            at += 1
        if own:
            shown = value.text[statement.start : statement.end]
            if claim := _check_claim(value, shown, own, there, languages):
                yield claim


def _details(text: str) -> list[_Detail]:
    """Quotes, numbers, dates and names in their order. What is within a quote belongs to it."""
    quotes = find_quotations(text)
    spans = [(quote.start, quote.end) for quote in quotes]
    names, at = [], 0
    for name in find_names(blank_headings(text)):
        while at < len(spans) and spans[at][1] <= name.start:
            at += 1
        if at == len(spans) or name.end <= spans[at][0]:
            names.append(name)
    found: list[_Detail] = [*quotes, *find_figures(text, spans), *names]
    return sorted(found, key=lambda detail: detail.start)


def _check_claim(
    value: Value, shown: str, details: list[_Detail], there: Passages, languages: frozenset[str]
) -> CheckedClaim | None:
    """The claim; none where all it has are names that excerpts of another language write otherwise."""
    if not there.excerpts:
        return _claim(value, shown, details, there, languages)
    checkable = [
        one
        for one in details
        if not isinstance(one, ProperName) or there.names.may_have(one, languages)
    ]
    return _claim(value, shown, checkable, there, languages) if checkable else None


def _claim(
    value: Value, shown: str, details: list[_Detail], there: Passages, languages: frozenset[str]
) -> CheckedClaim:
    lost = [one for one in details if there.excerpts and not _is_found(one, there, languages)]
    support: Support = "no_excerpt" if not there.excerpts else "not_found" if lost else "supported"
    return CheckedClaim(
        field=value.field,
        text=one_line(shown, _CLAIM_CHARS),
        support=support,
        not_found=[one_line(one.text, _DETAIL_CHARS) for one in lost[:_DETAILS]],
    )


def _is_found(detail: _Detail, there: Passages, languages: frozenset[str]) -> bool:
    if isinstance(detail, Quotation):
        return is_quoted(detail, there.forms)
    if isinstance(detail, Figure):
        return there.figures.has(detail)
    return there.names.has(detail, languages)
