"""Whether planned runs may be started: by price, by budget, and by a person's word.

Rule: all runs that one model message asks for are weighed together, in their order, before any of them is
sent; so no two can take the same dollar. What was weighed and admitted counts as spent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig

from .._calls import Calls
from .._langgraph import checkpointer_of
from ..errors import InvalidRequest
from ..processors import dearer
from ..research.budget import objections, raised, used_with
from ..research.people import (
    Decision,
    PersonAnswer,
    redirected,
    spend_request,
    until_understood,
)
from ..research.state import Budget
from .planning import answered
from .setup import Setup, pending_of
from .state import AgentTurn, Research, is_active, is_ended

_NOBODY = "Nobody was asked."


class Admission(NamedTuple):
    """Records with what was decided on them, and limits if they were raised."""

    records: Research
    budget: Budget | None = None


def admit(
    setup: Setup, state: Mapping[str, Any], planned: Research, config: RunnableConfig
) -> Calls[Admission]:
    """The planned records: free to be started, or declined with the reason.

    Ends this step with an interrupt where a person has to say yes.
    """
    research = {k: r for k, r in setup.research(state).items() if k not in planned}
    free, held, reasons = _weighed(setup, state, research, planned)
    if not held:
        return Admission(planned)
    if not _can_ask(setup, held, config):
        kept = {handle: _declined(planned[handle], " ".join(reasons)) for handle in held}
        return Admission({**planned, **kept})
    taken = [r for r in (*research.values(), *free.values()) if _ran(r) or _counts(r)]
    limits = setup.limits(state)
    pending = [pending_of(record) for record in held.values()]
    request = spend_request(taken, pending, reasons, limits)

    def decide(given: PersonAnswer) -> Calls[Admission]:
        yield from ()
        decided = _decided(setup, research, held, given)
        return Admission({**planned, **decided}, _budget(limits, taken, decided, given))

    return (yield from until_understood(config, request, decide))


def as_admitted(
    setup: Setup, state: Mapping[str, Any], planned: Research, config: RunnableConfig
) -> Research:
    """The planned records as `admit` leaves them in the tool that makes their call; what a person is asked
    there counts as admitted.
    """
    research = {k: r for k, r in setup.research(state).items() if k not in planned}
    _, held, reasons = _weighed(setup, state, research, planned)
    if not held or _can_ask(setup, held, config):
        return planned
    return {**planned, **{h: _declined(r, " ".join(reasons)) for h, r in held.items()}}


def _weighed(
    setup: Setup, state: Mapping[str, Any], research: Research, planned: Research
) -> tuple[Research, Research, list[str]]:
    """Which runs may be started, which may not, and why."""
    limits = setup.limits(state)
    ended = [record for record in research.values() if _ran(record)]
    under_way = [pending_of(record) for record in research.values() if _counts(record)]
    free: Research = {}
    held: Research = {}
    reasons: dict[str, None] = {}
    for handle, record in planned.items():
        why = _too_dear(setup, record)
        asked = [*under_way, *map(pending_of, free.values()), pending_of(record)]
        why += list(objections(ended, asked, limits))
        if why and not record.get("approved"):
            held[handle] = record
            reasons.update(dict.fromkeys(why))
        else:
            free[handle] = record
    return free, held, list(reasons)


def _ran(record: AgentTurn) -> bool:
    """Whether it is over, and ever was."""
    return is_ended(record) and record["status"] != "declined"


def _counts(record: AgentTurn) -> bool:
    """Whether it is not over, and its money is promised."""
    return is_active(record) or record["status"] == "planned"


def _too_dear(setup: Setup, record: AgentTurn) -> list[str]:
    limit = setup.approve_above
    if limit is None or not dearer(record["processor"], limit):
        return []
    return [f"{record['processor']} costs more than {limit}."]


def _can_ask(setup: Setup, held: Research, config: RunnableConfig) -> bool:
    dear = any(_too_dear(setup, record) for record in held.values())
    return checkpointer_of(config) is not None and (dear or setup.on_budget == "ask")


def _declined(record: AgentTurn, reason: str) -> AgentTurn:
    return {**record, "status": "declined", "error": reason, "cost_usd": 0.0, "told": True}


def _decided(setup: Setup, research: Research, held: Research, given: PersonAnswer) -> Research:
    pairs = zip(held.items(), given["decisions"], strict=True)
    return {handle: _after(setup, research, record, said) for (handle, record), said in pairs}


def _after(setup: Setup, research: Research, record: AgentTurn, said: Decision) -> AgentTurn:
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
    limits: Budget, taken: Sequence[AgentTurn], decided: Research, given: PersonAnswer
) -> Budget | None:
    runs = [pending_of(r) for r in decided.values() if r["status"] == "planned"]
    if (more := given.get("budget")) is None:
        needed = raised(limits, used_with(list(taken), runs)) if runs else limits
        return None if needed == limits else needed
    limits = {**limits, **more}
    problems = list(objections(list(taken), runs, limits))
    if problems:
        raise InvalidRequest([f"The new budget is too small. {problem}" for problem in problems])
    return limits
