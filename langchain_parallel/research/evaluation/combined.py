"""Several evaluators in one. Each may be blocking or asynchronous."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..._core.kinds import check_whole
from ...errors import InvalidRequest
from ...processors import costs_more
from ...text.layout import join_unique
from ..state import Question, ResearchState, Turn, Verdict
from .evaluator import BuiltInEvaluator, Evaluator, check_evaluators, consult, needs_checks
from .verdicts import ask_verdict, question_key, questions_of


def first_objection(*evaluators: Evaluator) -> BuiltInEvaluator:
    """Returns the first verdict that does not accept. Later evaluators are not called: put cheap ones first.

    Raises:
        InvalidRequest: No evaluator is given, or something that is none.
    """
    return _FirstObjection(_checked_parts(evaluators))


def all_of(*evaluators: Evaluator) -> BuiltInEvaluator:
    """Asks all evaluators, one after the other, and joins their objections.

    Follow-ups from the same interaction become one question, with the most expensive of the processors
    that were named; from different ones, or with different output schemas, a branch. If any says stop, the
    session stops; if any says review, a person is asked, with the joined verdict as the proposal.

    Raises:
        InvalidRequest: No evaluator is given, or something that is none.
    """
    return _AllOf(_checked_parts(evaluators))


def limit_rounds(rounds: int, evaluator: Evaluator) -> BuiltInEvaluator:
    """Lets an evaluator ask for this many rounds after each question of the caller, then stops.

    Args:
        rounds: Rounds; the branches of one verdict are one round.
        evaluator: The evaluator to limit.

    Raises:
        InvalidRequest: `rounds` is no whole number from 0 up, or `evaluator` is none.
    """
    check_whole("rounds", rounds, 0)
    check_evaluators(evaluator)
    return _LimitRounds(rounds, evaluator)


def _checked_parts(evaluators: tuple[Evaluator, ...]) -> tuple[Evaluator, ...]:
    if not evaluators:
        raise InvalidRequest(["No evaluator is given; give at least one."])
    check_evaluators(*evaluators)
    return evaluators


@dataclass(frozen=True)
class _FirstObjection(BuiltInEvaluator):
    parts: tuple[Evaluator, ...]

    @property
    def needs_checks(self) -> bool:
        """Whether one of its parts does."""
        return any(map(needs_checks, self.parts))

    def calls(self, state: ResearchState, turn: Turn, config: RunnableConfig) -> Calls[Verdict]:
        accepted = []
        for part in self.parts:
            verdict = yield from consult(part, state, config)
            if verdict["action"] != "accept":
                return verdict
            accepted.append(verdict)
        return _with_reasons("accept", accepted)


@dataclass(frozen=True)
class _AllOf(BuiltInEvaluator):
    parts: tuple[Evaluator, ...]

    @property
    def needs_checks(self) -> bool:
        """Whether one of its parts does."""
        return any(map(needs_checks, self.parts))

    def calls(self, state: ResearchState, turn: Turn, config: RunnableConfig) -> Calls[Verdict]:
        verdicts: list[Verdict] = []
        for part in self.parts:  # no comprehension: it could not `yield from`
            verdicts += [(yield from consult(part, state, config))]
        proposed = [_proposal(verdict) for verdict in verdicts]
        together = _join(proposed, state.get("interaction_id"))
        reviews = [verdict for verdict in verdicts if verdict["action"] == "review"]
        if not reviews:
            return together
        review = _with_reasons("review", [v for v in verdicts if v["action"] != "accept"])
        review["proposal"] = {**together}
        return review


@dataclass(frozen=True)
class _LimitRounds(BuiltInEvaluator):
    rounds: int
    evaluator: Evaluator

    @property
    def needs_checks(self) -> bool:
        """Whether the other evaluator does."""
        return needs_checks(self.evaluator)

    def calls(self, state: ResearchState, turn: Turn, config: RunnableConfig) -> Calls[Verdict]:
        verdict = yield from consult(self.evaluator, state, config)
        turns = state["turns"]
        own = [turn["position"] for turn in turns if turn["asked_by"] == "caller"]
        later = [turn for turn in turns if turn["position"] > max(own, default=-1)]
        asked = len({turn["round"] for turn in later if turn["asked_by"] == "evaluation"})
        if not questions_of(verdict) or asked < self.rounds:
            return verdict
        times = "once" if asked == 1 else f"{asked} times"
        reason = join_unique([f"Asked again {times}, which is all.", verdict.get("reason")], " ")
        return Verdict(action="stop", reason=reason)


# --- several verdicts in one ---------------------------------------------------------------------


def _proposal(verdict: Verdict) -> Verdict:
    """The verdict, or what it proposes to a person."""
    if verdict["action"] != "review":
        return verdict
    return cast(Verdict, verdict.get("proposal") or {"action": "accept"})


def _with_reasons(action: Any, verdicts: list[Verdict]) -> Verdict:
    verdict = Verdict(action=action)
    if reason := join_unique(verdict.get("reason") for verdict in verdicts):
        verdict["reason"] = reason
    return verdict


def _join(verdicts: list[Verdict], head: str | None) -> Verdict:
    """Stops if one does, else asks all that any of them asks, else accepts."""
    objections = [verdict for verdict in verdicts if verdict["action"] != "accept"]
    if any(verdict["action"] == "stop" for verdict in objections):
        return _with_reasons("stop", objections)
    if not objections:
        return _with_reasons("accept", verdicts)
    reason = _with_reasons("follow_up", objections).get("reason", "")
    verdict = ask_verdict(list(_questions(objections, head)), reason)
    counts: Counter[str] = Counter()
    for objection in objections:
        counts.update(objection.get("unsupported") or {})
    if counts:
        verdict["unsupported"] = {**counts}
    return verdict


def _questions(verdicts: list[Verdict], head: str | None) -> Iterator[Question]:
    """All questions, each once; follow-ups from one interaction in the same shape as one."""
    groups: dict[str, list[Question]] = {}
    for verdict in verdicts:
        for question in questions_of(verdict):
            kind = [question.get("continue_from") or head, question.get("output_schema")]
            # An evaluator that branches wants its questions to stay separate.
            own = question_key(question, head) if verdict["action"] == "branch" else None
            groups.setdefault(json.dumps([*kind, own], sort_keys=True), []).append(question)
    merged = [_merge(group) for group in groups.values()]
    yield from {question_key(question, head): question for question in merged}.values()


def _merge(group: list[Question]) -> Question:
    one: Question = {**group[0], "question": join_unique((q["question"] for q in group), "\n\n")}
    for name in [question["processor"] for question in group if "processor" in question]:
        if "processor" not in one or costs_more(name, one["processor"]):
            one["processor"] = name
    return one
