"""Judging by a person, who approves the verdict that another evaluator proposes, or decides otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls, call_function
from ...text.untrusted import harmless
from ..state import ResearchState, Turn, Verdict
from .evaluator import (
    BuiltInEvaluator,
    Evaluator,
    check_evaluators,
    consult,
    last_round,
    needs_checks,
)

When: TypeAlias = Callable[[ResearchState, Turn], "bool | Awaitable[bool]"]


def by_person(proposal: Evaluator | None = None, *, when: When | None = None) -> BuiltInEvaluator:
    """A person decides about each answer.

    Args:
        proposal: Another evaluator, whose verdict is proposed to the person. Unless given, the proposal
            is to accept, and to stop where there is no answer.
        when: Chooses the turns for which a person is asked; for the others the proposal holds.

    Raises:
        InvalidRequest: `proposal` or `when` takes no state and turn.
    """
    check_evaluators(*filter(None, [proposal, when]))
    return _ByPerson(proposal, when)


@dataclass(frozen=True)
class _ByPerson(BuiltInEvaluator):
    proposal: Evaluator | None
    when: When | None

    @property
    def needs_checks(self) -> bool:
        """Whether the proposing evaluator does."""
        return needs_checks(self.proposal)

    def calls(self, state: ResearchState, turn: Turn, config: RunnableConfig) -> Calls[Verdict]:
        proposed = _accept_or_stop(state)
        if self.proposal is not None:
            proposed = yield from consult(self.proposal, state, config)
        if proposed["action"] == "review":
            return proposed
        if self.when is not None and not (yield from call_function(self.when, state, turn)):
            return proposed
        review = Verdict(action="review", proposal={**proposed})
        if reason := proposed.get("reason"):
            review["reason"] = reason
        return review


def _accept_or_stop(state: ResearchState) -> Verdict:
    last = last_round(state["turns"])
    if any(turn["status"] == "completed" for turn in last):
        return Verdict(action="accept")
    error = last[-1]["error"] or f"The run ended as {last[-1]['status']}."
    return Verdict(action="stop", reason=harmless(error, 1_000))
