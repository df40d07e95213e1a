"""approve: where planned runs need a person's yes, or more money than there is.

Nothing has been sent yet. A person says yes (which raises the budget as far as that needs), no, or changes
what is asked; where nobody is to be asked, or can be, the session stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..._graph.runtime import checkpointer_of
from ..._graph.session_ledger import session_done
from ...errors import InvalidRequest
from ..approval import approved, dear, passed, short, undecided
from ..budget import objections, raised, spent_usd, used_with
from ..graph_config import GraphConfig
from ..human_review import (
    PersonAnswer,
    ask_until_valid,
    redirected,
    spend_request,
)
from ..state import Budget, Pending, ResearchState, Verdict
from ..turns import asks_the_same, check_continues, planned, refused


def approve(researcher: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Ask a person about the planned runs, or stop."""
    runs = undecided(planned(state))
    reasons = short(researcher, state, runs, planned(state))
    if reasons and researcher.on_budget == "stop":
        return (yield from _stopped(researcher, state, config, reasons))
    reasons = [*dear(researcher, runs), *reasons]
    if not reasons:  # what stood in the way is gone
        return _started(state, runs, {})
    if checkpointer_of(config) is None:
        reasons.append("Asking a person needs a checkpointer.")
        return (yield from _stopped(researcher, state, config, reasons))
    limits = researcher.limits(state)
    request = spend_request(state.get("turns") or [], runs, reasons, limits)

    def decide(given: PersonAnswer) -> Calls[Any]:
        return _answered(researcher, state, config, given)

    return (yield from ask_until_valid(config, request, decide))


def _answered(
    researcher: GraphConfig, state: ResearchState, config: RunnableConfig, given: PersonAnswer
) -> Calls[Any]:
    runs, declined = _decided(researcher, state, given)
    if not runs:
        return (yield from _stopped(researcher, state, config, declined, person=True))
    budget = _budget(researcher.limits(state), state, runs, given.get("budget"))
    if researcher.direct:  # not sent yet, whoever planned it
        runs = [{**run, "plan_id": researcher.new_plan_id()} for run in runs]
    return _started(state, runs, {"budget": budget} if budget else {})


def _started(state: ResearchState, runs: Sequence[Pending], update: dict[str, Any]) -> Any:
    """The runs that may go out now; branches that are none of them are taken out of the round."""
    free = [passed(run) for run in runs]
    if not state.get("branches"):
        return {**update, "pending": free[0]}
    kept = {run["position"] for run in free}
    declined: list[Pending] = [
        {**run, "declined": True}
        for run in undecided(planned(state))
        if run["position"] not in kept
    ]
    return {**update, "branches": [*free, *declined]}


def _decided(
    researcher: GraphConfig, state: ResearchState, given: PersonAnswer
) -> tuple[list[Pending], list[str]]:
    kept: list[Pending] = []
    declined = []
    for run, decision in zip(undecided(planned(state)), given["decisions"], strict=True):
        if decision["type"] == "reject":
            declined.append(decision.get("message") or "A person declined it.")
            continue
        changed = redirected(run, decision) if decision["type"] == "edit" else run
        if changed["parent_interaction_id"] != run["parent_interaction_id"]:
            check_continues(state, changed["parent_interaction_id"])
        researcher.check(changed)
        if any(asks_the_same(changed, other) for other in kept):
            raise InvalidRequest(["Two of the runs now ask the same, and would both be paid for."])
        kept.append(approved(changed))
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
    researcher: GraphConfig,
    state: ResearchState,
    config: RunnableConfig,
    reasons: Sequence[str],
    *,
    person: bool = False,
) -> Calls[Any]:
    """The session ends with what it has; where branches have answers, these are judged first."""
    reason = " ".join(dict.fromkeys(reasons))
    verdict = Verdict(action="stop", reason=reason)
    if person:
        verdict["decided_by"] = "person"
    branches = state.get("branches") or []
    left = undecided(planned(state))
    if branches and len(left) < len(branches):
        return {"turns": [refused(run, reason) for run in left]}
    yield from session_done(config, researcher.name)
    update: dict[str, Any] = {"verdict": verdict, "pending": None}
    update["spent_usd"] = spent_usd(state.get("turns") or [])
    return {**update, "branches": []} if branches else update
