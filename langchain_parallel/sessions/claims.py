"""The values of a report: its sources, numbered once, and each turn's claims and what it continues.

Rule: linear in the number of turns, however long their branches are.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import InvalidRequest
from ..evidence import TEXT_FIELD, numbers_by_field
from ..findings.question_turns import turns_in
from ..research.state import Turn, merge_turns
from .report_answers import answers_of, checks_of

_NEEDED = ("key", "run_id", "position", "question", "status")


def report_values(state: Mapping[str, Any], *, checks: bool = False) -> dict[str, Any]:
    """The parts of `SessionReport`, as plain values.

    Args:
        state: A session's.
        checks: Check the answers that have not been checked, where there are excerpts.

    Raises:
        InvalidRequest: One of the turns is no turn.
    """
    turns, planned = _turns(state)
    sources = _sources(turns)
    numbers = {source["url"]: source["number"] for source in sources}
    parents = _parents(turns)
    begun = _beginnings(turns, parents)
    return {
        "answers": answers_of(turns, numbers),
        "turns": [
            {
                **_turn_values(turn, numbers),
                "checks": checks_of(turn, numbers, anew=checks),
                "number": number,
                "builds_on": parents[number],
                "continues": begun[number],
            }
            for number, turn in enumerate(turns, start=1)
        ],
        "underway": list(_underway(state, turns, planned)),
        "sources": sources,
        "ledger_id": _text(state.get("ledger_id")),
        "limits": _plain(state.get("limits") or None),
    }


def _turns(state: Mapping[str, Any]) -> tuple[list[Turn], list[Turn]]:
    """The turns in their order, each run once; and those that are only planned, without a run's id yet."""
    if "run_id" in state and "turns" not in state:
        raise InvalidRequest(["This is one turn."], hint="Pass a state, or a list of turns.")
    turns = turns_in(state)
    for turn in turns:
        missing = [key for key in _NEEDED if key not in turn]
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
            excerpts = citation.get("excerpts") or ()
            source["cited_by"].append(
                {"turn": number, "fields": citation["fields"], "excerpts": excerpts}
            )
    return list(found.values())


def _citations(turn: Turn) -> list[dict[str, Any]]:
    """Those with a url: without one there is nothing to check."""
    cited = [citation for citation in turn.get("citations") or () if citation.get("url")]
    return [{**citation, "fields": citation.get("fields") or ()} for citation in cited]


def _turn_values(turn: Turn, numbers: Mapping[str, int]) -> dict[str, Any]:
    return {
        **turn,
        "answer": turn.get("content"),
        "content_hash": content_hash(turn.get("content")),
        "claims": list(_claims(turn, numbers)),
        "sources": [numbers[citation["url"]] for citation in _citations(turn)],
    }


def content_hash(content: object) -> str | None:
    """SHA-256 (hex) of an answer as canonical JSON; None without one."""
    if content is None:
        return None
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _claims(turn: Turn, numbers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Each field of the answer, in its order, then the other fields that have evidence."""
    content, words = turn.get("content"), turn.get("confidence") or {}
    unsupported = dict.fromkeys(turn.get("unsupported_fields") or ())
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


def _parents(turns: list[Turn]) -> dict[int, int | None]:
    """By number, the number of the turn that it continues."""
    known: dict[str, int] = {}
    for number, turn in enumerate(turns, start=1):
        if interaction := turn.get("interaction_id"):
            known.setdefault(interaction, number)
    found = {n: known.get(t.get("parent_interaction_id") or "") for n, t in enumerate(turns, 1)}
    return {number: None if parent == number else parent for number, parent in found.items()}


def _beginnings(turns: list[Turn], parents: Mapping[int, int | None]) -> dict[int, str | None]:
    """By number, the interaction that its branch began with, if that is no turn of these."""
    known = {turn.get("interaction_id") for turn in turns}
    found: dict[int, str | None] = {}
    for number in parents:
        way: dict[int, None] = {}
        at: int | None = number
        while at is not None and at not in found and at not in way:
            way[at] = None
            at = parents[at]
        if at is None:
            before = turns[next(reversed(way)) - 1].get("parent_interaction_id")
            before = None if before in known else before
        else:
            before = found.get(at)
        found |= dict.fromkeys(way, before)
    return found


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


def _text(value: object) -> str | None:
    return _plain(value) if isinstance(value, str) and value else None


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
