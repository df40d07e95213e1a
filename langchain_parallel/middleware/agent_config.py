"""What the hooks and tools of one middleware share: its configuration, and what follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig

from .._core import limits
from .._core.ledger.keys import ledger_key
from .._graph.clients import ClientPair
from .._graph.runtime import thread_id_of
from .._graph.session_ledger import Ledgers
from ..models import TaskRunInput
from ..research.state import Budget, Pending
from .agent_state import AgentTurn, Research, Wait, started_as
from .names import Names

MARK = "handle"
"""Where a run carries, as metadata, which call it is for; the ledger's key does not count it."""


def mark_of(record: AgentTurn) -> str:
    """The handle it is started under, its position, and a short name of the call, in three words."""
    call = hashlib.sha256(record["call"].encode()).hexdigest()[:16]
    return f"{started_as(record)} {record['position']} {call}"


@dataclass(frozen=True)
class AgentConfig:
    """Everything in here stays out of the state, secrets first of all; and nothing in here is a thread's."""

    clients: ClientPair
    ledgers: Ledgers
    template: TaskRunInput
    names: Names
    wait: Wait
    processor: str
    follow_up_processor: str
    choices: tuple[str, ...]
    allow_unknown_processor: bool
    budget: Budget
    on_budget: Literal["ask", "stop"]
    approve_above: str | None
    timeout: float | None
    page_chars: int

    def request(self, record: AgentTurn, config: RunnableConfig | None = None) -> TaskRunInput:
        """What is sent for a record; its metadata names the LangGraph thread of `config`."""
        thread_id = None if config is None else thread_id_of(config)
        metadata = {"thread_id": thread_id[:512]} if thread_id else {}
        update: dict[str, Any] = {
            "input": record["question"],
            "processor": record["processor"],
            "previous_interaction_id": record["parent_interaction_id"],
            "metadata": {**metadata, **self.template.metadata, MARK: mark_of(record)},
        }
        return self.template.model_copy(update=update)

    def key(self, record: AgentTurn) -> str:
        """The key of its run in the ledger: it changes with whatever is asked, and with this object."""
        return ledger_key(self.request(record), position=started_as(record))

    def check(self, record: AgentTurn) -> None:
        """Raise InvalidRequest for what the API would refuse."""
        limits.check(self.request(record), allow_unknown_processor=self.allow_unknown_processor)

    def planned_here(self, record: AgentTurn) -> bool:
        """Whether this process planned it: then it knows whether it was sent."""
        return record["plan_id"] == self.clients.process_id

    def research(self, state: Mapping[str, Any]) -> Research:
        """The records in a state."""
        return state.get(self.names.channel) or {}

    def limits(self, state: Mapping[str, Any]) -> Budget:
        """The middleware's limits, and those of the thread above them."""
        return {**self.budget, **(state.get(self.names.budget) or {})}


def pending_of(record: AgentTurn) -> Pending:
    """A record as a planned turn of a research session."""
    return Pending(
        position=record["position"],
        round=record["round"],
        question=record["question"],
        asked_by=record["asked_by"],
        processor=record["processor"],
        parent_interaction_id=record["parent_interaction_id"],
        plan_id=record["plan_id"],
        key=record["key"],
        run_id=record["run_id"],
        interaction_id=record["interaction_id"],
        sent_again=record.get("sent_again", False),
    )
