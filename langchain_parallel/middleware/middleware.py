"""`ParallelResearchMiddleware`: stateful research for an agent.

Rule: the model sees handles, the state holds everything else, and this object holds nothing of any thread.
One hook (`after_model`) plans the runs that a model's message asks for, reviews them, and records them in the
state before any tool runs; so a tool that runs again finds its plan.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_args

from langchain.agents.middleware.types import AgentMiddleware, ModelRequest
from langchain_core.runnables import RunnableConfig
from pydantic import SecretStr

from .._core.calls import adrive, drive
from .._graph.paid_run import Wait
from ..client import AsyncParallelClient, ParallelClient
from ..models import SchemaLike
from ..options import (
    DEFAULT_PROCESSORS,
    Limits,
    ProcessorChoice,
    Processors,
    RequestOptions,
)
from . import hooks, paid_tools, research_tool
from .agent_config import AgentConfig
from .agent_state import state_schema
from .names import Names
from .research_tool import ResearchTool
from .tool_schemas import arguments, descriptions

MAX_CHARS = 8_000
"""Characters of a page: about 2,000 tokens."""
_LEAST_CHARS = 1_000
_NOWHERE = RunnableConfig()


class ParallelResearchMiddleware(AgentMiddleware[Any, Any, Any]):
    """Research sessions for an agent: ask, follow up, branch, read, in the background if you like.

    The model works with short handles (`r1`, `r1.2`); interaction ids, turns, costs and the ledger are in
    the agent's state. Give the agent a checkpointer, so that it can be asked again and people can be asked;
    and a `store`, so that what was paid for is found again also from before the first research.

    Example:
        ```python
        from langchain.agents import create_agent
        from langchain_parallel.middleware import ParallelResearchMiddleware

        agent = create_agent("openai:gpt-5", middleware=[ParallelResearchMiddleware()])
        ```
    """

    def __init__(
        self,
        *,
        processor: ProcessorChoice = DEFAULT_PROCESSORS,
        model_may_choose: Sequence[str] = (),
        output_schema: SchemaLike | None = None,
        wait: Wait = "block",
        timeout: float | None = None,
        limits: Limits | None = None,
        max_chars: int = MAX_CHARS,
        request: RequestOptions | None = None,
        name: str = "research",
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        client: ParallelClient | AsyncParallelClient | None = None,
    ) -> None:
        """Configure it.

        Args:
            processor: For every run; or two, for first questions and for follow-ups.
            model_may_choose: Processors the model may choose from; unless `processor` is given, the first of
                them is the usual one. Empty: it may not choose.
            output_schema: Shape of every answer: pydantic class, JSON schema, text description, or None
                for whatever the API chooses.
            wait: `block`: a tool returns with the answer. `background`: it returns at once, and the
                model learns at its next turn what has finished since. `park`: the agent ends in an
                interrupt (`ParkedInterrupt`) until the run has ended and the thread is resumed.
            timeout: Seconds a blocking tool waits; None: twice the processor's usual longest time, and ten
                minutes. A run that takes longer goes on in the background.
            limits: What one thread may use in all, and from which price on a person is asked.
            max_chars: Characters of findings in one message, from 1,000 up; the rest is on further pages.
            request: What else shapes the runs: sources, MCP servers, metadata, a webhook.
            name: Tells several of these in one agent apart, and names their tools.
            api_key: The key; read from `PARALLEL_API_KEY` unless given.
            base_url: The server; read from `PARALLEL_BASE_URL` unless given.
            client: Your own client, blocking or asynchronous; the other kind is made from it.

        Raises:
            InvalidRequest: An option is wrong, or the API would refuse this configuration.
            MissingKey: There is no API key.
        """
        super().__init__()
        names, processors = Names(name), Processors.of(processor, model_may_choose)
        self._agent = AgentConfig.of(
            processor_names=processors.all,
            output_schema=output_schema,
            request=request,
            limits=limits,
            wait=wait,
            waits=get_args(Wait),
            timeout=timeout,
            name=name,
            api_key=api_key,
            base_url=base_url,
            client=client,
            names=names,
            processors=processors,
            max_chars=max(max_chars, _LEAST_CHARS),
        )
        self._arguments = arguments(self._agent)
        self.state_schema: type[Any] = state_schema(names)
        self.tools: list[ResearchTool] = self._build_tools()

    @property
    def name(self) -> str:
        """Its name in the agent's graph."""
        names = self._agent.names
        return type(self).__name__ if names.is_default else f"{type(self).__name__}_{names.name}"

    def _build_tools(self) -> list[ResearchTool]:
        names, description = self._agent.names, descriptions(self._agent)
        actions = dict.fromkeys(names.asking, paid_tools.ask)
        actions |= {
            names.check: research_tool.check,
            names.read: research_tool.read,
            names.list: research_tool.list_all,
        }
        return [
            ResearchTool(
                name=name,
                description=description[name],
                args_schema=self._arguments[name],
                agent=self._agent,
                arguments=self._arguments,
                action=action,
            )
            for name, action in actions.items()
        ]

    # --- before the model speaks ---

    def before_model(
        self, state: Any, runtime: Any, config: RunnableConfig = _NOWHERE
    ) -> dict[str, Any] | None:
        """Ask after the runs that nobody waits for."""
        return drive(hooks.look_after(self._agent, state, config))

    async def abefore_model(
        self, state: Any, runtime: Any, config: RunnableConfig = _NOWHERE
    ) -> dict[str, Any] | None:
        """Ask after the runs that nobody waits for."""
        return await adrive(hooks.look_after(self._agent, state, config))

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]
    ) -> Any:
        """Tell the model what has happened since, for this call only."""
        return handler(hooks.with_news(self._agent, self.tools, request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[Any]]
    ) -> Any:
        """Tell the model what has happened since, for this call only."""
        return await handler(hooks.with_news(self._agent, self.tools, request))

    # --- after it has spoken ---

    def after_model(
        self, state: Any, runtime: Any, config: RunnableConfig = _NOWHERE
    ) -> dict[str, Any] | None:
        """Plan what the message asks for, weigh it, and ask a person where that is wanted."""
        return drive(hooks.plan_turn(self._agent, self._arguments, state, config))

    async def aafter_model(
        self, state: Any, runtime: Any, config: RunnableConfig = _NOWHERE
    ) -> dict[str, Any] | None:
        """Plan what the message asks for, weigh it, and ask a person where that is wanted."""
        return await adrive(hooks.plan_turn(self._agent, self._arguments, state, config))
