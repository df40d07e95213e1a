"""The findings of each question of a session: a pure function of its turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

from .._core.json_text import copy_json
from .._core.plain_text import CUT_HERE, cut
from ..evidence import (
    TEXT_FIELD,
    Evidence,
    EvidenceRule,
    join_path,
    rank,
    with_parents,
)
from .finding import Contradiction, Finding, Findings, FoundValue, PartEvidence, Source
from .merging import merge
from .question_turns import in_order, questions_in, turns_in
from .sameness import find_against, form_of, relation
from .strands import Strand, find_strands
from .support import TurnEvidence, has_content, sources_in, values_of

Session: TypeAlias = "Mapping[str, Any] | Iterable[Mapping[str, Any]]"
"""A graph's state or output, or a list of turns."""


_OTHER_CHARS = 20_000
"""Of another value of a field, in a graph's state."""


def find_findings(session: Session) -> list[Findings]:
    """What was found of each question, in the order in which callers asked them.

    Linear in the number of turns. Runs of a ledger that the session itself has not asked are left out.

    Args:
        session: A graph's state or output, or a list of turns.

    Raises:
        InvalidRequest: There are no turns in it.
    """
    every = in_order(turns_in(session))
    sources = _Sources.of(every)
    return [_of_question(asked, sources) for asked in questions_in(every)]


def last_findings(session: Session) -> Findings | None:
    """What was found of the last question; None without a turn. Otherwise as `find_findings`."""
    every = in_order(turns_in(session))
    questions = questions_in(every)
    return _of_question(questions[-1], _Sources.of(every)) if questions else None


def last_answer(session: Session) -> Any:
    """`last_findings(session)["answer"]`; None without a turn. The answer of a question of one turn is that
    turn's own, which is not taken apart to be put together again.
    """
    questions = questions_in(turns_in(session))
    if not questions:
        return None
    [first, *others] = asked = questions[-1]
    if others:
        return _of_question(asked, _Sources.of(asked))["answer"]
    return copy_json(first.get("content")) if has_content(first) else None


def as_evidence(findings: Findings) -> Evidence:
    """The answer with its evidence, in the form of a turn's: for renderers, evaluators and `EvidenceRule`.

    What stands beside the answer is left out.
    """
    fields = {name: one for name, one in findings["fields"].items() if one["in_answer"]}
    confidence: dict[str, str] = {}
    cited: dict[int, dict[str, None]] = {}
    named = _by_field(fields)
    for path, word, numbers in [*named, *_lines(findings["without_value"])]:
        if word:
            confidence[path] = word
        for number in numbers:
            cited.setdefault(number, {})[path] = None
    sources = {source["number"]: source for source in findings["sources"]}
    citations = [{**sources[number], "fields": list(names)} for number, names in cited.items()]
    evidence = Evidence(
        content=findings["answer"],
        confidence=confidence,
        unsupported_fields=list(
            dict.fromkeys(path for path, _, _ in named)
        ),  # what is to be judged
        citations=citations,
    )
    return {**evidence, "unsupported_fields": list(EvidenceRule().find_unsupported(evidence))}


_Line: TypeAlias = tuple[str, str | None, list[int]]
"""A field, its confidence, its citations."""


def _by_field(fields: Mapping[str, Finding]) -> list[_Line]:
    """The evidence by the fields for which the API gives it, as far as all they hold is from one turn."""
    turns: dict[str, set[int]] = {}
    for one in fields.values():
        turns.setdefault(one["evidence_of"], set()).add(one["turn"])
    lines: list[_Line] = []
    for name, one in fields.items():
        numbers = one["citations"]
        if parts := one.get("parts"):
            lines += _lines(
                {join_path(name, part) if part else name: p for part, p in parts.items()}
            )
            of_parts = {number for part in parts.values() for number in part["citations"]}
            lines.append((name, None, [number for number in numbers if number not in of_parts]))
        else:
            is_whole = len(turns[one["evidence_of"]]) == 1
            lines.append((one["evidence_of"] if is_whole else name, one["confidence"], numbers))
    return lines


def _lines(parts: Mapping[str, PartEvidence]) -> list[_Line]:
    return [(name, one["confidence"], one["citations"]) for name, one in parts.items()]


def without_excerpts(findings: Findings) -> Findings:
    """The same, small enough for a graph's state: of other texts that contradict nothing, what is beyond
    20,000 characters is left out, too. The turns have them whole.
    """
    sources = [
        {name: source[name] for name in ("number", "url", "title")}
        for source in findings["sources"]
    ]
    beside = [without_excerpts(one) for one in findings["beside"]]
    fields = {name: _with_short_others(one) for name, one in findings["fields"].items()}
    return {
        **findings,
        "fields": fields,
        "sources": cast(list[Source], sources),
        "beside": beside,
    }


