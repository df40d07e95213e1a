"""review: a person decides what becomes of the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ...errors import InvalidRequest
from ...options import SessionLimits
from ..approval import check_raised, final_objections, limit_objections, price_objections
from ..evaluation import check_verdict
from ..graph_config import GraphConfig
from ..human_review.decision import ask_until_valid, verdict_from_decision
from ..human_review.request import review_request
from ..human_review.schemas import HumanAnswer, HumanDecision
from ..state import ResearchState, Verdict
from .evaluate import apply_verdict, planned_by


def review(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Ask until the answer is valid, and act on it."""
    verdict = state.get("verdict")
    if not verdict or not state.get("turns"):
        raise InvalidRequest(
            ["There is no answer in the state that a person could review."],
            hint="Nothing was sent. Invoke the graph with a question.",
        )
    proposal = cast(Verdict, verdict.get("proposal") or Verdict(action="accept"))
    rules = yield from graph.rules(state, config).with_quotas()
    turns, limits = state["turns"], rules.limits

    def verdict_of(decision: HumanDecision) -> Verdict:
        decided = verdict_from_decision(decision, proposal, verdict.get("reason"))
        return check_verdict(decided, head=state.get("interaction_id"))

    def decide(given: HumanAnswer, may: bool) -> Calls[Any]:
        decided = verdict_of(given["decisions"][0])
        if decided["action"] == "review":
            raise InvalidRequest(["Decide yourself: accept, follow_up, branch or stop."])
        then: SessionLimits = {**limits, **given.get("limits", {})}
        if "limits" in given:
            check_raised(then, rules, may=may)
        sealed = rules.seal_limits(then)
        planned = planned_by(graph, state, decided)
        # Where the session stops at its limits, what is approved here would not be started.
        if beyond := final_objections(turns, planned, planned, replace(rules, given=sealed)):
            raise InvalidRequest([*beyond, "Give higher `limits`, or decide otherwise."])
        update = yield from apply_verdict(graph, state, config, decided)
        return {**update, "limits": sealed} if "limits" in given else update

    try:
        planned = planned_by(graph, state, verdict_of({"type": "approve"}))
        objections = graph.too_long(planned) + price_objections(planned, rules)
        objections += limit_objections(turns, planned, planned, rules)
    except InvalidRequest as error:  # a person may still decide otherwise
        planned, objections = [], [f"What is proposed would be refused: {error.message}"]
    request = review_request(
        turns, verdict, proposal, limits, planned=planned, objections=objections
    )
    return (yield from ask_until_valid(config, request, decide, graph))
