"""What the steps of the research graph share: its configuration, and what follows from it for a turn."""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig

from .._core import limits
from .._graph.clients import ClientPair
from .._graph.runtime import thread_id_of
from .._graph.session_ledger import Ledgers
from ..errors import InvalidRequest
from ..models import TaskRunInput, TaskSpec
from .evaluation import Evaluator
from .processor_policy import ProcessorPolicy
from .state import Budget, Pending, ResearchState


@dataclass(frozen=True)
class GraphConfig:
    """Everything in here stays out of the state, secrets first of all."""

    clients: ClientPair
    ledgers: Ledgers
    template: TaskRunInput
    processor: ProcessorPolicy
    allow_unknown_processor: bool
    evaluate: Evaluator
    max_turns: int
    budget: Budget | None
    on_budget: Literal["ask", "stop"]
    approve_above: str | None
    wait: Literal["block", "park"]
    timeout: float | None
    keep_excerpts: bool
    direct: bool
    name: str

    def processor_for(self, state: ResearchState, parent: str | None) -> str:
        """What the policy chooses for a run that continues from `parent` (None: a first one).

        Raises:
            InvalidRequest: It chooses something that is no name.
        """
        name: object = self.processor(copy.deepcopy(state), parent)
        if not isinstance(name, str):
            raise InvalidRequest(
                [f"The processor policy returned {type(name).__name__}; it must return a name."],
                hint="Policies are plain functions of the state. Nothing was sent.",
            )
        return name

    def request(self, pending: Pending, config: RunnableConfig | None = None) -> TaskRunInput:
        """What is sent for a planned turn; its metadata names the LangGraph thread of `config`."""
        thread_id = None if config is None else thread_id_of(config)
        metadata = {"thread_id": thread_id[:512]} if thread_id else {}
        update: dict[str, Any] = {
            "input": pending["question"],
            "processor": pending["processor"],
            "previous_interaction_id": pending["parent_interaction_id"],
            "metadata": {**metadata, **self.template.metadata},
        }
        if schema := pending.get("output_schema"):
            update["task_spec"] = TaskSpec(output_schema=schema)
        return self.template.model_copy(update=update)

    def check(self, pending: Pending) -> None:
        """Raise InvalidRequest for a turn the API would refuse, before the thread is stuck with it."""
        limits.check(self.request(pending), allow_unknown_processor=self.allow_unknown_processor)

    def new_plan_id(self) -> str:
        """A name for a plan that says which process made it."""
        return f"{self.clients.process_id}.{uuid.uuid4().hex[:8]}"

    def planned_here(self, pending: Pending) -> bool:
        """Whether this process planned it: then it knows whether it was sent."""
        return pending["plan_id"].startswith(f"{self.clients.process_id}.")

    def limits(self, state: ResearchState) -> Budget:
        """The graph's limits, and those of the session above them."""
        return {**(self.budget or {}), **(state.get("budget") or {})}
