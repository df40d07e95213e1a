"""The ledger of an agent's session.

Rule: one ledger for a session (R4). A sub-agent's task is a session of its own.
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
from .._graph.runtime import FIRST_INPUT, checkpointer_of, input_of, parent_task
from .agent_config import AgentConfig
from .agent_state import UNPROVEN


def agent_ledger(
    agent: AgentConfig, state: Mapping[str, Any], config: RunnableConfig, message_id: str
) -> Calls[str]:
    """The session's ledger: the state's, the one that is recorded for the thread, or a new one.

    `state`: with proven records (`own_records.py`).
    """
    known = state.get(agent.names.ledger)
    if known and _is_own_ledger(agent, state, known, config):
        return (yield from agent.ledgers.replacement(known, config)) or str(known)
    if checkpointer_of(config) is None:
        # Such an agent ends with its invocation: the same question in the next one is a new run. By message:
        # all its calls get one ledger.
        return (yield from agent.ledgers.of(config, message_id))
    # LangGraph does not tell a sub-agent's second task from a retry of the first, so the task counts, too.
    parent = parent_task(config)
    within = parent and f"in {parent} for {_task_digest(state)}"
    name = ["agent", config.get("metadata", {}).get("lc_agent_name"), agent.names.name, within]
    asked = yield from input_of(config)
    return (
        yield from agent.ledgers.of(
            config,
            " ".join(filter(None, name)),
            first_input_at=asked.at if asked.after == FIRST_INPUT else None,
        )
    )


def _is_own_ledger(
    agent: AgentConfig, state: Mapping[str, Any], ledger_id: str, config: RunnableConfig
) -> bool:
    """Whether the state's ledger is one of its records'; of another, the thread's own takes the place."""
    own = (r["ledger_id"] for r in agent.research(state).values() if r["status"] != UNPROVEN)
    return agent.trusts_ids(config) or ledger_id in own


def _task_digest(state: Mapping[str, Any]) -> str:
    before = takewhile(lambda one: not isinstance(one, AIMessage), state.get("messages") or ())
    words = json.dumps([getattr(message, "content", "") for message in before], default=str)
    return hashlib.sha256(words.encode()).hexdigest()[:12]
