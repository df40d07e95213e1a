"""Runs of an agent: started once, followed to their answer. Everything but `start` is free.

Rule: `start` finds the run in the ledger or sends it; the handle is its position there (R3). So a tool that
is run again (a kill, a retry, a resumed interrupt, a replayed message) finds what it has paid for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._graph.runtime import (
    FIRST_INPUT,
    checkpointer_of,
    input_of,
    parent_task,
    runtime_of,
    thread_id_of,
    was_resumed_recently,
)
from .._graph.session_ledger import stored_ledger
from ..errors import ActionRequired, ParallelError, RunCancelled, RunFailed
from ..models import Submission
from ..research.cost_events import emit_cost
from ..research.turns import answered_turn, failed_turn, running_turn, submission_of
from ..text.untrusted import harmless
from ..tools.tool_messages import error_for_model
from .agent_config import AgentConfig
from .agent_state import AgentTurn, Research, is_ended, short, turns_of
from .citations import number_citations
from .recovery import sent_before


def durable(agent: AgentConfig, state: Mapping[str, Any], config: RunnableConfig) -> bool:
    """Whether the ledger is stored where it survives this process. Without a checkpointer nothing is."""
    runtime = runtime_of(config)
    stored = runtime is not None and runtime.store is not None and thread_id_of(config) is not None
    return bool(state.get(agent.names.ledger)) or stored or checkpointer_of(config) is None


def ledger_of(
    agent: AgentConfig, state: Mapping[str, Any], config: RunnableConfig, message_id: str
) -> Calls[str]:
    """The session's ledger: the state's, the store's, or a new one.

    Without a checkpointer the store is not used: such an agent ends with its invocation, so the same question
    in the next invocation is a new run.
    """
    if known := state.get(agent.names.ledger):
        return str(known)
    runtime, thread_id = runtime_of(config), thread_id_of(config)
    store = runtime.store if runtime else None
    if store is None or thread_id is None or checkpointer_of(config) is None:
        return (yield from agent.ledgers.of(message_id, agent.clients))
    agent_name, parent = config.get("metadata", {}).get("lc_agent_name"), parent_task(config)
    within = parent and f"in {parent} for {_task_digest(state)}"
    name = " ".join(filter(None, ["agent", agent_name, agent.names.name, within]))
    asked = yield from input_of(config)
    first = asked.at if asked.after == FIRST_INPUT else None
    return (yield from stored_ledger(agent.clients, store, thread_id, name, first))


def _task_digest(state: Mapping[str, Any]) -> str:
    """A hash of a sub-agent's task: LangGraph's ids do not tell a second task from a retry."""
    before = takewhile(lambda one: not isinstance(one, AIMessage), state.get("messages") or ())
    words = json.dumps([getattr(message, "content", "") for message in before], default=str)
    return hashlib.sha256(words.encode()).hexdigest()[:12]


def kept_in(ledger_id: str, record: AgentTurn, config: RunnableConfig) -> AgentTurn:
    """The record with its ledger; in a sub-agent its citations carry the ledger's name."""
    kept: AgentTurn = {**record, "ledger_id": ledger_id}
    if ledger_id and parent_task(config):
        kept["counts_as"] = short(ledger_id)
    return kept


def start(
    agent: AgentConfig, record: AgentTurn, ledger_id: str, config: RunnableConfig
) -> Calls[AgentTurn]:
    """Find the record's run or start it: the one step that costs money. Errors are put into the record."""
    planned_here = agent.is_planned_here(record.get("plan_id"))
    here = kept_in(ledger_id, record, config)
    try:
        if record.get("planned_key") != agent.key(record):
            before = yield from sent_before(agent, here, config)
            if before is not None:
                return before
        surely_first = planned_here and not was_resumed_recently(config)
        lookup: Any = "once" if surely_first else "until_settled"
        found = yield from agent.run(here, config).submit(ledger_id, lookup=lookup)
    except ParallelError as error:
        return _not_started(here, error)
    return running_record(here, found)


def running_record(record: AgentTurn, found: Submission) -> AgentTurn:
    """A record whose run was found or started."""
    return {**record, **running_turn(record, found)}


def _not_started(record: AgentTurn, error: ParallelError) -> AgentTurn:
    if error.billed is False:
        return unsent_record(record, error)
    return {**record, "status": "unknown", "error": harmless(error.message)}


def unsent_record(record: AgentTurn, error: ParallelError) -> AgentTurn:
    """The record of a run that this error kept from starting; one that was declined stays declined."""
    if record["status"] != "planned":
        return record
    error.billed = False
    return {**record, "status": "refused", "error": error_for_model(error), "cost_usd": 0.0}


def finish(
    agent: AgentConfig,
    research: Research,
    record: AgentTurn,
    config: RunnableConfig,
    *,
    has_ended: bool,
) -> Calls[AgentTurn]:
    """Follow a run, its progress on the custom stream, and put its answer into the record.

    If a run cannot be followed to its end, its record keeps its status and gets the error. With `has_ended`,
    only the answer is fetched.
    """
    submission = submission_of(record, record["ledger_id"])
    try:
        got = yield from agent.run(record, config).answer(submission, has_ended=has_ended)
    except (RunFailed, RunCancelled) as error:
        turn = failed_turn(record, error)
    except ActionRequired as error:
        return {**record, "status": "action_required", "error": harmless(error.message)}
    except ParallelError as error:
        return {**record, "error": harmless(error.message)}
    else:
        turn = answered_turn(record, got, keep_excerpts=False)
    done: AgentTurn = {**record, **turn}
    done["citations"] = number_citations(done, research)
    others = {h: r for h, r in research.items() if h != record["handle"] and is_ended(r)}
    yield from emit_cost([done], {"turns": turns_of(others)}, config)
    return done
