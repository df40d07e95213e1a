"""Judging by the evidence: confidence, citations, required fields; nobody is asked and nothing sent.

Rule: names of fields and errors were written elsewhere. They are made harmless, one line each, and what
lists them is bounded: an answer of 300 weak fields must still fit into a question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from ..._core import limits
from ..._core.calls import Calls
from ...errors import InvalidRequest
from ...models import SourcePolicy, TaskRunInput
from ...text.result import harmless
from ..state import Question, ResearchState, Turn, Verdict
from .evaluator import Rule, last_round
from .evidence_rule import ALONE, RANKS, Confidence, Wanted, lacks
from .verdicts import asking
from .wording import joined, some

_NAME_CHARS = 100
_TURN_CHARS = 500
_LIST_CHARS = 6_000
"""Of a question of at most 25,000 characters, which an output schema has to fit into, too."""
_REASON_CHARS = 2_000
"""It stays in every checkpoint."""


def by_evidence(
    *,
    min_confidence: Confidence = "medium",
    min_citations: int = 1,
    required: Collection[str] = (),
    allowed_domains: Collection[str] = (),
    max_age_days: float | None = None,
) -> Rule:
    """Asks again, by name, for the fields that have too little evidence.

    Every turn of the last round is judged. One that is weak is followed up where it stands; several are
    followed up at the same time, a question each. If all of them failed, it stops with the error.

    Args:
        min_confidence: The least confidence of a field. A field for which the API gives none is not
            judged by it; a word nobody knows counts as medium, unless it says low or high.
        min_citations: Citations (different urls) that a field needs; those of its parts count.
        required: Fields that may not be missing or empty, where the answer is an object; parts as
            `funding.amount` or `founders.0`.
        allowed_domains: Only citations from these and their subdomains count, as `example.org` or
            `.gov`; all count unless given.
        max_age_days: Days. Citations with a date that was longer ago when the run ended do not count.
            The API documents no date; where a citation has none, it counts.

    Raises:
        InvalidRequest: An argument is not usable.
    """
    wanted = Wanted(
        min_confidence,
        min_citations,
        tuple(_listed("required", required)),
        tuple(_domains(_listed("allowed_domains", allowed_domains))),
        max_age_days,
    )
    problems = list(_problems(wanted))
    if problems:
        raise InvalidRequest(problems)
    return _ByEvidence(wanted)


@dataclass(frozen=True)
class _ByEvidence(Rule):
    wanted: Wanted

    def calls(self, state: ResearchState, turn: Turn, config: RunnableConfig) -> Calls[Verdict]:
        yield from ()  # it calls nobody
        return self._judge(last_round(state["turns"]), state.get("interaction_id"))

    def _judge(self, turns: list[Turn], head: str | None) -> Verdict:
        completed = [turn for turn in turns if turn["status"] == "completed"]
        one = len(turns) == 1
        failures = [_failure(turn, one) for turn in turns if turn["status"] != "completed"]
        if not completed:
            return Verdict(action="stop", reason=some(failures, _REASON_CHARS))
        weak = [(turn, found) for turn in completed if (found := lacks(turn, self.wanted))]
        reason = some(
            [*(_weakness(turn, found, one) for turn, found in weak), *failures], _REASON_CHARS
        )
        if not weak:
            remarks = [self.wanted.met(), self._unlooked(completed), reason]
            return Verdict(action="accept", reason=joined(remarks, " "))
        questions = [_again(turn, found, head) for turn, found in weak if turn["interaction_id"]]
        if not questions:
            return Verdict(action="stop", reason=f"{reason}; there is no interaction to follow up.")
        return asking(questions, reason)

    def _unlooked(self, turns: list[Turn]) -> str:
        text = [turn for turn in turns if not isinstance(turn["content"], dict)]
        return (
            "Required fields were not looked for: the answer is text."
            if self.wanted.required and text
            else ""
        )


# --- in words ------------------------------------------------------------------------------------


def _again(turn: Turn, found: dict[str, str], head: str | None) -> Question:
    if list(found) == [ALONE]:
        text = (
            f"Verify your last answer ({found[ALONE]}) with further, independent sources, and correct it "
            "where it is wrong."
        )
    else:
        text = (
            f"In your last answer these fields are not well supported: {_listing(found, _LIST_CHARS)}. "
            "Research each of them again with further, independent sources, and correct them where they "
            "are wrong."
        )
    parent = turn["interaction_id"]
    if parent is None or parent == head:
        return Question(question=text)
    return Question(question=text, continue_from=parent)


def _weakness(turn: Turn, found: dict[str, str], one: bool) -> str:
    return (
        _listing(found, _REASON_CHARS) if one else f"{_name(turn)} {_listing(found, _TURN_CHARS)}"
    )


def _failure(turn: Turn, one: bool) -> str:
    error = harmless(turn["error"] or f"The run ended as {turn['status']}.", _REASON_CHARS)
    return error if one else f"{_name(turn)} {harmless(error, _TURN_CHARS)}"


def _name(turn: Turn) -> str:
    return f"[{harmless(turn['question'], _NAME_CHARS)}]"


def _listing(found: dict[str, str], room: int) -> str:
    return some([f"{harmless(field, _NAME_CHARS)}: {what}" for field, what in found.items()], room)


# --- what is asked for ---------------------------------------------------------------------------


def _listed(name: str, given: Collection[str]) -> list[str]:
    if isinstance(given, str):
        raise InvalidRequest([f"{name} is text; give a list, such as [{given!r}]."], hint="")
    return list(given)


def _domains(given: list[str]) -> list[str]:
    """Without the dot of `.gov`, in lower case.

    Raises:
        InvalidRequest: One is no domain.
    """
    limits.check(
        TaskRunInput(input="?", processor="lite", source_policy=SourcePolicy(include_domains=given))
    )
    return [name.lower().strip(".") for name in given]


def _problems(wanted: Wanted) -> Iterator[str]:
    if wanted.min_confidence not in RANKS:
        yield f"min_confidence is {wanted.min_confidence!r}; {', '.join(RANKS)} are allowed."
    if wanted.min_citations < 0:
        yield f"min_citations is {wanted.min_citations!r}; give a whole number, from 0 up."
    age = wanted.max_age_days
    if age is not None and not age >= 0:  # also a NaN
        yield f"max_age_days is {age!r}; give days, from 0 up, or None."
