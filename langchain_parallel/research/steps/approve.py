"""approve: where planned runs need a person's yes, or more money than there is.

Nothing has been sent yet. A person says yes (which raises the budget as far as that needs), no, or changes
what is asked; where nobody is to be asked, or can be, the session stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig

from ..._calls import Calls
from ..._langgraph import ask_person, checkpointer_of
from ..._ledgers import session_done
from ...errors import InvalidRequest
from ...processors import dearer
from ..budget import objections, raised, spent_usd, used_with
from ..people import (
    PersonAnswer,
    PersonRequest,
    redirected,
    response_schema,
    spend_request,
    understood,
)
from ..researcher import Researcher
from ..state import Budget, Pending, ResearchState, Verdict
from ..turns import due


def approve(researcher: Researcher, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Ask a person about the planned runs, or stop."""
    runs = due(state)
    reasons = objections_to(researcher, state, runs)
    if not reasons:  # what stood in the way is gone
        return _started(state, runs, {})
    if not _dear(researcher, runs) and researcher.on_budget == "stop":
        return (yield from _stopped(researcher, state, config, reasons))
    if checkpointer_of(config) is None:
        reasons.append("Asking a person needs a checkpointer.")
        return (yield from _stopped(researcher, state, config, reasons))
    limits = researcher.limits(state)
    request = spend_request(state.get("turns") or [], runs, reasons, limits)
    while True:
        answer = ask_person(config, request, response_schema(request))
        try:
            return (yield from _answered(researcher, state, config, request, answer))
        except InvalidRequest as error:
            request = {**request, "refused": list(error.problems)}


def objections_to(
    researcher: Researcher, state: ResearchState, runs: Sequence[Pending]
) -> list[str]:
    """Why planned runs may not simply be started, in words; nothing if they may."""
    reasons = _dear(researcher, runs)
    if any(run.get("no_credit") for run in runs):
        reasons.append("The account has not enough credit; add some, then approve.")
    new = [run for run in runs if not run.get("approved")]
    if new:
        reasons += objections(state.get("turns") or [], runs, researcher.limits(state))
    return reasons


def _dear(researcher: Researcher, runs: Sequence[Pending]) -> list[str]:
    """Which of the runs cost more than may be spent without asking."""
    if researcher.approve_above is None:
        return []
    limit = researcher.approve_above
    new = {run["processor"] for run in runs if not run.get("approved")}
    above = sorted(name for name in new if dearer(name, limit))
    return [f"{', '.join(above)} costs more than {researcher.approve_above}."] if above else []


def _answered(
    researcher: Researcher,
    state: ResearchState,
    config: RunnableConfig,
    request: PersonRequest,
    answer: object,
) -> Calls[Any]:
    given = understood(answer, request)
    runs, declined = _decided(researcher, due(state), given)
    if not runs:
        return (yield from _stopped(researcher, state, config, declined, person=True))
    budget = _budget(researcher.limits(state), state, runs, given.get("budget"))
    return _started(state, runs, {"budget": budget} if budget else {})


def _started(state: ResearchState, runs: Sequence[Pending], update: dict[str, Any]) -> Any:
    """The runs that may go out now; branches that are none of them are taken out of the round."""
    free: list[Pending] = [{**run, "held": False, "no_credit": False} for run in runs]
    if not state.get("branches"):
        return {**update, "pending": free[0]}
    kept = {run["position"] for run in free}
    declined: list[Pending] = [
        {**run, "declined": True} for run in due(state) if run["position"] not in kept
    ]
    return {**update, "branches": [*free, *declined]}


def _decided(
    researcher: Researcher, runs: Sequence[Pending], given: PersonAnswer
) -> tuple[list[Pending], list[str]]:
    kept: list[Pending] = []
    declined = []
    for run, decision in zip(runs, given["decisions"], strict=True):
        if decision["type"] == "reject":
            declined.append(decision.get("message") or "A person declined it.")
            continue
        changed = redirected(run, decision) if decision["type"] == "edit" else run
        researcher.check(changed)
        kept.append({**changed, "approved": True})
    return kept, declined


def _budget(
    limits: Budget, state: ResearchState, runs: Sequence[Pending], given: Budget | None
) -> Budget:
    turns = state.get("turns") or []
    if given is None:
        return raised(limits, used_with(turns, runs))
    limits = {**limits, **given}
    problems = list(objections(turns, runs, limits))
    if problems:
        raise InvalidRequest([f"The new budget is too small. {problem}" for problem in problems])
    return limits


def _stopped(
    researcher: Researcher,
    state: ResearchState,
    config: RunnableConfig,
    reasons: Sequence[str],
    *,
    person: bool = False,
) -> Calls[Any]:
    verdict = Verdict(action="stop", reason=" ".join(dict.fromkeys(reasons)))
    if person:
        verdict["decided_by"] = "person"
    yield from session_done(config, researcher.name)
    update: dict[str, Any] = {"verdict": verdict, "pending": None}
    update["spent_usd"] = spent_usd(state.get("turns") or [])
    return {**update, "branches": []} if state.get("branches") else update
