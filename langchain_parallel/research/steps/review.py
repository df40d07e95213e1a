"""review: a person decides what becomes of the answer."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ...errors import InvalidRequest
from ..evaluation import check_verdict
from ..graph_config import GraphConfig
from ..human_review import PersonAnswer, ask_until_valid, review_request, reviewed
from ..state import ResearchState, Verdict
from .evaluate import decided


def review(researcher: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Ask until the answer is understood, and do as it says."""
    verdict = state["verdict"]
    proposal = cast(Verdict, verdict.get("proposal") or Verdict(action="accept"))
    request = review_request(state["turns"], verdict, proposal, researcher.limits(state))

    def decide(given: PersonAnswer) -> Calls[Any]:
        return _answered(researcher, state, config, given, proposal)

    return (yield from ask_until_valid(config, request, decide))


def _answered(
    researcher: GraphConfig,
    state: ResearchState,
    config: RunnableConfig,
    given: PersonAnswer,
    proposal: Verdict,
) -> Calls[Any]:
    verdict = check_verdict(
        reviewed(given["decisions"][0], proposal, state["verdict"].get("reason")),
        head=state.get("interaction_id"),
    )
    if verdict["action"] == "review":
        raise InvalidRequest(["Decide yourself: accept, follow_up, branch or stop."])
    update = yield from decided(researcher, state, config, verdict)
    if "budget" in given:
        update["budget"] = {**researcher.limits(state), **given["budget"]}
    return update
