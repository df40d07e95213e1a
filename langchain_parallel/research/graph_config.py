"""What the steps of the research graph share: its options, and the requests made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._core.json_text import copy_json
from .._core.latest import Latest
from .._graph.paid_chat import PaidChat
from .._graph.paid_run import PaidRun
from .._graph.run_config import RunConfig
from ..errors import InvalidRequest
from ..models import SourcePolicy, TaskRunInput
from ..processors import is_chat
from .evaluation import Evaluator
from .processor_policy import FirstOrFollowUp, ProcessorPolicy
from .spending_rules import SpendingRules
from .state import ResearchState, Turn
from .turns import ledger_position


@dataclass(frozen=True, kw_only=True)
class GraphConfig(RunConfig):
    """The configuration of one research graph."""

    asks_quick_questions = True
    recalls = True
    policy: ProcessorPolicy
    evaluate: Evaluator
    keep_excerpts: bool
    checks: bool = False
    output_schema: dict[str, Any] | str | None = None
    """Of a call's context; that of the graph is in `template`."""
    source_policy: dict[str, Any] | None = None
    """The same."""
    of_calls: Latest[str, Any] = field(default_factory=lambda: Latest(200), repr=False)
    """What `call_context.py` has made of this, by context and key."""

    def judges(self) -> Sequence[Any]:
        """The evaluator."""
        return (self.evaluate,)

    def processor_for(self, state: ResearchState, parent: str | None) -> str:
        """What the policy chooses for a run that continues from `parent` (None: a first one).

        Raises:
            InvalidRequest: It chooses something that is no name.
        """
        # A function of the caller's may change what it is given.
        given = state if isinstance(self.policy, FirstOrFollowUp) else copy_json(state)
        name: object = self.policy(given, parent)
        if not isinstance(name, str):
            raise InvalidRequest(
                [f"The processor policy returned {type(name).__name__}; it must return a name."],
                hint="Policies are plain functions of the state. Nothing was sent.",
            )
        return name

    def new_ledger(self, state: ResearchState, config: RunnableConfig) -> Calls[str | None]:
        """The ledger in the place of the state's, if that is gone and a person has said so; else None."""
        return (yield from self.ledgers.replacement(state.get("ledger_id") or "", config))

    def run(self, turn: Turn, config: RunnableConfig) -> PaidRun:
        """The paid run of a turn that is no quick one."""
        return PaidRun(self, self._request_of(turn, config), ledger_position(turn), config)

    def chat(self, turn: Turn, config: RunnableConfig) -> PaidChat:
        """The question of a quick turn."""
        asked, position = self._request_of(turn, config), ledger_position(turn)
        return PaidChat(
            self, asked, position, config, keep_excerpts=self.keep_excerpts, checks=self.checks
        )

    def paid(self, turn: Turn, config: RunnableConfig) -> PaidRun | PaidChat:
        """Whichever of them a turn is."""
        return (self.chat if is_chat(turn["processor"]) else self.run)(turn, config)

    def _request_of(self, turn: Turn, config: RunnableConfig) -> TaskRunInput:
        request = self.request(
            turn["question"],
            turn["processor"],
            turn["parent_interaction_id"],
            config,
            output_schema=turn.get("output_schema"),
        )
        policy = turn.get("source_policy")
        update = {"source_policy": SourcePolicy(**policy)} if policy else {}
        return request.model_copy(update=update)

    def check(self, turn: Turn) -> None:
        """Raise InvalidRequest for a turn that may not be sent, before the thread is stuck with it."""
        self.options.check(self._request_of(turn, RunnableConfig()))

    def too_long(self, turns: Sequence[Turn]) -> list[str]:
        """Which questions are longer than documented. What this package writes by itself keeps to the
        documentation, so that an answer does not end in an error.
        """
        asked = [self._request_of(turn, RunnableConfig()) for turn in turns]
        found = [finding for request in asked for finding in self.options.check(request)]
        return [str(finding) for finding in found if finding.rule.name == "input-size"]

    def rules(self, state: ResearchState, config: RunnableConfig) -> SpendingRules:
        """What may be spent in the state's session."""
        return SpendingRules(self, state.get("ledger_id") or "", config, state.get("limits"))
