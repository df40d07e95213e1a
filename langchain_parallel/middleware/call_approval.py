"""Decides which planned runs may start: by their price, the session's limits, and a person's approval.

Rule: all runs that one model message asks for are reviewed together, in their order, before any of them is
sent; so no two can take the same dollar. What was reviewed and cleared counts as spent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._graph.runtime import checkpointer_of, shown_to_person
from ..options import SessionLimits
from ..research.approval import (
    check_asked_once,
    declined,
    is_approved,
    price_objections,
    request_approval,
)
from ..research.human_review import HumanDecision, apply_edit, is_about
from ..research.usage import exceeded_limits
from .agent_config import AgentConfig
from .agent_state import AgentTurn, Research, is_active, is_ended
from .call_plan import answered


class ReviewedCalls(NamedTuple):
    """Records with what was decided on them, and the limits if they were changed."""

    records: Research
    limits: SessionLimits | None = None


def review_calls(
    agent: AgentConfig, state: Mapping[str, Any], planned: Research, config: RunnableConfig
) -> Calls[ReviewedCalls]:
    """The planned records, each cleared to start or declined with the reason.

    Ends this step with an interrupt where a person has to approve.
    """
    shown = (yield from shown_to_person(config)) if planned else None
    review = _review(agent, state, planned, config, shown)
    if not review.held:
        return ReviewedCalls(review.records)
    research = agent.research(state)

    def edit(record: AgentTurn, decision: HumanDecision) -> AgentTurn:
        edited = _with_parent(research, record, apply_edit(record, decision))
        agent.check(edited)
        return edited

    def go_on(decided: list[AgentTurn], changed: SessionLimits | None) -> Calls[ReviewedCalls]:
        yield from ()
        kept = [r for r in decided if r["status"] == "planned"]
        for edited in (record for record in kept if record.get("edited")):
            check_asked_once([edited], [*review.counted, *(r for r in kept if r is not edited)])
        records = {record["handle"]: _seen(record) for record in decided}
        return ReviewedCalls({**review.records, **records}, changed)

    return (
        yield from request_approval(
            config,
            review.ended,
            list(review.held.values()),
            review.reasons,
            agent.session_limits(state),
            edit=edit,
            counted=review.counted,
            may_raise=agent.limits.on_exceed == "ask",
            then=go_on,
        )
    )


def assume_approved(
    agent: AgentConfig, state: Mapping[str, Any], planned: Research, config: RunnableConfig
) -> Research:
    """The planned records as the tool that makes their call will have them after `review_calls`; where a
    person is asked, approval is assumed.
    """
    return _review(agent, state, planned, config).records


class _Review(NamedTuple):
    records: Research
    """All of them; those that may not start are declined."""
    held: Research
    """Those that wait for a person."""
    reasons: list[str]
    ended: list[AgentTurn]
    counted: list[AgentTurn]
    """Those under way or cleared to start: they count against the limits."""


def _review(
    agent: AgentConfig,
    state: Mapping[str, Any],
    planned: Research,
    config: RunnableConfig,
    shown: Any = None,
) -> _Review:
    research = {k: r for k, r in agent.research(state).items() if k not in planned}
    limits, can_ask = agent.session_limits(state), checkpointer_of(config) is not None
    ended = [r for r in research.values() if is_ended(r) and r["status"] != "declined"]
    counted = [r for r in research.values() if is_active(r) or r["status"] == "planned"]
    records, held = dict(planned), Research()
    reasons: dict[str, None] = {}
    for handle, record in planned.items():
        beyond = list(exceeded_limits(ended, [*counted, record], limits))
        why = [*price_objections([record], agent.limits), *beyond]
        if not why and is_about(shown, record):
            why = list(shown["reasons"])  # a person was asked, so the answer counts
        if not why or is_approved(record):
            counted.append(record)
        elif not can_ask or (beyond and agent.limits.on_exceed == "stop"):
            records[handle] = _seen(declined(record, " ".join(why)))
        elif is_about(shown) and not is_about(shown, record):
            # LangGraph would give this call the answer to the other one.
            another = (
                "A person was asked about another call beside this one; make this one again, alone."
            )
            records[handle] = _seen(declined(record, " ".join([*why, another])))
        else:
            held[handle] = record
            reasons.update(dict.fromkeys(why))
    return _Review(records, held, list(reasons), ended, counted)


def _seen(record: AgentTurn) -> AgentTurn:
    """A declined record needs no announcement: the call's own answer tells the model."""
    return {**record, "seen_by_model": True} if record["status"] == "declined" else record


def _with_parent(research: Research, record: AgentTurn, edited: AgentTurn) -> AgentTurn:
    """The edited record, with its parent by interaction id and by handle: a person may give either."""
    parent, before = edited["parent_interaction_id"], record["parent_interaction_id"]
    edited = {**edited, "edited": True}
    if parent is None:
        return {**edited, "parent_handle": None}
    if parent == before:
        return edited
    handles = {r["interaction_id"]: r["handle"] for r in research.values() if r["interaction_id"]}
    found = answered(research, handles.get(parent, parent))
    return {
        **edited,
        "parent_interaction_id": found["interaction_id"],
        "parent_handle": found["handle"],
    }
