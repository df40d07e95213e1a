"""What an evaluator judges: all that the question at hand has found, and the turns that it was asked last.

Rule: a follow-up that brings less than the turn before it takes nothing away: what was found stays found.
Answers to different things, as branches give them, are judged apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...evidence import Evidence
from ...findings import Contradiction, Findings, as_evidence, contradictions, last_findings
from ..state import Turn, is_elsewhere
from .evaluator import last_round


class Judged(NamedTuple):
    """The findings about one thing, to which the last round has contributed."""

    findings: Findings
    evidence: Evidence
    turns: list[Turn]
    """Of the last round, those with an answer, in order."""
    new_contradictions: list[Contradiction]
    """Those that the last round has brought; nobody has asked about them yet."""

    @property
    def interaction(self) -> str | None:
        """The interaction to follow up: that of the last turn that has one."""
        ids = [turn["interaction_id"] for turn in self.turns]
        return next(filter(None, reversed(ids)), None)


def judged_findings(turns: list[Turn]) -> list[Judged]:
    """What the last question has found, by the things that its answers are about; the last round's alone."""
    own = [turn for turn in turns if not is_elsewhere(turn)]
    last = [turn for turn in last_round(own) if turn["status"] == "completed"]
    asked = {turn["position"] for turn in last_round(own)}
    found = last_findings(own)
    if found is None or not last:
        return []
    known = _known_contradictions(found, [turn for turn in own if turn["position"] not in asked])
    return [
        Judged(part, _evidence(part, positions, own), there, _new(part, known))
        for part, positions in _parts(found)
        if (there := [turn for turn in last if turn["position"] in positions])
    ]


def findings_before_follow_ups(turns: list[Turn], number: int) -> list[Evidence]:
    """What the question had found before each of its last follow-ups, the latest first.

    Empty where there were not so many by the evaluation in a row, and where answers are about several things:
    then nobody can tell which of them a follow-up was for.
    """
    left = [turn for turn in turns if not is_elsewhere(turn)]
    before: list[Evidence] = []
    for _ in range(number):
        last = last_round(left) if left else []
        if len(last) != 1 or last[0]["asked_by"] != "evaluation":
            return []
        left = [turn for turn in left if turn["round"] != last[0]["round"]]
        found = last_findings(left)
        if found is None or found["beside"]:
            return []
        before.append(_evidence(found, set(found["turns"]), left))
    return before


def _known_contradictions(found: Findings, earlier: list[Turn]) -> set[str]:
    """The fields that contradicted themselves before the last round, of the same question."""
    before = last_findings(earlier) if contradictions(found) else None
    if before is None or before["turns"][:1] != found["turns"][:1]:
        return set()
    return {one["field"] for one in contradictions(before)}


def _parts(found: Findings) -> Iterator[tuple[Findings, set[int]]]:
    """The findings about each thing, with the positions of their turns."""
    beside = {position for part in found["beside"] for position in part["turns"]}
    yield found, set(found["turns"]) - beside
    for part in found["beside"]:
        yield part, set(part["turns"])


def _evidence(found: Findings, positions: set[int], turns: list[Turn]) -> Evidence:
    """That of the findings; that of a turn which is the only one with an answer."""
    answers = [t for t in turns if t["position"] in positions and t["status"] == "completed"]
    return answers[0] if len(answers) == 1 else as_evidence(found)


def _new(found: Findings, known: set[str]) -> list[Contradiction]:
    alone: Findings = {**found, "beside": []}
    return [one for one in contradictions(alone) if one["field"] not in known]
