"""The tools of the middleware. They return errors as text: an exception would cancel the parallel calls.

Rule: what a tool has done goes into the state with its message, in one `Command`. A tool that runs again does
the same again, and finds in the ledger what it has paid for (`paid_tools.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.tools import BaseTool
from langgraph.types import Command
from pydantic import BaseModel, ConfigDict, Field

from .._core.calls import Calls, adrive, drive
from ..errors import InvalidRequest
from ..text.untrusted import fenced, harmless
from ..tools.call_site import AnyRuntime
from ..tools.tool_messages import explain
from . import agent_messages
from .agent_config import AgentConfig
from .agent_state import Research, is_active, is_ended
from .background import poll
from .call_plan import known
from .pages import field_of, finding, next_page_lines, no_such_field, page_of

_OUTSIDE = "This tool works only inside an agent that has ParallelResearchMiddleware."


@dataclass(frozen=True)
class Asked:
    """One call of a tool: its name, its arguments, and the runtime it was called in."""

    agent: AgentConfig
    name: str
    args: Mapping[str, Any]
    runtime: AnyRuntime
    config: RunnableConfig
    arguments: Mapping[str, type[BaseModel]]

    @property
    def state(self) -> Mapping[str, Any]:
        """The agent's state before this step."""
        state = self.runtime.state
        if isinstance(state, list):
            return {"messages": state}
        return state if isinstance(state, Mapping) else vars(state)

    @property
    def research(self) -> Research:
        """The records in it."""
        return self.agent.research(self.state)

    def answer(
        self, text: str, records: Research | None = None, *, failed: bool = False, **more: Any
    ) -> Command[Any]:
        """A message for the model, and what it changes in the state."""
        message = ToolMessage(
            text,
            name=self.name,
            tool_call_id=self.runtime.tool_call_id or "",
            status="error" if failed else "success",
            artifact=agent_messages.artifact(records or {}),
        )
        update: dict[str, Any] = {"messages": [message], **more}
        if records:
            update[self.agent.names.channel] = records
        return Command(update=update)


Action: TypeAlias = Callable[[Asked], Calls["Command[Any]"]]


class ResearchTool(BaseTool):
    """A tool of the middleware."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    handle_validation_error: bool | str | Callable[[Any], str] | None = Field(
        default=explain, exclude=True, repr=False
    )
    agent: AgentConfig = Field(exclude=True, repr=False)
    arguments: Any = Field(exclude=True, repr=False)
    action: Action = Field(exclude=True, repr=False)

    def _run(
        self,
        runtime: AnyRuntime | None = None,  # injected by LangGraph, absent elsewhere
        *,
        config: RunnableConfig,
        run_manager: CallbackManagerForToolRun | None = None,
        **args: Any,
    ) -> Any:
        if runtime is None:
            return _OUTSIDE
        inner = patch_config(config, callbacks=run_manager.get_child()) if run_manager else config
        return drive(self.action(self._asked(args, runtime, inner)))

    async def _arun(
        self,
        runtime: AnyRuntime | None = None,  # injected by LangGraph, absent elsewhere
        *,
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **args: Any,
    ) -> Any:
        if runtime is None:
            return _OUTSIDE
        inner = patch_config(config, callbacks=run_manager.get_child()) if run_manager else config
        return await adrive(self.action(self._asked(args, runtime, inner)))

    def _asked(self, args: Mapping[str, Any], runtime: AnyRuntime, config: RunnableConfig) -> Asked:
        return Asked(self.agent, self.name, args, runtime, config, self.arguments)


# --- what is free ----------------------------------------------------------------------------------


def check(asked: Asked) -> Calls[Command[Any]]:
    """Report the status of runs, and the answer of one that has ended."""
    agent, research = asked.agent, asked.research
    handle = asked.args.get("handle")
    if not handle:
        active = [name for name, record in research.items() if is_active(record)]
        changed = yield from poll(agent, research, asked.config, active)
        listing = agent_messages.listing(
            agent, {**research, **changed}, agent.session_limits(asked.state)
        )
        return asked.answer(listing, changed)
    try:
        name = known(research, handle)["handle"]
    except InvalidRequest as error:
        return asked.answer(harmless(error.message), failed=True)
    changed = yield from poll(agent, research, asked.config, [name], thorough=True)
    record = {**research, **changed}[name]
    if is_ended(record):
        changed = {name: {**record, "seen_by_model": True}}
    return asked.answer(finding(agent, {**research, **changed}, record, agent.max_chars), changed)


def read(asked: Asked) -> Calls[Command[Any]]:
    """Show a page of a finding, or one of its fields."""
    yield from ()
    agent, research = asked.agent, asked.research
    page, field = asked.args.get("page", 1), asked.args.get("field")
    try:
        record = known(research, asked.args["handle"])
        if record["status"] != "completed":
            return asked.answer(finding(agent, research, record, agent.max_chars), failed=True)
        if field and (missing := no_such_field(record, field, agent.max_chars)):
            return asked.answer(missing, failed=True)
        if field:
            text, pages = field_of(record, agent.names, field, page, agent.max_chars)
        else:
            text, pages = page_of(record, agent.names, page, agent.max_chars)
    except InvalidRequest as error:
        return asked.answer(harmless(error.message), failed=True)
    lines = [agent_messages.head(record, research), fenced(text)]
    told: Research = (
        {} if record.get("seen_by_model") else {record["handle"]: {**record, "seen_by_model": True}}
    )
    lines += next_page_lines(agent, record, page, pages, field)
    return asked.answer("\n".join(lines), told)


def list_all(asked: Asked) -> Calls[Command[Any]]:
    """List all research."""
    yield from ()
    agent = asked.agent
    return asked.answer(
        agent_messages.listing(agent, asked.research, agent.session_limits(asked.state))
    )
