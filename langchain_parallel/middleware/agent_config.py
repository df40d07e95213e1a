"""What the hooks and tools of one middleware share: its options, and the requests made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel

from .._graph.paid_chat import PaidChat
from .._graph.paid_run import PaidRun
from .._graph.run_config import RunConfig
from ..models import TaskRunInput
from ..options import Processors
from ..parked.index import agent_of
from ..processors import is_chat
from ..research.spending_rules import SpendingRules
from ..tools.arguments import check_described
from .agent_state import AgentTurn, Research, start_handle
from .names import Names

CALL_TAG = "handle"
"""The metadata key under which a run names its tool call. The run's key in the ledger leaves it out."""


def call_tag(record: AgentTurn) -> str:
    """A run's handle, its position, and a hash of its tool call, separated by blanks."""
    call = short_call(record["call"])
    return f"{start_handle(record['handle'])} {record['position']} {call}"


def short_call(call: str) -> str:
    """A hash of a tool call's name, with which a run's tag ends."""
    # A message id may be as long as its provider likes; the API limits metadata to 512 characters.
    return hashlib.sha256(call.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class AgentConfig(RunConfig):
    """The configuration of one middleware. It holds nothing of any thread."""

    asks_quick_questions = True
    recalls = True
    names: Names
    processors: Processors
    arguments: Mapping[str, type[BaseModel]]
    """The model of each tool's arguments."""
    max_chars: int

    def graph_name(self, config: RunnableConfig) -> str:
        """The middleware's name behind the agent's, if that has one."""
        agent = agent_of(config.get("metadata"))
        return f"{agent}|{self.name}" if agent else self.own_name

    def may_be(self, graph: str) -> bool:
        """Whether this middleware parks under this name in some agent."""
        return graph == self.own_name or graph.endswith(f"|{self.name}")

    def run(self, record: AgentTurn, config: RunnableConfig) -> PaidRun:
        """The paid run of a record. Its handle is its position: a replayed message plans the same one."""
        return PaidRun(self, *self._asked_by(record, config))

    def chat(self, record: AgentTurn, config: RunnableConfig) -> PaidChat:
        """The quick question of a record, at the same position."""
        return PaidChat(self, *self._asked_by(record, config))

    def paid(self, record: AgentTurn, config: RunnableConfig) -> PaidRun | PaidChat:
        """Whichever of them a record is."""
        return (self.chat if is_chat(record["processor"]) else self.run)(record, config)

    def _asked_by(
        self, record: AgentTurn, config: RunnableConfig
    ) -> tuple[TaskRunInput, str, RunnableConfig, str | None]:
        """Request, position, config, and the key as it was planned."""
        request = self.request(
            record["question"],
            record["processor"],
            record["parent_interaction_id"],
            config,
            output_schema=record.get("output_schema"),
            # So that the run is found by its call, too, when its key has changed.
            metadata={CALL_TAG: call_tag(record)},
        )
        position = start_handle(record["handle"])
        return request, position, config, record.get("planned_key")

    def key(self, record: AgentTurn) -> str:
        """The key of its run in the ledger. It depends on this middleware's options, too."""
        return self.paid(record, RunnableConfig()).key

    def check(self, record: AgentTurn) -> None:
        """Raise InvalidRequest for a run that may not be sent."""
        request = self.paid(record, RunnableConfig()).request
        self.options.check(request)
        if "output_schema" in record:  # a model can correct what the API would refuse
            check_described(request, self.template)

    def research(self, state: Mapping[str, Any]) -> Research:
        """The records in a state."""
        return state.get(self.names.records) or {}

    def rules(self, state: Mapping[str, Any], config: RunnableConfig) -> SpendingRules:
        """What may be spent in the state's session."""
        ledger_id = state.get(self.names.ledger) or ""
        return SpendingRules(self, ledger_id, config, state.get(self.names.limits))
