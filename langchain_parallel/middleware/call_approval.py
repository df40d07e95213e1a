"""Whether planned runs may be started: by price, by budget, and by a person's word.

Rule: all runs that one model message asks for are weighed together, in their order, before any of them is
sent; so no two can take the same dollar. What was weighed and admitted counts as spent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._graph.runtime import checkpointer_of
from ..errors import InvalidRequest
from ..processors import costs_more, price_usd
from ..research.budget import objections, raised, used_with
from ..research.human_review import (
    Decision,
    PersonAnswer,
    ask_until_valid,
    redirected,
    spend_request,
)
from ..research.state import Budget
from .agent_config import AgentConfig, pending_of
from .agent_state import AgentTurn, Research, is_active, is_ended
from .call_plan import answered

_NOBODY = "Nobody was asked."


class Admission(NamedTuple):
    """Records with what was decided on them, and limits if they were raised."""

    records: Research
    budget: Budget | None = None


def admit(
    setup: AgentConfig, state: Mapping[str, Any], planned: Research, config: RunnableConfig
) -> Calls[Admission]:
    """The planned records: free to be started, or declined with the reason.

    Ends this step with an interrupt where a person has to say yes.
    """
    weighed = _weighed(setup, state, planned, config)
    if not weighed.held:
        return Admission(weighed.records)
    taken, limits = weighed.taken, setup.limits(state)
    pending = [pending_of(record) for record in weighed.held.values()]
    request = spend_request(taken, pending, weighed.reasons, limits)

    def decide(given: PersonAnswer) -> Calls[Admission]:
        yield from ()
        decided = _decided(setup, setup.research(state), weighed.held, given)
        budget = _budget(setup, limits, taken, decided, given)
        return Admission({**weighed.records, **decided}, budget)

    return (yield from ask_until_valid(config, request, decide))


def as_admitted(
    setup: AgentConfig, state: Mapping[str, Any], planned: Research, config: RunnableConfig
) -> Research:
    """The planned records as `admit` leaves them in the tool that makes their call; what a person is asked
    there counts as admitted.
    """
    return _weighed(setup, state, planned, config).records


class _Weighed(NamedTuple):
    records: Research
    """All of them; those that cannot be are declined."""
    held: Research
    """Those that a person is asked about."""
    reasons: list[str]
    taken: list[AgentTurn]
    """What else counts: what is over, under way, or free to be started."""


def _weighed(
    setup: AgentConfig, state: Mapping[str, Any], planned: Research, config: RunnableConfig
) -> _Weighed:
    research = {k: r for k, r in setup.research(state).items() if k not in planned}
    limits, asks = setup.limits(state), checkpointer_of(config) is not None
    ended = [record for record in research.values() if _ran(record)]
    under_way = [pending_of(record) for record in research.values() if _counts(record)]
    free: Research = {}
    held: Research = {}
    declined: Research = {}
    reasons: dict[str, None] = {}
    for handle, record in planned.items():
        others = [*under_way, *map(pending_of, free.values())]
        beyond = list(objections(ended, [*others, pending_of(record)], limits))
        why = _too_dear(setup, record) + beyond
        if not why or record.get("approved"):
            free[handle] = record
        elif not asks or (beyond and setup.on_budget == "stop"):
            declined[handle] = _declined(record, " ".join(why))
        else:
            held[handle] = record
            reasons.update(dict.fromkeys(why))
    taken = [r for r in (*research.values(), *free.values()) if _ran(r) or _counts(r)]
    return _Weighed({**planned, **declined}, held, list(reasons), taken)


def _ran(record: AgentTurn) -> bool:
    """Whether it is over, and ever was."""
    return is_ended(record) and record["status"] != "declined"


def _counts(record: AgentTurn) -> bool:
    """Whether it is not over, and its money is promised."""
    return is_active(record) or record["status"] == "planned"


def _too_dear(setup: AgentConfig, record: AgentTurn) -> list[str]:
    limit = setup.approve_above
    if limit is None or not costs_more(record["processor"], limit):
        return []
    return [f"{record['processor']} costs more than {limit}."]


def _declined(record: AgentTurn, reason: str) -> AgentTurn:
    return {**record, "status": "declined", "error": reason, "cost_usd": 0.0, "told": True}


def _decided(
    setup: AgentConfig, research: Research, held: Research, given: PersonAnswer
) -> Research:
    pairs = zip(held.items(), given["decisions"], strict=True)
    return {handle: _after(setup, research, record, said) for (handle, record), said in pairs}


def _after(setup: AgentConfig, research: Research, record: AgentTurn, said: Decision) -> AgentTurn:
    if said["type"] == "reject":
        return _declined(record, said.get("message") or "A person said no.")
    if said["type"] == "approve":
        return {**record, "approved": True}
    changed = redirected(pending_of(record), said)
    parent, before = changed["parent_interaction_id"], record["parent_interaction_id"]
    found = None if parent in (None, before) else _named(research, str(parent))
    edited: AgentTurn = {
        **record,
        "question": changed["question"],
        "asked_by": changed["asked_by"],
        "processor": changed["processor"],
        "cost_usd": price_usd(changed["processor"]),
        "parent_interaction_id": found["interaction_id"] if found else parent,
        "parent_handle": found["handle"] if found else parent and record["parent_handle"],
        "approved": True,
        "edited": True,
    }
    setup.check(edited)
    return edited


def _named(research: Research, name: str) -> AgentTurn:
    """What a person wants it to continue from: by interaction id, or by handle as the model does."""
    handles = {r["interaction_id"]: r["handle"] for r in research.values() if r["interaction_id"]}
    return answered(research, handles.get(name, name))


def _budget(
    setup: AgentConfig,
    limits: Budget,
    taken: Sequence[AgentTurn],
    decided: Research,
    given: PersonAnswer,
) -> Budget | None:
    runs = [pending_of(r) for r in decided.values() if r["status"] == "planned"]
    more = given.get("budget")
    if more is None and setup.on_budget == "stop":
        more = Budget()  # nothing passes these limits, unless a person sets others
    if more is None:
        needed = raised(limits, used_with(list(taken), runs)) if runs else limits
        return None if needed == limits else needed
    limits = {**limits, **more}
    problems = list(objections(list(taken), runs, limits))
    if problems:
        raise InvalidRequest([f"The budget is too small. {problem}" for problem in problems])
    return limits if more else None
