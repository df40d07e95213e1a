"""The values of a report's answers: what was found of each question, and what the checks say of it.

Rule: every number here is the report's: of a turn, or of a source. Findings and checks number them in their
own ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..checks import CheckedAnswer, check_answer
from ..evidence import Evidence, numbers_by_field
from ..findings import Findings, FoundValue, as_evidence, contradictions, find_findings
from ..research.state import Turn


def answers_of(turns: Sequence[Turn], numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    """What was found of each question.

    Args:
        turns: In the order of the report.
        numbers: Of the sources, by address.
    """
    places: dict[int, int] = {}
    for number, turn in enumerate(turns, start=1):
        places.setdefault(turn["position"], number)
    return [_answer(found, places, numbers) for found in find_findings(turns)]


def _answer(
    found: Findings, places: Mapping[int, int], numbers: Mapping[str, int]
) -> dict[str, Any]:
    urls = {source["number"]: source["url"] for source in found["sources"]}
    told = {own: numbers[url] for own, url in urls.items() if url in numbers}

    def value(one: FoundValue) -> dict[str, Any]:
        cited = sorted({told[number] for number in one["citations"] if number in told})
        return {**one, "turn": places[one["turn"]], "sources": cited}

    against = {
        id(other)
        for contradiction in contradictions({**found, "beside": []})
        for other in contradiction["values"][1:]
    }
    origins = [
        {
            **value(one),
            "field": field,
            "value": None if one["in_answer"] else one["value"],
            "in_answer": one["in_answer"],
            "agrees": one["agrees"],
            "supported_by": [places[position] for position in one["supported_by"]],
            "others": [{**value(o), "contradicts": id(o) in against} for o in one["others"]],
        }
        for field, one in found["fields"].items()
    ]
    return {
        "question": found["question"],
        "turns": [places[position] for position in found["turns"]],
        "answer": found["answer"],
        "claims": list(_claims(as_evidence(found), told)),
        "origins": origins,
        "beside": [_answer(one, places, numbers) for one in found["beside"]],
    }


def _claims(evidence: Evidence, told: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    cited = numbers_by_field(evidence["citations"])
    unsupported = dict.fromkeys(evidence["unsupported_fields"])
    for field in dict.fromkeys([*evidence["confidence"], *cited, *unsupported]):
        yield {
            "field": field,
            "confidence": evidence["confidence"].get(field),
            "unsupported": field in unsupported,
            "sources": sorted({told[n] for n in cited.get(field, ()) if n in told}),
        }


# --- checks ---------------------------------------------------------------------------------------


def checks_of(turn: Turn, numbers: Mapping[str, int], *, anew: bool) -> dict[str, Any] | None:
    """What the checks found of a turn's answer, or find now.

    Args:
        turn: With its excerpts, if it is to be checked now.
        numbers: Of the sources, by address.
        anew: Check what has not been checked, if there are excerpts.
    """
    cited = turn.get("citations") or ()
    kept = any(citation.get("excerpts") for citation in cited)
    found: CheckedAnswer | None = turn.get("checks")
    if anew and kept and turn.get("content") is not None:
        found = check_answer(turn)
    if not found:
        return None
    own = {citation.get("number"): numbers.get(citation.get("url") or "") for citation in cited}
    sources = [
        {**source, "number": own.get(source["number"]), "same_as": own.get(source.get("same_as"))}
        for source in found["sources"]
    ]
    return {**found, "sources": sources}
