"""Which records of an agent's state are this thread's.

Rule: behind a LangGraph server, whose users can edit the states of their threads, a record is used only if
this package has sealed what it says of run, interaction and ledger, or if the API says that its run was
started for this thread (`_graph/ownership.py`). Another one keeps its place: its handle and position are
taken, and its cost counts. But it is not asked after, read, parked for or built on; and it stays in the
state, because it may be proven later. A record of another user's run (`withheld`) has no seal and is never
asked after: it counts, and neither its ledger nor its ids are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._graph.ownership import is_sealed, prove_plan, prove_run
from ..errors import ParallelError
from ..processors import is_chat
from .agent_config import AgentConfig
from .agent_state import UNPROVEN, WITHHELD, AgentTurn, Research

_ASKED = 100
"""Most records that the API is asked about in one step, the latest ones."""
_WITH_RUN = ("running", "action_required", "completed")


class OwnRecords(NamedTuple):
    """What an agent may use of its state."""

    state: Mapping[str, Any]
    sealed: Research
    """Records that the API has proven, to be kept with their new seals."""


def prove_records(
    agent: AgentConfig, state: Mapping[str, Any], config: RunnableConfig
) -> Calls[OwnRecords]:
    """The state with the records that may be used; the others are there as `unproven`.

    It takes a request only for a record that has no seal of this account.
    """
    research = agent.research(state)
    if not research or agent.trusts_ids(config):
        return OwnRecords(state, {})
    proven = own_records(agent, research, config)
    doubtful = [handle for handle, record in proven.items() if record["status"] == UNPROVEN]
    sealed: Research = {}
    for handle in doubtful[-_ASKED:]:
        if record := (yield from _prove(agent, research[handle], config, proven)):
            sealed[handle] = record
    return OwnRecords({**state, agent.names.records: {**proven, **sealed}}, sealed)


def own_records(agent: AgentConfig, research: Research, config: RunnableConfig) -> Research:
    """The records, with those as `unproven` that have no seal of this account."""
    if agent.trusts_ids(config):
        return research
    return {handle: _as_own(agent, record) for handle, record in research.items()}


def _as_own(agent: AgentConfig, record: AgentTurn) -> AgentTurn:
    if record["status"] == WITHHELD:  # it counts, and the API need not be asked
        return {**_empty_record(record), "ledger_id": ""}
    is_own = _is_whole(record) and is_sealed(agent.clients.seals, record)
    return record if is_own else {**_empty_record(record), "status": UNPROVEN}


def _is_whole(record: AgentTurn) -> bool:
    """Whether it names a run if its status says that it has one: without, its seal is that of a plan, or of
    the interaction of a quick turn.
    """
    if is_chat(record["processor"]) and not record["run_id"]:
        return record["status"] not in ("running", "action_required")
    has_run = record["interaction_id"] is not None or record["status"] in _WITH_RUN
    return bool(record["run_id"]) or not has_run


def _prove(
    agent: AgentConfig, record: AgentTurn, config: RunnableConfig, research: Research
) -> Calls[AgentTurn | None]:
    """The record with a seal, if the API says that it is this thread's."""
    if not _is_whole(record):
        return None
    ledger_id, own = record["ledger_id"], [r for r in research.values() if r["ledger_id"]]
    try:
        if record["run_id"]:
            return (yield from prove_run(agent, record, ledger_id, config))
        if record["interaction_id"]:  # of a quick turn, of which the API cannot be asked
            return None
        return (yield from prove_plan(agent, record, ledger_id, config, own))
    except ParallelError:  # it is another's, or the API cannot be asked now
        return None


def _empty_record(record: AgentTurn) -> AgentTurn:
    """The record without what nothing proves; the model need not be told of it at its next turn."""
    empty: AgentTurn = {**record, "interaction_id": None, "content": None, "citations": []}
    return {**empty, "warnings": [], "error": None, "seen_by_model": True}
