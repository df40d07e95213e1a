"""`ParallelResearchMiddleware`: stateful research for an agent.

Rule: the model sees handles, the state holds everything else, and this object holds nothing of any thread.
One hook (`after_model`) plans the runs that a model's message asks for, reviews them, and records them in the
state before any tool runs; so a tool that runs again finds its plan.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, get_args

from langchain.agents.middleware.types import AgentMiddleware, ModelRequest
from langchain_core.messages import AIMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langgraph.config import get_config
from pydantic import SecretStr

from .._core.calls import Calls, adrive, drive
from .._core.hidden import as_secret, hidden
from .._core.kinds import check_whole, check_words
from .._graph.run_config import Wait
from .._session_options import only_one_run_per_question
from ..client import AsyncParallelClient, ParallelClient
from ..errors import InvalidRequest, ParallelError, ThreadBusy
from ..models import SchemaLike
from ..options import DEFAULT_PROCESSORS, Limits, ProcessorChoice, Processors, RequestOptions
from ..text.result import MIN_CHARS
from .agent_config import AgentConfig
from .agent_ledger import agent_ledger
from .agent_messages import note
from .agent_state import Research, is_ended, state_schema
from .call_plan import answered_and_open_calls, find_message, plan_message
from .citations import numbers_beside
from .final_sources import Cite, with_sources, without_sources
from .interrupted_calls import answer_interrupted, with_whole_history
from .names import Names
from .own_records import own_records, prove_records
from .research_runs import poll, runs_to_poll, with_ledger
from .research_tools import ResearchTool
from .run_recovery import release
from .tool_schemas import arguments, descriptions

MAX_CHARS = 8_000
"""Characters of a page: about 2,000 tokens."""
_NOWHERE = RunnableConfig()


def _config_here() -> RunnableConfig:
    """The config of this step, for a hook that is not given it."""
    try:
        return get_config()
    except RuntimeError:  # Python 3.10 carries no context into tasks
        return _NOWHERE


class ParallelResearchMiddleware(AgentMiddleware[Any, Any, Any]):
    """Research sessions for an agent: ask, follow up, branch, read, in the background if you like.

    The model works with short handles (`r1`, `r1.2`); interaction ids, turns, costs and the ledger are in
    the agent's state. Give the agent a checkpointer, so that it can be asked again, people can be asked, and
    what was paid for is found again.

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
        model_may_describe_output: bool = False,
        output_schema: SchemaLike | None = None,
        wait: Wait = "block",
        timeout: float | None = None,
        limits: Limits | None = None,
        max_chars: int = MAX_CHARS,
        cite: Cite | None = "list",
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
                them is the usual one. Empty: it may not choose. With one for quick turns among them, such as
                `chat:lite`, it has one more tool: `ask_quick`, which the Chat API answers at once.
            model_may_describe_output: Whether the model may say what shape an answer has, in words or as a
                JSON schema; that is checked before it is sent.
            output_schema: Shape of every answer: pydantic class, JSON schema, text description, or None
                for whatever the API chooses.
            wait: `block`: a tool returns with the answer. `background`: it returns at once, and the
                model learns at its next turn what has finished since. `park`: the agent ends in an
                interrupt (`ParkedInterrupt`) until the run has ended and the thread is resumed.
            timeout: Seconds a blocking tool waits; None: twice the processor's usual longest time, and ten
                minutes. A run that takes longer continues in the background.
            limits: What one thread may use in all, and from which price on a person is asked.
            max_chars: Characters of findings in one message, at least 1,000; the rest is on further pages.
            cite: How the agent's final answer gets the sources that it cites: as a `list` with links below
                its text, as LangChain's citation `annotations`, or None for not at all.
            request: What else shapes the runs: sources, MCP servers, metadata, a webhook.
            name: Tells several of these in one agent apart, and names their tools. `create_agent(name=…)`
                tells the parked threads of several agents with one database apart.
            api_key: The key; read from `PARALLEL_API_KEY` unless given.
            base_url: The server; read from `PARALLEL_BASE_URL` unless given.
            client: Your own client, blocking or asynchronous; the other kind is made from it.

        Raises:
            InvalidRequest: An option is wrong, or such requests may not be sent.
            MissingKey: There is no API key.
        """
        api_key, base_url = as_secret(api_key), hidden(base_url)
        super().__init__()
        if cite is not None:
            check_words({"cite": cite}, {"cite": get_args(Cite)})
        self._cite = cite
        processors = Processors.of(processor, model_may_choose)
        names = Names(name, has_quick=bool(processors.quick))
        options = request if isinstance(request, RequestOptions) else RequestOptions()
        self._agent = AgentConfig.of(
            processor_names=processors.all,
            output_schema=output_schema,
            request=request,
            limits=only_one_run_per_question(limits),
            wait=wait,
            waits=get_args(Wait),
            timeout=timeout,
            name=name,
            api_key=api_key,
            base_url=base_url,
            client=client,
            names=names,
            processors=processors,
            arguments=arguments(
                names,
                processors,
                takes_ids=bool(options.allow_foreign_ids),
                may_describe=model_may_describe_output,
                recalls=options.recall is not None,
            ),
            max_chars=check_whole("max_chars", max_chars, MIN_CHARS),
        )
        self.state_schema: type[Any] = state_schema(names)
        self.tools: list[ResearchTool] = [
            ResearchTool(
                name=tool,
                description=description,
                args_schema=self._agent.arguments[tool],
                agent=self._agent,
            )
            for tool, description in descriptions(self._agent).items()
        ]

    @property
    def name(self) -> str:
        """Its name in the agent's graph."""
        names = self._agent.names
        return type(self).__name__ if names.is_default else f"{type(self).__name__}_{names.name}"

    # --- before the model speaks ---

    def before_model(
        self, state: Any, runtime: Any, config: RunnableConfig = _NOWHERE
    ) -> dict[str, Any] | None:
        """Poll the runs that no tool call waits for."""
        return drive(self._poll_runs(state, config))

    async def abefore_model(
        self, state: Any, runtime: Any, config: RunnableConfig = _NOWHERE
    ) -> dict[str, Any] | None:
        """As `before_model`; awaited."""
        return await adrive(self._poll_runs(state, config))

    def _poll_runs(
        self, state: Mapping[str, Any], config: RunnableConfig
    ) -> Calls[dict[str, Any] | None]:
        agent, messages = self._agent, state.get("messages") or ()
        state, changed = yield from prove_records(agent, state, config)
        research = agent.research(state)
        if research:
            _, open_calls = answered_and_open_calls(messages)
            changed = {**changed, **(yield from release(agent, research, config, open_calls))}
            research = {**research, **changed}
            due = runs_to_poll(research, len(messages))
            beside = numbers_beside(agent.names, state)
            changed |= yield from poll(agent, research, config, due, beside)
        update: dict[str, Any] = {agent.names.records: changed} if changed else {}
        whole = answer_interrupted(agent, messages, {**research, **changed})
        return {**update, **(with_whole_history(whole) or {})} or None

    # --- while it is asked ---

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]
    ) -> Any:
        """Tell the model what has happened since its last turn, for this call only.

        Raises:
            InvalidRequest: Another tool of the agent has the name of one of ours; only one would ever run.
        """
        return handler(self._as_shown(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[Any]]
    ) -> Any:
        """As `wrap_model_call`; awaited."""
        return await handler(self._as_shown(request))

    def _as_shown(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        written = without_sources(request.messages, self._agent.names)
        return self._with_news(request.override(messages=written))

    def _with_news(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        self._check_tools(request)
        research = own_records(self._agent, self._agent.research(request.state), _config_here())
        shown = [message.id for message in request.messages if message.id]
        text = note(self._agent, research, shown) if research else ""
        if not text:
            return request
        prompt = request.system_message
        if prompt is None or isinstance(prompt.content, str):
            whole = "\n\n".join(filter(None, [prompt.text if prompt else "", text]))
            return request.override(system_message=SystemMessage(whole))
        # The agent's own prompt may be blocks with a cache mark, which must stay where they are.
        blocks: list[Any] = [*prompt.content, {"type": "text", "text": text}]
        return request.override(system_message=SystemMessage(blocks))

    def _check_tools(self, request: ModelRequest[Any]) -> None:
        ours = {tool.name: tool for tool in self.tools}
        for tool in request.tools:
            name = getattr(tool, "name", "")
            # LangChain keeps the last tool of a name, and says nothing.
            if ours.get(name, tool) is not tool:
                raise InvalidRequest(
                    [
                        f"Another tool of this agent is called {name!r}, as one of this middleware is."
                    ],
                    hint="Give ParallelResearchMiddleware another `name`. Nothing was sent.",
                )

    # --- after it has spoken ---

    def after_model(
        self, state: Any, runtime: Any, config: RunnableConfig = _NOWHERE
    ) -> dict[str, Any] | None:
        """Plan the runs that the message asks for, review them, and ask a person where approval is needed."""
        return drive(self._plan_turn(state, config))

    async def aafter_model(
        self, state: Any, runtime: Any, config: RunnableConfig = _NOWHERE
    ) -> dict[str, Any] | None:
        """As `after_model`; awaited."""
        return await adrive(self._plan_turn(state, config))

    def _plan_turn(
        self, state: Mapping[str, Any], config: RunnableConfig
    ) -> Calls[dict[str, Any] | None]:
        agent, message = self._agent, find_message(state.get("messages") or ())
        if message is None:
            return None
        state, _ = yield from prove_records(agent, state, config)
        # The model has just had the note on these (`_with_news`), so the next turn need not repeat them.
        records: Research = {
            handle: {**record, "seen_by_model": True}
            for handle, record in agent.research(state).items()
            if is_ended(record) and not record.get("seen_by_model")
        }
        update: dict[str, Any]
        if not any(call["name"] in agent.names.paid for call in message.tool_calls):
            update = {agent.names.records: records} if records else {}
            if cited := self._with_sources(state, message):
                update["messages"] = [cited]
            return update or None
        # Also where nothing can be planned: a person may edit the call, so that it makes sense. The ledger
        # has to be in the state before a tool sends, or a killed process leaves no way to its runs.
        try:
            ledger_id = yield from agent_ledger(agent, state, config, str(message.id))
        except ThreadBusy:
            raise  # the tools would wait as long again
        except ParallelError:  # the tools try again, and tell the model
            ledger_id = ""
        here = {**state, agent.names.ledger: ledger_id}
        reviewed = yield from plan_message(agent, here, message, config)
        for handle, record in reviewed.records.items():
            records[handle] = with_ledger(agent, record, ledger_id, config)
            # A middleware with other options makes another key of the same record; then it looks twice.
            records[handle].setdefault("planned_key", agent.key(record))
        update = {agent.names.records: records}
        if ledger_id:
            update[agent.names.ledger] = ledger_id
        if reviewed.limits:
            update[agent.names.limits] = reviewed.limits
        return update

    def _with_sources(self, state: Mapping[str, Any], message: AIMessage) -> AIMessage | None:
        if state.get("structured_response") is not None:  # the text is data, too
            return None
        agent = self._agent
        return with_sources(message, agent.research(state), agent.names, self._cite)
