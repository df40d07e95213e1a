"""The values of a report: its sources, numbered once, and each turn's claims and ancestors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import InvalidRequest
from ..evidence import TEXT_FIELD, numbers_by_field
from ..research.state import Turn, merge_turns

_NEEDED = ("key", "run_id", "position", "question", "status")


def report_values(state: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of `SessionReport`, as plain values.

    Raises:
        InvalidRequest: One of the turns is no turn.
    """
    turns, planned = _turns(state)
    sources = _sources(turns)
    numbers = {source["url"]: source["number"] for source in sources}
    return {
        "turns": [_turn_values(number, turns, numbers) for number in range(1, len(turns) + 1)],
        "underway": list(_underway(state, turns, planned)),
        "sources": sources,
    }


def _turns(state: Mapping[str, Any]) -> tuple[list[Turn], list[Turn]]:
    """The turns in their order, each run once; and those that are only planned, without a run's id yet."""
    if "run_id" in state and "turns" not in state:
        raise InvalidRequest(["This is one turn."], hint="Pass a state, or a list of turns.")
    turns = list(state.get("turns") or ())
    for turn in turns:
        missing = [key for key in _NEEDED if not isinstance(turn, Mapping) or key not in turn]
        if missing:
            raise InvalidRequest(
                [f"Among the turns is something without {', '.join(missing)}."],
                hint="Pass a state of the research graph, or its turns.",
            )
    plain = [_plain(turn) for turn in turns]
    planned = [turn for turn in plain if turn["status"] == "planned" and not turn["run_id"]]
    return merge_turns([turn for turn in plain if turn not in planned], []), planned


def _sources(turns: list[Turn]) -> list[dict[str, Any]]:
    """Every url once, numbered in the order of its first citation."""
    found: dict[str, dict[str, Any]] = {}
    for number, turn in enumerate(turns, start=1):
        for citation in _citations(turn):
            url = citation["url"]
            new = {"number": len(found) + 1, "url": url, "title": None, "cited_by": []}
            source = found.setdefault(url, new)
            source["title"] = source["title"] or citation.get("title")
            source["cited_by"].append({"turn": number, "fields": citation["fields"]})
    return list(found.values())


def _citations(turn: Turn) -> list[dict[str, Any]]:
    """Those with a url: without one there is nothing to check."""
    cited = [citation for citation in turn.get("citations") or () if citation.get("url")]
    return [{**citation, "fields": citation.get("fields") or ()} for citation in cited]


def _turn_values(number: int, turns: list[Turn], numbers: Mapping[str, int]) -> dict[str, Any]:
    turn = turns[number - 1]
    builds_on, continues = _chain(turn, turns)
    return {
        **turn,
        "number": number,
        "answer": turn.get("content"),
        "claims": list(_claims(turn, numbers)),
        "sources": [numbers[citation["url"]] for citation in _citations(turn)],
        "builds_on": builds_on,
        "continues": continues,
    }


def _claims(turn: Turn, numbers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Each field of the answer, in its order, then the other fields that have evidence."""
    content, words = turn.get("content"), turn.get("confidence") or {}
    unsupported = turn.get("unsupported_fields") or ()
    top = [str(key) for key in content] if isinstance(content, dict) else []
    text = [TEXT_FIELD] if content is not None and not top else []
    cited = [{**citation, "number": numbers[citation["url"]]} for citation in _citations(turn)]
    by_field = numbers_by_field(cited)
    for field in dict.fromkeys([*top, *text, *words, *by_field, *unsupported]):
        yield {
            "field": field,
            "confidence": words.get(field),
            "unsupported": field in unsupported,
            "sources": sorted(set(by_field.get(field, ()))),
        }


def _chain(turn: Turn, turns: list[Turn]) -> tuple[list[int], str | None]:
    """The numbers of the turns it builds on, and the interaction before the first of them."""
    known: dict[str, int] = {}
    for number, other in enumerate(turns, start=1):
        if interaction := other.get("interaction_id"):
            known.setdefault(interaction, number)
    chain: list[int] = []
    parent = turn.get("parent_interaction_id")
    while parent in known and known[parent] not in chain and turns[known[parent] - 1] is not turn:
        chain.insert(0, known[parent])
        parent = turns[known[parent] - 1].get("parent_interaction_id")
    return chain, None if parent in known else parent


def _underway(
    state: Mapping[str, Any], ended: list[Turn], planned: list[Turn]
) -> Iterator[dict[str, Any]]:
    """What is planned or submitted, and has not ended."""
    runs = {turn["run_id"] for turn in ended} - {""}
    positions = {turn["position"] for turn in ended}
    yield from ({**turn, "run_id": None} for turn in planned)
    for turn in filter(None, (state.get("pending"), *(state.get("branches") or ()))):
        if turn.get("run_id") not in runs and turn.get("position") not in positions:
            yield _plain({**turn, "run_id": turn.get("run_id") or None})


def _plain(value: object) -> Any:
    """JSON that any file takes and that reads back equal: infinite numbers become text, and unpaired
    surrogates the replacement character.
    """
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, int | float | None) else str(value)
