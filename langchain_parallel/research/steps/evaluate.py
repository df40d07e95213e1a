"""evaluate: judge the answer; ask again only within `max_runs_per_question`."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..._core.plain_text import count
from ..._graph.ownership import prove_interaction
from ..._graph.runtime import is_resumable
from ...errors import InvalidRequest
from ..answering import findings_channel
from ..approval import NO_PERSON, check_asked_once
from ..ended_question import remember_question
from ..evaluation import BuiltInEvaluator, consult, last_round, questions_of
from ..graph_config import GraphConfig
from ..messages import answer_update
from ..quick_turns import lost_turns
from ..state import ResearchState, Turn, Verdict, change, merge_turns
from ..turns import check_continues, question_text, runs_since_question
from ..usage import spent_usd
from .plan import next_turns


def evaluate(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """The verdict on the last turn, and what the session has cost."""
    found = findings_channel(state)
    seen = cast(ResearchState, {**state, **found})
    verdict = yield from consult(graph.evaluate, seen, config)
    verdict = _not_again(state, _within_limit(graph, state, verdict))
    if verdict["action"] == "review" and not is_resumable(config):
        verdict = _stop(NO_PERSON, verdict)
    try:
        if isinstance(graph.evaluate, BuiltInEvaluator) and (
            problems := graph.too_long(planned_by(graph, state, verdict))
        ):
            raise InvalidRequest(problems)
        return (yield from apply_verdict(graph, state, config, verdict, found))
    except InvalidRequest as error:
        if not isinstance(graph.evaluate, BuiltInEvaluator):
            raise  # the caller's function can be corrected
        stop = _stop(f"What was to be asked next would be refused: {error.message}", verdict)
        return (yield from apply_verdict(graph, state, config, stop, found))


def apply_verdict(
    graph: GraphConfig,
    state: ResearchState,
    config: RunnableConfig,
    verdict: Verdict,
    found: dict[str, Any] | None = None,
) -> Calls[Any]:
    """What a verdict changes in the state. `found`: the update of the findings, where it is made already.

    Raises:
        InvalidRequest: What it asks for would be refused by the API, or builds on another thread's
            research. Refused here, it can still be corrected.
    """
    update = _changes(state, verdict)
    # Planned here only to find what would be refused, while the evaluator can still be corrected.
    planned = planned_by(graph, state, verdict)
    for parent in dict.fromkeys(turn["parent_interaction_id"] for turn in planned):
        yield from prove_interaction(graph, parent, config, state["turns"], [])
    if verdict["action"] == "review":
        update |= found or findings_channel(state)
    elif not planned:
        turns = state["turns"]
        is_first = runs_since_question(turns) == len(turns)
        yield from graph.ledgers.close(config, graph.name, turns, is_first=is_first)
        yield from remember_question(graph, state["turns"], config)
        update |= answer_update(state, verdict, found)
    return update


def planned_by(graph: GraphConfig, state: ResearchState, verdict: Verdict) -> list[Turn]:
    """The turns that a verdict leads to, as `plan` makes them from the state that the verdict is put into.

    Raises:
        InvalidRequest: What it asks for would be refused by the API, or paid for twice.
    """
    for question in questions_of(verdict):
        check_continues(state, question.get("continue_from"))
    if not questions_of(verdict):
        return []
    update = _changes(state, verdict)
    update["turns"] = merge_turns(state["turns"], update["turns"])
    planned = next_turns(graph, cast(ResearchState, {**state, **update}))
    check_asked_once(planned, [])
    return planned


def _changes(state: ResearchState, verdict: Verdict) -> dict[str, Any]:
    update: dict[str, Any] = {
        "verdict": verdict,
        "turns": [change(turn, verdict=verdict) for turn in last_round(state["turns"])],
        "spent_usd": spent_usd(state["turns"]),
    }
    if questions_of(verdict):
        update["question"] = question_text(verdict)
    return update


def _within_limit(graph: GraphConfig, state: ResearchState, verdict: Verdict) -> Verdict:
    more = len(questions_of(verdict))
    if more and runs_since_question(state["turns"]) + more > graph.limits.max_runs_per_question:
        limit = count(graph.limits.max_runs_per_question, "run")
        why = f"The answer stands: a question gets {limit} at most (max_runs_per_question)."
        return _stop(why + " Not asked further:" * bool(verdict.get("reason")), verdict)
    return verdict


def _not_again(state: ResearchState, verdict: Verdict) -> Verdict:
    """What is asked after a lost answer is for a person to decide: that one may be paid for."""
    lost = lost_turns(last_round(state["turns"]))
    if not lost or not questions_of(verdict):
        return verdict
    reason = f"{lost[0]['error']} {verdict.get('reason', '')}".strip()
    return Verdict(action="review", reason=reason, proposal={**verdict})


def _stop(why: str, verdict: Verdict) -> Verdict:
    return Verdict(action="stop", reason=f"{why} {verdict.get('reason', '')}".strip())
