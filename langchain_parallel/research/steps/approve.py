"""approve: planned runs that need a person's approval, or more than the limits leave.

Nothing has been sent yet. A person approves (which raises the limits as far as that needs), declines, or
changes what is asked. Without a checkpointer, or with `on_exceed="stop"`, no person can be asked and the
session stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..._graph.ownership import prove_all
from ..._graph.runtime import is_resumable, shown_to_person
from ...options import SessionLimits
from ..approval import (
    NO_PERSON,
    SpendingPlan,
    check_asked_once,
    final_objections,
    limit_objections,
    price_objections,
    request_approval,
    to_review,
)
from ..ended_question import remember_question
from ..graph_config import GraphConfig
from ..human_review.decision import apply_edit
from ..human_review.request import is_about
from ..human_review.schemas import HumanDecision
from ..messages import answer_update
from ..spending_rules import SpendingRules
from ..state import ResearchState, Turn, Verdict
from ..turns import check_continues, nothing_planned, open_turns, refused_turn
from ..usage import spent_usd


def approve(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Ask a person about the planned runs, or stop."""
    rules = yield from graph.rules(state, config).with_quotas()
    planned = open_turns(state)
    ended, on_hold = state.get("turns") or [], to_review(planned, rules)
    if not on_hold:  # a person or another node has sent the thread here
        return _nothing_to_review(planned)
    if final := final_objections(ended, planned, on_hold, rules):
        return (yield from _stop(graph, state, config, final))
    rules = yield from rules.with_known(on_hold, ended)
    reasons = price_objections(on_hold, rules)
    reasons += limit_objections(ended, planned, on_hold, rules)
    shown = yield from shown_to_person(config)
    if not reasons and is_about(shown, on_hold[0]):
        reasons = list(shown["reasons"])  # a person was asked, so the answer counts
    if not reasons:  # the limits were raised meanwhile
        return _start(rules, state, on_hold, None)
    if not is_resumable(config):
        reasons.append(NO_PERSON)
        return (yield from _stop(graph, state, config, reasons))

    beside = _beside(on_hold, [*ended, *planned])

    def edit(turn: Turn, decision: HumanDecision) -> Turn:
        return _edit(state, turn, decision)

    def go_on(decided: list[Turn], changed: SessionLimits | None) -> Calls[Any]:
        kept = [turn for turn in decided if turn["status"] == "planned"]
        for turn in kept:  # the state may have been edited, too
            graph.check(turn)
        kept = yield from prove_all(graph, kept, state["ledger_id"], config, [*ended, *planned])
        check_asked_once(kept, beside)
        if kept:
            return _start(rules, state, kept, changed)
        declined = [turn["error"] or "" for turn in decided]
        stopped = yield from _stop(graph, state, config, declined, person=True)
        return {**stopped, "limits": changed} if changed else stopped

    counted = [turn for turn in planned if turn not in on_hold]
    plan = SpendingPlan(on_hold, ended, counted, rules)
    return (yield from request_approval(plan, config, reasons, edit=edit, then=go_on))


def _edit(state: ResearchState, turn: Turn, decision: HumanDecision) -> Turn:
    edited = apply_edit(turn, decision)
    if edited["parent_interaction_id"] != turn["parent_interaction_id"]:
        parent = check_continues(state, edited["parent_interaction_id"])
        return {**edited, "parent_interaction_id": parent}
    return edited


def _beside(on_hold: Sequence[Turn], turns: Sequence[Turn]) -> list[Turn]:
    """The other turns of the same round: none of them may be asked twice."""
    rounds = {turn["round"] for turn in on_hold}
    return [turn for turn in turns if turn["round"] in rounds and turn not in on_hold]


def _nothing_to_review(planned: Sequence[Turn]) -> dict[str, Any]:
    """No update: what is planned may start. Raises InvalidRequest if nothing is."""
    if not planned:
        raise nothing_planned()
    return {}


def _start(
    rules: SpendingRules,
    state: ResearchState,
    turns: Sequence[Turn],
    limits: SessionLimits | None,
) -> Any:
    """Clear these turns to start; the other branches of the round count as declined."""
    update: dict[str, Any] = {"limits": limits} if limits else {}
    free = [rules.clear(turn) for turn in turns]
    if not state.get("branches"):
        return {**update, "pending": free[0]}
    kept = {turn["position"] for turn in free}
    others = [turn for turn in to_review(open_turns(state), rules) if turn["position"] not in kept]
    # The reducer keeps a branch that is only left out, so it is taken out by its status.
    declined = [{**turn, "status": "declined"} for turn in others]
    return {**update, "branches": [*free, *declined]}


def _stop(
    graph: GraphConfig,
    state: ResearchState,
    config: RunnableConfig,
    reasons: Sequence[str],
    *,
    person: bool = False,
) -> Calls[Any]:
    """End the session with what it has; branches that have answers are judged first."""
    reason = " ".join(dict.fromkeys(reasons))
    verdict = Verdict(action="stop", reason=reason)
    if person:
        verdict["decided_by"] = "person"
    branches = state.get("branches") or []
    left = to_review(open_turns(state), graph.rules(state, config))
    if branches and len(left) < len(branches):
        return {"turns": [refused_turn(t, graph.paid(t, config).key, reason) for t in left]}
    yield from graph.ledgers.close(config, graph.name, state.get("turns") or ())
    yield from remember_question(graph, state.get("turns") or (), config)
    update: dict[str, Any] = {"verdict": verdict, "pending": None}
    update["spent_usd"] = spent_usd(state.get("turns") or [])
    update |= answer_update(state, verdict)
    return {**update, "branches": []} if branches else update