def _with_short_others(finding: Finding) -> Finding:
    others = [_with_short_text(one, finding["value"]) for one in finding["others"]]
    return {**finding, "others": others}


def _with_short_text(other: FoundValue, best: Any) -> FoundValue:
    text = other["value"]
    if not isinstance(text, str) or len(text) <= _OTHER_CHARS:
        return other
    if relation(form_of(best), form_of(text)) == "different":
        return other
    return {**other, "value": cut(text, _OTHER_CHARS, CUT_HERE)}


def contradictions(findings: Findings) -> list[Contradiction]:
    """The fields with values that cannot all be true, and those values; of what stands beside, too."""
    found = [
        Contradiction(field=name, values=[_plain(one), *_against(one)])
        for name, one in findings["fields"].items()
        if not one["agrees"]
    ]
    return [*found, *(one for beside in findings["beside"] for one in contradictions(beside))]


def _against(finding: Finding) -> list[FoundValue]:
    others = finding["others"]
    forms = [form_of(one["value"]) for one in others]
    return [others[place] for place in find_against(form_of(finding["value"]), forms)]


def _plain(finding: Finding) -> FoundValue:
    names = FoundValue.__annotations__
    return cast(FoundValue, {name: value for name, value in finding.items() if name in names})


# --- one question ---------------------------------------------------------------------------------


def _of_question(turns: Sequence[Mapping[str, Any]], sources: _Sources) -> Findings:
    said = {id(turn): list(values_of(turn, place)) for place, turn in enumerate(turns)}
    strands = find_strands(turns, said)
    findings, *beside = (_of_strand(one, turns, sources) for one in strands)
    findings["question"] = str(turns[0].get("question") or "")
    findings["turns"] = [_position(turn, place) for place, turn in enumerate(turns)]
    findings["beside"] = beside
    return findings


def _of_strand(strand: Strand, turns: Sequence[Mapping[str, Any]], sources: _Sources) -> Findings:
    merged = merge(strand.values, turns, sources.number)
    without_value = _without_value(strand, merged.fields, sources)
    cited = {number for one in merged.fields.values() for number in _numbers(one)}
    cited.update(number for one in without_value.values() for number in one["citations"])
    places = {id(turn): place for place, turn in enumerate(turns)}
    return Findings(
        question=str(strand.turns[0].get("question") or ""),
        turns=[_position(turn, places[id(turn)]) for turn in strand.turns],
        fields=merged.fields,
        without_value=without_value,
        answer=merged.answer,
        sources=[sources.by_number[number] for number in sorted(cited)],
        beside=[],
    )


def _without_value(
    strand: Strand, fields: Mapping[str, Finding], sources: _Sources
) -> dict[str, PartEvidence]:
    """The evidence of fields that no turn has a value for; of several turns, the best."""
    found: dict[str, PartEvidence] = {}
    if TEXT_FIELD in fields:
        return found  # all evidence is the text's
    have = {parent for path in fields for parent in with_parents(path)}
    for turn in strand.turns:
        if turn.get("content") is None:
            continue
        evidence = TurnEvidence.of(turn)
        for name in evidence.without_value(fields, have):
            word = evidence.confidence.get(name)
            if name in found and rank(found[name]["confidence"] or "") > rank(word or ""):
                continue
            urls = dict.fromkeys(source["url"] for source in evidence.sources.get(name, ()))
            numbers = list(map(sources.number, urls))
            found[name] = PartEvidence(confidence=word, citations=numbers)
    return found


def _numbers(finding: Finding) -> set[int]:
    return {number for one in (finding, *finding["others"]) for number in one["citations"]}


def _position(turn: Mapping[str, Any], place: int) -> int:
    return turn.get("position", place)  # type: ignore[no-any-return]


class _Sources(NamedTuple):
    """Every address that the session cites."""

    numbers: Mapping[str, int]
    by_number: Mapping[int, Source]

    def number(self, url: str) -> int:
        """Of an address, in the session."""
        return self.numbers[url]

    @classmethod
    def of(cls, turns: Sequence[Mapping[str, Any]]) -> _Sources:
        """The addresses that turns cite, with what all of them say of each, in the order in which they come.
        An answer's share in this grows with the session, so each citation is looked at once.
        """
        found: dict[str, Source] = {}
        for one in (source for turn in turns for source in sources_in(turn)):
            url = one["url"]
            if (source := found.get(url)) is None:
                source = found[url] = Source(number=len(found) + 1, url=url, title=None)
            if not source["title"]:
                source["title"] = one.get("title")
            if one.get("excerpts"):
                known = source.get("excerpts") or []
                source["excerpts"] = list(dict.fromkeys([*known, *one["excerpts"]]))
        numbers = {url: source["number"] for url, source in found.items()}
        return cls(numbers, {source["number"]: source for source in found.values()})
