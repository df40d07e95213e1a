"""Judging by the evidence: confidence, citations, required fields. It sends no request.

Rule: names of fields and errors were written elsewhere. They are made harmless, one line each, and what
lists them is bounded: an answer of 300 unsupported fields must still fit into a question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from langchain_core.runnables import RunnableConfig

from ..._core import limits
from ..._core.calls import Calls
from ..._core.kinds import as_list, check_kinds, check_whole, check_words
from ..._core.plain_text import count
from ...errors import InvalidRequest
from ...evidence import NO_ANSWERS, TEXT_FIELD, Confidence, EvidenceRule, Lack
from ...findings import Contradiction
from ...text.layout import join_unique, list_within
from ...text.untrusted import harmless
from ..state import Question, ResearchState, Turn, Verdict
from .evaluator import BuiltInEvaluator, last_round
from .follow_up_text import contradiction_text, contradictions_text, known_text, language_text
from .verdicts import ask_verdict

if TYPE_CHECKING:
    from .judged_findings import Judged

_LEVELS = "low", "medium", "high"
_NAME_CHARS = 100
_SITES_CHARS = 300
_TURN_CHARS = 600
_LIST_CHARS = 6_000
"""Of a question of at most 25,000 characters, which an output schema has to fit into, too."""
_REASON_CHARS = 2_000
"""It stays in every checkpoint."""
_MOST_IN_VAIN = 3
"""Follow-ups about a field: `deep_then_fast` has that many processors for them."""
_MET_DEFAULT = "Every field is cited, and none has low confidence."
_MET = "Every field has the evidence that is wanted."
_NOT_LOOKED_FOR = "Required fields were not looked for: the answer is text."


def by_evidence(
    *,
    min_confidence: Confidence = "medium",
    min_citations: int = 1,
    required: Collection[str] = (),
    allowed_domains: Collection[str] = (),
    no_answers: Collection[str] = NO_ANSWERS,
    settle_contradictions: bool = True,
) -> BuiltInEvaluator:
    """Asks again, by name, for the fields that have too little evidence.

    All that the question has found is judged, not its last turn alone: what an earlier turn found well needs
    not be found again. Branches that answer different things are judged apart, and followed up at the same
    time, with a question each. A field that three follow-ups in a row have not improved is not asked for
    again; if no other is wanted, the session stops, and says so. If all runs of the last round failed, it
    stops with the error.

    Args:
        min_confidence: The least confidence of a field. A field for which the API gives none is not
            judged by it; an unknown word counts as medium, unless it says low or high.
        min_citations: Citations (different urls) that a field needs; those of its parts count.
        required: Fields that may not be missing or empty at all depths, where the answer is an object; parts
            as `funding.amount` or `founders.0`.
        allowed_domains: Only citations from these and their subdomains count, as `example.org` or
            `.gov`; all count unless given.
        no_answers: Texts that say that there is no answer, such as `N/A`: they count as empty. With `()` any
            text is an answer.
        settle_contradictions: Ask which of two values is right where turns contradict each other; once for
            each field.

    Raises:
        InvalidRequest: An argument is not usable.
    """
    rule = EvidenceRule(
        min_confidence,
        min_citations,
        tuple(_as_list("required", required)),
        tuple(_domains(_as_list("allowed_domains", allowed_domains))),
        tuple(_as_list("no_answers", no_answers)),
    )
    check_words({"min_confidence": min_confidence}, {"min_confidence": _LEVELS})
    check_whole("min_citations", min_citations, 0)
    check_kinds({"settle_contradictions": (settle_contradictions, bool)})
    return _ByEvidence(rule, settle_contradictions)


@dataclass(frozen=True)
class _ByEvidence(BuiltInEvaluator):
    rule: EvidenceRule
    settles: bool = True

    def calls(self, state: ResearchState, turn: Turn, config: RunnableConfig) -> Calls[Verdict]:
        yield from ()  # there is nothing to call
        turns, head = last_round(state["turns"]), state.get("interaction_id")
        room = _REASON_CHARS if len(turns) == 1 else _TURN_CHARS

        def about(asked: str, text: str) -> str:
            return text if len(turns) == 1 else f"[{harmless(asked, _NAME_CHARS)}] {text}"

        failures = [
            about(
                turn["question"],
                harmless(turn["error"] or f"The run ended as {turn['status']}.", room),
            )
            for turn in turns
            if turn["status"] != "completed"
        ]
        from .judged_findings import judged_findings

        judged = judged_findings(state["turns"])
        if not judged:
            return Verdict(action="stop", reason=list_within(failures, _REASON_CHARS))
        in_vain = self._in_vain(state["turns"], judged)
        wanted = [
            _Wanted(one, self._lacks(one, but=in_vain), self._to_settle(one)) for one in judged
        ]
        asked = [one for one in wanted if one.lacks or one.unsettled]
        weak = [about(one.judged.turns[-1]["question"], one.reason(room)) for one in asked]
        reason = list_within([*weak, *failures], _REASON_CHARS)
        if in_vain:
            told = f"Asked {_MOST_IN_VAIN} times in vain: {_listing(in_vain, room)}"
            reason = join_unique([reason, told], "; ") if reason else told
        if not asked and in_vain:
            return Verdict(action="stop", reason=reason)
        if not asked:
            return Verdict(
                action="accept", reason=join_unique([*self._remarks(judged), reason], " ")
            )
        questions = [one.question(head) for one in asked if one.judged.interaction]
        if not questions:
            return Verdict(action="stop", reason=f"{reason}; there is no interaction to follow up.")
        verdict = ask_verdict(questions, reason)
        verdict["unsupported"] = {
            turn["interaction_id"]: len(one.lacks) + len(in_vain)
            for one in wanted
            for turn in one.judged.turns
            if turn["interaction_id"]
        }
        return verdict

    def _remarks(self, judged: list[Judged]) -> Iterator[str]:
        yield _MET_DEFAULT if self.rule == EvidenceRule() else _MET
        is_text = any(not isinstance(one.evidence["content"], dict) for one in judged)
        if self.rule.required and is_text:
            yield _NOT_LOOKED_FOR

    def _to_settle(self, judged: Judged) -> list[Contradiction]:
        return judged.new_contradictions if self.settles else []

    def _lacks(self, judged: Judged, but: Collection[str]) -> dict[str, str]:
        """What each unsupported field of the findings lacks, but for these fields."""
        found = self.rule.find_unsupported(judged.evidence)
        return {
            field: ", ".join(self._words(field, lack))
            for field, lack in found.items()
            if field not in but
        }

    def _in_vain(self, turns: list[Turn], judged: list[Judged]) -> dict[str, str]:
        """The fields that the last follow-ups have not improved, and what they lack."""
        if len(judged) != 1 or len(turns) <= _MOST_IN_VAIN:
            return {}
        from .judged_findings import findings_before_follow_ups

        past = findings_before_follow_ups(turns, _MOST_IN_VAIN)
        lacked = [self.rule.find_unsupported(evidence) for evidence in past]
        return {
            field: ", ".join(self._words(field, lack))
            for field, lack in self.rule.find_unsupported(judged[0].evidence).items()
            if lacked and all(earlier.get(field) == lack for earlier in lacked)
        }

    def _words(self, field: str, lack: Lack) -> Iterator[str]:
        if lack.value:
            yield "it is empty" if field == TEXT_FIELD else "missing or empty in the answer"
        if lack.confidence is not None:
            least = self.rule.min_confidence
            yield f"confidence {harmless(lack.confidence)}, at least {least} wanted"
        if lack.citations is not None:
            there = count(lack.citations, "citation") if lack.citations else "no citations"
            sites = list_within(self.rule.allowed_domains, _SITES_CHARS, by=" or ")
            yield f"{there}, at least {self.rule.min_citations} wanted{sites and f' from {sites}'}"


class _Wanted(NamedTuple):
    """What findings lack, and what of them contradicts itself."""

    judged: Judged
    lacks: Mapping[str, str]
    unsettled: list[Contradiction]

    def reason(self, room: int) -> str:
        """Both, in a line."""
        against = [f"contradicting values of {contradiction_text(one)}" for one in self.unsettled]
        return "; ".join(filter(None, [_listing(self.lacks, room), list_within(against, room)]))

    def question(self, head: str | None) -> Question:
        """What is asked next."""
        findings = self.judged.findings
        asked = [*self.lacks, *(one["field"] for one in self.unsettled)]
        parts = [
            _again(self.lacks) if self.lacks else "",
            contradictions_text(self.unsettled, findings),
            known_text(findings, asked),
            language_text(findings["question"]),
        ]
        question = Question(question=" ".join(filter(None, parts)))
        if self.judged.interaction not in (None, head):
            question["continue_from"] = self.judged.interaction
        return question


def _again(lacks: Mapping[str, str]) -> str:
    if list(lacks) == [TEXT_FIELD]:
        return (
            f"Verify your last answer ({lacks[TEXT_FIELD]}) with further, independent sources, and "
            "correct it where it is wrong."
        )
    return (
        f"These fields of the answer are not well supported yet: {_listing(lacks, _LIST_CHARS)}. "
        "Research each of them again with further, independent sources, and correct them where they "
        "are wrong."
    )


def _listing(lacks: Mapping[str, str], room: int) -> str:
    items = [f"{harmless(field, _NAME_CHARS)}: {what}" for field, what in lacks.items()]
    return list_within(items, room)


# --- arguments -----------------------------------------------------------------------------------


def _as_list(name: str, given: Collection[str]) -> list[str]:
    texts: list[object] = as_list(name, given)
    if wrong := [one for one in texts if not (isinstance(one, str) and one.strip())]:
        raise InvalidRequest([f"{name} holds {wrong[0]!r}, which is no text."], hint="")
    return list(given)


def _domains(given: list[str]) -> list[str]:
    """Without the dot of `.gov`, in lower case.

    Raises:
        InvalidRequest: One is no domain.
    """
    limits.check_domains(given)
    return [name.lower().strip(".") for name in given]
