"""Judging by the excerpts: whether they have what an answer says. It sends no request.

Rule: what a claim says was written elsewhere. It is made harmless, on one line, and what lists claims is
bounded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..._core.plain_text import quote_text
from ...checks import CheckedClaim, check_answer
from ...evidence import TEXT_FIELD, with_parents
from ...text.layout import list_within
from ...text.untrusted import harmless
from ..state import Question, ResearchState, Turn, Verdict
from .evaluator import BuiltInEvaluator, last_round
from .follow_up_text import known_text, language_text
from .judged_findings import Judged, judged_findings
from .verdicts import ask_verdict

_FIELD_CHARS, _DETAIL_CHARS = 100, 200
_LIST_CHARS, _REASON_CHARS = 6_000, 2_000
_ALL_FOUND = "The excerpts have what the answer says."
_NOTHING = "There are no excerpts to check the answer against."


def by_excerpts() -> BuiltInEvaluator:
    """Asks again, by name, for quotes, numbers, dates and names that no excerpt of a field's citations has.

    All that the question has found is judged, as `by_evidence` does: a value that another turn found in an
    excerpt is not asked about. It judges what the checks have found (`create_research_graph(checks=…)`,
    which this evaluator turns on), or the excerpts that a turn has kept. An answer without excerpts is
    accepted, which the reason says. If all runs of the last round failed, the session stops with the error.
    """
    return _ByExcerpts()


@dataclass(frozen=True)
class _ByExcerpts(BuiltInEvaluator):
    @property
    def needs_checks(self) -> bool:
        """It does."""
        return True

    def calls(self, state: ResearchState, turn: Turn, config: RunnableConfig) -> Calls[Verdict]:
        yield from ()  # there is nothing to call
        turns, head = last_round(state["turns"]), state.get("interaction_id")
        judged = judged_findings(state["turns"])
        if not judged:
            failures = [harmless(t["error"] or f"The run ended as {t['status']}.") for t in turns]
            return Verdict(action="stop", reason=list_within(failures, _REASON_CHARS))
        lost = [(one, lost_claims(one, state["turns"])) for one in judged]
        asked = [(one, claims) for one, claims in lost if claims]
        if not asked:
            has_some = any(_has_excerpts(turn) for one in judged for turn in one.turns)
            return Verdict(action="accept", reason=_ALL_FOUND if has_some else _NOTHING)
        listed = list_within([_claim_text(c) for _, claims in asked for c in claims], _REASON_CHARS)
        reason = f"In no excerpt: {listed}."
        questions = [_again(one, claims, head) for one, claims in asked if one.interaction]
        if not questions:
            return Verdict(action="stop", reason=f"{reason} There is no interaction to follow up.")
        verdict = ask_verdict(questions, reason)
        verdict["unsupported"] = {
            turn["interaction_id"]: len(claims)
            for one, claims in lost
            for turn in one.turns
            if turn["interaction_id"]
        }
        return verdict


def lost_claims(judged: Judged, turns: list[Turn]) -> list[CheckedClaim]:
    """The claims of the findings that no turn's excerpts have."""
    fields = judged.findings["fields"]
    at_hand = {at for finding in fields.values() for at in finding["supported_by"]}
    checked = {t["position"]: _by_field(t, fields) for t in turns if t["position"] in at_hand}
    found: list[CheckedClaim] = []
    for name, finding in fields.items():
        lost = [checked.get(at, {}).get(name, []) for at in finding["supported_by"]]
        if lost and all(lost):
            found += checked.get(finding["turn"], {}).get(name, [])
    return found


def _by_field(turn: Turn, fields: Collection[str]) -> dict[str, list[CheckedClaim]]:
    """What was not found of a turn, by these fields: as its checks say, or as its excerpts say now."""
    if (checks := turn.get("checks")) is None:
        checks = check_answer(turn) if _has_excerpts(turn) else None
    lost: dict[str, list[CheckedClaim]] = {}
    for claim in checks["claims"] if checks else ():
        name = next((path for path in with_parents(claim["field"]) if path in fields), None)
        if claim["support"] == "not_found" and name is not None:
            lost.setdefault(name, []).append(claim)
    return lost


def _has_excerpts(turn: Turn) -> bool:
    checks = turn.get("checks")
    if checks is not None:
        return bool(checks["supported"] or checks["not_found"])
    return any(citation.get("excerpts") for citation in turn["citations"])


def _again(judged: Judged, claims: list[CheckedClaim], head: str | None) -> Question:
    fields = [claim["field"] for claim in claims]
    asked = (
        "The passages that are cited do not contain the following: "
        f"{list_within(list(map(_claim_text, claims)), _LIST_CHARS)}. Research each of them again, cite a "
        "passage that contains it word for word or number for number, and correct or leave out what no "
        "source says."
    )
    parts = [
        asked,
        known_text(judged.findings, fields),
        language_text(judged.findings["question"]),
    ]
    question = Question(question=" ".join(filter(None, parts)))
    if judged.interaction not in (None, head):
        question["continue_from"] = judged.interaction
    return question


def _claim_text(claim: CheckedClaim) -> str:
    """`size: “1,200 km”`; without its field in a text answer."""
    details = [harmless(quote_text(text, _DETAIL_CHARS)) for text in claim["not_found"]]
    field = claim["field"]
    name = "" if field == TEXT_FIELD else f"{harmless(field, _FIELD_CHARS)}: "
    return name + ", ".join(details)
