"""review: a person decides what becomes of the answer."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ...errors import InvalidRequest
from ..evaluation import check_verdict
from ..graph_config import GraphConfig
from ..human_review.decision import ask_until_valid, verdict_from_decision
from ..human_review.request import review_request
from ..human_review.schemas import HumanAnswer
from ..state import ResearchState, Verdict
from .evaluate import apply_verdict


def review(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Ask until the answer is valid, and act on it."""
    verdict = state["verdict"]
    proposal = cast(Verdict, verdict.get("proposal") or Verdict(action="accept"))
    request = review_request(state["turns"], verdict, proposal, graph.session_limits(state))

    def decide(given: HumanAnswer) -> Calls[Any]:
        decision = verdict_from_decision(given["decisions"][0], proposal, verdict.get("reason"))
        decided = check_verdict(decision, head=state.get("interaction_id"))
        if decided["action"] == "review":
            raise InvalidRequest(["Decide yourself: accept, follow_up, branch or stop."])
        update = yield from apply_verdict(graph, state, config, decided)
        if "limits" in given:
            update["limits"] = {**graph.session_limits(state), **given["limits"]}
        return update

    return (yield from ask_until_valid(config, request, decide))
