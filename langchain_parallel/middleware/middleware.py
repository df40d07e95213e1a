"""`ParallelResearchMiddleware`: stateful research for an agent.

Rule: the model sees handles, the state holds everything else, and this object holds nothing of any thread.
What a model's message asks for is planned, weighed and written down by one hook (`after_model`) before any
tool runs; so a tool that is run again knows what it was about.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from langchain.agents.middleware.types import AgentMiddleware, ModelRequest
from langchain_core.runnables import RunnableConfig
from pydantic import SecretStr

from .._core import limits
from .._core.calls import adrive, drive
from .._graph.clients import ClientPair
from .._graph.session_ledger import Ledgers
from ..client import AsyncParallelClient, ParallelClient
from ..models import (
    McpServer,
    SchemaLike,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskRunInput,
    TaskSpec,
)
from ..research.budget import checked_budget
from ..research.state import Budget
from . import hooks, paid_tools, research_tool
from .agent_config import AgentConfig
from .agent_state import Wait, state_schema
from .names import Names
from .research_tool import ResearchTool
from .tool_schemas import arguments, descriptions

PAGE_CHARS = 8_000
"""Characters of a page: about 2,000 tokens."""
_LEAST_PAGE_CHARS = 1_000
_CHOICES = {"wait": get_args(Wait), "on_budget": ("ask", "stop")}
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

        agent = create_agent("openai:gpt-5", middleware=[ParallelResearchMiddleware(processor="core")])
        ```
    """

    def __init__(
        self,
        *,
        processor: str = "core",
        follow_up_processor: str | None = None,
        processors: Sequence[str] = (),
        wait: Wait = "block",
        output_schema: SchemaLike | None = None,
        budget: Budget | None = None,
        on_budget: Literal["ask", "stop"] = "ask",
        approve_above: str | None = None,
        source_policy: SourcePolicy | None = None,
        mcp_servers: Sequence[McpServer] = (),
        advanced_settings: TaskAdvancedSettings | None = None,
        memory_scope_key: str | None = None,
        metadata: Mapping[str, str | int | float | bool] | None = None,
        timeout: float | None = None,
        page_chars: int = PAGE_CHARS,
        name: str = "research",
        allow_unknown_processor: bool = False,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        client: ParallelClient | None = None,
        async_client: AsyncParallelClient | None = None,
    ) -> None:
        """Configure it.

        Args:
            processor: For a first question, unless the model chooses another.
            follow_up_processor: For questions with research behind them; the same unless given.
            processors: What the model may choose from; empty: it may not choose.
            wait: `block`: a tool returns with the answer. `background`: it returns at once, and the
                model is told at its next turn what has finished since. `park`: the agent ends in an
                interrupt (`ParkedInterrupt`) until the run has ended and the thread is resumed.
            output_schema: Shape of every answer: pydantic class, JSON schema, text description, or None.
            budget: What one thread may use in all; planned runs count before they are sent.
            on_budget: When the next run would pass it: `ask` a person, or `stop` (the model is told).
            approve_above: A processor; runs that cost more than one of it wait for a person's yes.
            source_policy: Which sites may be used.
            mcp_servers: MCP servers the runs may call.
            advanced_settings: Country of the search.
            memory_scope_key: Which memory the runs use.
            metadata: Kept with every run on Parallel's side, beside the LangGraph `thread_id`.
            timeout: Seconds a blocking tool waits; None: twice the processor's usual longest time, and ten
                minutes. What is not there by then goes on in the background.
            page_chars: Characters of findings in one message, from 1,000 up; the rest is on further pages.
            name: Tells several of these in one agent apart, and names their tools.
            allow_unknown_processor: Send processors that this package does not know.
            api_key: The key; read from `PARALLEL_API_KEY` unless given.
            base_url: The server; read from `PARALLEL_BASE_URL` unless given.
            client: Your own blocking client.
            async_client: Your own asynchronous client.

        Raises:
            InvalidRequest: The API would refuse this configuration.
            MissingKey: There is no API key.
        """
        super().__init__()
        template = TaskRunInput(
            input="?",
            processor=processor,
            task_spec=None if output_schema is None else TaskSpec(output_schema=output_schema),
            source_policy=source_policy,
            mcp_servers=mcp_servers,
            advanced_settings=advanced_settings,
            memory_scope_key=memory_scope_key,
            metadata=dict(metadata or {}),
            enable_events=True,
        )
        later = follow_up_processor or processor
        for choice in dict.fromkeys((processor, later, *processors)):
            limits.check(
                template.model_copy(update={"processor": choice}),
                allow_unknown_processor=allow_unknown_processor,
            )
        limits.choices({"wait": wait, "on_budget": on_budget}, _CHOICES)
        if timeout is not None:
            limits.seconds(timeout)
        if approve_above is not None:
            limits.check(TaskRunInput(input="?", processor=approve_above))
        self._setup = AgentConfig(
            clients=ClientPair.of(
                client,
                async_client=async_client,
                api_key=api_key,
                base_url=base_url,
                allow_unknown_processor=allow_unknown_processor,
                asks=template,
            ),
            ledgers=Ledgers(),
            template=template,
            names=Names(name),
            wait=wait,
            processor=processor,
            follow_up_processor=later,
            choices=tuple(dict.fromkeys((processor, *processors))) if processors else (),
            allow_unknown_processor=allow_unknown_processor,
            budget=checked_budget(budget or {}),
            on_budget=on_budget,
            approve_above=approve_above,
            timeout=timeout,
            page_chars=max(page_chars, _LEAST_PAGE_CHARS),
        )
        self._arguments = arguments(self._setup)
        self.state_schema = state_schema(name)
        self.tools = self._made_tools()

    @property
    def name(self) -> str:
        """Its name in the agent's graph."""
        names = self._setup.names
        return type(self).__name__ if names.plain else f"{type(self).__name__}_{names.name}"

    def _made_tools(self) -> list[ResearchTool]:
        names, told = self._setup.names, descriptions(self._setup)
        actions = dict.fromkeys(names.asking, paid_tools.ask)
        actions |= {
            names.check: research_tool.check,
            names.read: research_tool.read,
            names.list: research_tool.listed,
        }
        return [
            ResearchTool(
                name=name,
                description=told[name],
                args_schema=self._arguments[name],
                setup=self._setup,
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
        return drive(hooks.look_after(self._setup, state, config))

    async def abefore_model(
        self, state: Any, runtime: Any, config: RunnableConfig = _NOWHERE
    ) -> dict[str, Any] | None:
        """Ask after the runs that nobody waits for."""
        return await adrive(hooks.look_after(self._setup, state, config))

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]
    ) -> Any:
        """Tell the model what has happened since, for this call only."""
        return handler(hooks.noted(self._setup, request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[Any]]
    ) -> Any:
        """Tell the model what has happened since, for this call only."""
        return await handler(hooks.noted(self._setup, request))

    # --- after it has spoken ---

    def after_model(
        self, state: Any, runtime: Any, config: RunnableConfig = _NOWHERE
    ) -> dict[str, Any] | None:
        """Plan what the message asks for, weigh it, and ask a person where that is wanted."""
        return drive(hooks.plan_turn(self._setup, self._arguments, state, config))

    async def aafter_model(
        self, state: Any, runtime: Any, config: RunnableConfig = _NOWHERE
    ) -> dict[str, Any] | None:
        """Plan what the message asks for, weigh it, and ask a person where that is wanted."""
        return await adrive(hooks.plan_turn(self._setup, self._arguments, state, config))
