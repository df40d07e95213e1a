"""review: a person decides what becomes of the answer."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.runnables import RunnableConfig

from ..._calls import Calls
from ..._langgraph import ask_person
from ...errors import InvalidRequest
from ..evaluation import checked
from ..people import PersonRequest, response_schema, review_request, reviewed, understood
from ..researcher import Researcher
from ..state import ResearchState, Verdict
from .evaluate import decided


def review(researcher: Researcher, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Ask until the answer is understood, and do as it says."""
    verdict = state["verdict"]
    proposal = cast(Verdict, verdict.get("proposal") or Verdict(action="accept"))
    request = review_request(state["turns"], verdict, proposal, researcher.limits(state))
    while True:
        answer = ask_person(config, request, response_schema(request))
        try:
            return (yield from _answered(researcher, state, config, request, answer))
        except InvalidRequest as error:
            request = {**request, "refused": list(error.problems)}


def _answered(
    researcher: Researcher,
    state: ResearchState,
    config: RunnableConfig,
    request: PersonRequest,
    answer: object,
) -> Calls[Any]:
    given = understood(answer, request)
    proposal = cast(Verdict, state["verdict"].get("proposal") or Verdict(action="accept"))
    verdict = checked(
        reviewed(given["decisions"][0], proposal, state["verdict"].get("reason")),
        head=state.get("interaction_id"),
    )
    if verdict["action"] == "review":
        raise InvalidRequest(["Decide yourself: accept, follow_up, branch or stop."])
    update = yield from decided(researcher, state, config, verdict)
    if "budget" in given:
        update["budget"] = {**researcher.limits(state), **given["budget"]}
    return update
