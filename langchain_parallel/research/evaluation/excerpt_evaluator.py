"""Judging by the excerpts: whether they have what an answer says. It sends no request.

Rule: what a claim says was written elsewhere. It is made harmless, on one line, and what lists claims is
bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..._core.plain_text import count, quote_text
from ...checks import CheckedAnswer, CheckedClaim, check_answer
from ...evidence import TEXT_FIELD
from ...text.layout import join_unique, list_within
from ...text.untrusted import harmless
from ..state import Question, ResearchState, Turn, Verdict
from .evaluator import BuiltInEvaluator, last_round
from .verdicts import ask_verdict

_FIELD_CHARS, _DETAIL_CHARS = 100, 200
_LIST_CHARS, _REASON_CHARS = 6_000, 2_000
_NOTHING = "There are no excerpts to check the answer against."


def by_excerpts() -> BuiltInEvaluator:
    """Asks again, by name, for quotes, numbers, dates and names that no excerpt of a field's citations has.

    Every turn of the last round is judged, and followed up from its own interaction. It judges what the
    checks have found (`create_research_graph(checks=…)`, which this evaluator turns on), or the excerpts
    that a turn has kept. An answer without excerpts is accepted, which the reason says. If all runs of the
    round failed, the session stops with the error.
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
        answers = [turn for turn in turns if turn["status"] == "completed"]
        if not answers:
            failures = [harmless(t["error"] or f"The run ended as {t['status']}.") for t in turns]
            return Verdict(action="stop", reason=list_within(failures, _REASON_CHARS))
        checked = [(turn, checks_of(turn)) for turn in answers]
        lost = [(turn, checks) for turn, checks in checked if checks and checks["not_found"]]
        reason = join_unique([_summary(checks) for _, checks in checked], " ")
        if not lost:
            return Verdict(action="accept", reason=reason)
        questions = [_again(turn, checks, head) for turn, checks in lost if turn["interaction_id"]]
        if not questions:
            return Verdict(action="stop", reason=f"{reason} There is no interaction to follow up.")
        verdict = ask_verdict(questions, reason)
        verdict["unsupported"] = {
            turn["interaction_id"]: checks["not_found"]
            for turn, checks in checked
            if checks and turn["interaction_id"]
        }
        return verdict


def checks_of(turn: Turn) -> CheckedAnswer | None:
    """What the checks of a turn's answer found, made now if it has kept its excerpts; None without any."""
    if (kept := turn.get("checks")) is not None:
        return kept
    has_excerpts = any(citation.get("excerpts") for citation in turn["citations"])
    return check_answer(turn) if has_excerpts else None


def _summary(checks: CheckedAnswer | None) -> str:
    if checks is None or not (checks["supported"] or checks["not_found"]):
        return _NOTHING
    lost = checks["not_found"]
    if not lost:
        return f"The excerpts have what {count(checks['supported'], 'claim says', 'claims say')}."
    listed = list_within(_listing(checks), _REASON_CHARS // 2)
    return f"The excerpts do not have what {count(lost, 'claim says', 'claims say')}: {listed}."


def _again(turn: Turn, checks: CheckedAnswer, head: str | None) -> Question:
    listed = list_within(_listing(checks), _LIST_CHARS)
    text = (
        "In your last answer, the passages that you cite do not contain the following: "
        f"{listed}. Research each of them again, cite a passage that contains it word for word or number for "
        "number, and correct or leave out what no source says."
    )
    question = Question(question=text)
    if turn["interaction_id"] not in (None, head):
        question["continue_from"] = turn["interaction_id"]
    return question


def _listing(checks: CheckedAnswer) -> list[str]:
    """What was not found, claim by claim."""
    return [_claim_text(claim) for claim in checks["claims"] if claim["verdict"] == "not_found"]


def _claim_text(claim: CheckedClaim) -> str:
    """`size: “1,200 km”`; without its field in a text answer."""
    details = [harmless(quote_text(text, _DETAIL_CHARS)) for text in claim["not_found"]]
    field = claim["field"]
    name = "" if field == TEXT_FIELD else f"{harmless(field, _FIELD_CHARS)}: "
    return name + ", ".join(details)
