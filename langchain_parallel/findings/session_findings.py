"""The findings of each question of a session: a pure function of its turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from ..evidence import Evidence, EvidenceRule, join_path, numbers_by_url
from .finding import Contradiction, Finding, Findings, FoundValue, Source
from .merging import merge
from .question_turns import questions_in
from .sameness import form_of, relation
from .strands import Strand, find_strands
from .support import Said, values_of


def find_findings(turns: Iterable[Mapping[str, Any]]) -> list[Findings]:
    """What was found of each question, in the order in which callers asked them.

    Linear in the number of turns. Runs of a ledger that the session itself has not asked are left out.

    Args:
        turns: A session's, or those carried over.
    """
    every = list(turns)
    sources = _sources(every)
    return [_of_question(asked, sources) for asked in questions_in(every)]


def last_findings(turns: Iterable[Mapping[str, Any]]) -> Findings | None:
    """The same of the last question alone; None without a turn."""
    every = list(turns)
    questions = questions_in(every)
    return _of_question(questions[-1], _sources(every)) if questions else None


def as_evidence(findings: Findings) -> Evidence:
    """The answer with its evidence, in the form of a turn's: for renderers, evaluators and `EvidenceRule`.

    What stands beside the answer is left out.
    """
    confidence: dict[str, str] = {}
    cited: dict[int, dict[str, None]] = {}
    fields = {name: one for name, one in findings["fields"].items() if one["in_answer"]}
    for name, finding in fields.items():
        known = {name: (finding["confidence"], finding["citations"])}
        if parts := finding.get("parts"):
            own = {
                join_path(name, part): (p["confidence"], p["citations"])
                for part, p in parts.items()
            }
            of_parts = {number for _, numbers in own.values() for number in numbers}
            rest = [number for number in finding["citations"] if number not in of_parts]
            words = any(word for word, _ in own.values())
            known = {name: (None if words else finding["confidence"], rest), **own}
        for path, (word, numbers) in known.items():
            if word:
                confidence[path] = word
            for number in numbers:
                cited.setdefault(number, {})[path] = None
    citations = [
        {**source, "fields": list(cited[source["number"]])}
        for source in findings["sources"]
        if source["number"] in cited
    ]
    evidence = Evidence(
        content=findings["answer"],
        confidence=confidence,
        unsupported_fields=list(fields),  # what the rule has to judge
        citations=citations,
    )
    return {**evidence, "unsupported_fields": list(EvidenceRule().find_unsupported(evidence))}


def contradictions(findings: Findings) -> list[Contradiction]:
    """The fields with values that cannot all be true, and those values; of what stands beside, too."""
    found = [
        Contradiction(field=name, values=[_plain(one), *_against(one)])
        for name, one in findings["fields"].items()
        if not one["agrees"]
    ]
    return [*found, *(one for beside in findings["beside"] for one in contradictions(beside))]


def _against(finding: Finding) -> list[FoundValue]:
    best = form_of(finding["value"])
    return [
        one for one in finding["others"] if relation(best, form_of(one["value"])) == "different"
    ]


def _plain(finding: Finding) -> FoundValue:
    names = FoundValue.__annotations__
    return cast(FoundValue, {name: value for name, value in finding.items() if name in names})


# --- one question ---------------------------------------------------------------------------------


def _of_question(turns: Sequence[Mapping[str, Any]], sources: Mapping[str, Source]) -> Findings:
    said = {id(turn): list(values_of(turn, place)) for place, turn in enumerate(turns)}
    strands = find_strands(turns, said)
    main = strands[0]
    if not main.known and len(strands) > 1:
        main = max(strands[1:], key=_weight)
    beside = [_of_strand(one, turns, sources) for one in strands[1:] if one is not main]
    findings = _of_strand(main, turns, sources)
    findings["question"] = str(turns[0].get("question") or "")
    findings["turns"] = [_position(turn, place) for place, turn in enumerate(turns)]
    findings["beside"] = beside
    return findings


def _of_strand(
    strand: Strand, turns: Sequence[Mapping[str, Any]], sources: Mapping[str, Source]
) -> Findings:
    merged = merge(strand.values, turns, lambda url: sources[url]["number"])
    cited = {number for one in merged.fields.values() for number in _numbers(one)}
    places = {id(turn): place for place, turn in enumerate(turns)}
    return Findings(
        question=str(strand.turns[0].get("question") or ""),
        turns=[_position(turn, places[id(turn)]) for turn in strand.turns],
        fields=merged.fields,
        answer=merged.answer,
        sources=[source for source in sources.values() if source["number"] in cited],
        beside=[],
    )


def _numbers(finding: Finding) -> set[int]:
    return {number for one in (finding, *finding["others"]) for number in one["citations"]}


def _position(turn: Mapping[str, Any], place: int) -> int:
    return turn.get("position", place)  # type: ignore[no-any-return]


def _weight(strand: Strand) -> tuple[Any, ...]:
    """By which a branch takes the place of an answer that holds nothing."""

    def of(said: Said) -> tuple[Any, ...]:
        return said.rank, len(said.sites), said.excerpts, repr(said.form.key)

    return max(map(of, (one for values in strand.known.values() for one in values)))


def _sources(turns: Sequence[Mapping[str, Any]]) -> dict[str, Source]:
    """Every address that the session cites, with its number."""
    numbers, found = numbers_by_url(turns), dict[str, Source]()
    for turn in turns:
        for one in turn.get("citations") or ():
            if not (url := one.get("url")):
                continue
            source = found.setdefault(url, Source(number=numbers[url], url=url, title=None))
            source["title"] = source["title"] or one.get("title")
            if one.get("excerpts"):
                known = source.get("excerpts") or []
                source["excerpts"] = list(dict.fromkeys([*known, *one["excerpts"]]))
    return found
