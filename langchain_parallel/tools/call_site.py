"""The point of a conversation at which the tool is called, and what LangGraph offers there.

Rule: the position is the same when the same call is made again (a retry, a resumed or forked
checkpoint, a duplicate beside it), and another for every later call (R3).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolRuntime

from .._core.calls import Calls
from .._graph.runtime import runtime_of, state_value, thread_id_of
from .._graph.step_position import step_position
from .thread_citations import nth_call

AnyRuntime: TypeAlias = ToolRuntime[Any, Any]

NO_CONFIG = RunnableConfig()
"""What stands for the config of a call that is given none: that of the step around it counts, if any."""


def config_inside(
    config: RunnableConfig,
    run_manager: CallbackManagerForToolRun | AsyncCallbackManagerForToolRun | None,
) -> RunnableConfig:
    """The config of what happens inside a tool's own run: its events and traces belong to that."""
    return patch_config(config, callbacks=run_manager.get_child()) if run_manager else config


@dataclass(frozen=True, slots=True)
class CallSite:
    """The point of a conversation at which the tool is called.

    Attributes:
        position: The point of the conversation.
        config: LangChain's config of the call.
        thread_id: The LangGraph thread, if there is one.
        ledger_id: The ledger that the graph's state knows.
        is_new: No earlier call can have had this position.
        is_in_step: The call is a step's own: no model message made it, as far as LangGraph says so.
        is_from_model: LangGraph makes the call for a model, which gives the arguments.
        nth_call: The place of the call among those of its message.
        tools: What else the model can call here, as far as LangGraph says so.
        messages: The conversation so far.
        state: The graph's, as far as LangGraph says so.
    """

    position: str
    config: RunnableConfig = field(default_factory=RunnableConfig)
    thread_id: str | None = None
    ledger_id: str | None = None
    is_new: bool = False
    is_in_step: bool = False
    is_from_model: bool = False
    nth_call: int = 0
    tools: Sequence[BaseTool] = ()
    messages: Sequence[Any] = field(default=(), repr=False)
    state: Any = field(default=None, repr=False)

    @property
    def session(self) -> str:
        """What a ledger is for: the thread; in a graph without threads the position, because such a graph
        remembers nothing; outside LangGraph, all calls.
        """
        if self.is_new:
            return "outside LangGraph"
        return f"at {self.position}" if self.thread_id is None else f"thread {self.thread_id}"

    def at_its_step(self) -> Calls[CallSite]:
        """The call site with the position of its step, where that is known: a replay of it has the same."""
        position = (yield from step_position(self.config)) if self.is_in_step else None
        return self if position is None else replace(self, position=position)

    def collector(self, task_tool: str) -> str | None:
        """The name of the tool here that fetches the answers of this tool's runs, if there is one."""
        has_it = (one for one in self.tools if getattr(one, "collects", None) == task_tool)
        return next((one.name for one in has_it), None)

    def lacks_answer(self, message_id: str, run_id: str) -> bool:
        """Whether the conversation has the message that made a call, and not the answer of the call's run."""
        ids = [getattr(message, "id", None) for message in self.messages]
        if message_id not in ids:
            return False
        after = self.messages[ids.index(message_id) + 1 :]
        # Whoever mends such a history puts words of their own there.
        return not any(isinstance(m, ToolMessage) and _answers(m, run_id) for m in after)

    @classmethod
    def of(cls, runtime: AnyRuntime | None, config: RunnableConfig) -> CallSite:
        """The call site. Its position is the id of the model message that made the call; in a node, without
        such a message, the node's task, until it is `placed`; outside LangGraph, a new id for each call.
        """
        graph = runtime or runtime_of(config)
        if graph is None:
            return cls(uuid.uuid4().hex, config, is_new=True)
        task = config.get("configurable", {}).get("checkpoint_ns") or uuid.uuid4().hex
        message = _message_of(runtime) if runtime else None
        message_id = getattr(message, "id", None)
        ledger_id = state_value(runtime.state, "ledger_id") if runtime else None
        return cls(
            position=message_id or str(task),
            config=config,
            is_in_step=message_id is None,
            nth_call=nth_call(message, runtime.tool_call_id) if runtime else 0,
            thread_id=thread_id_of(config),
            ledger_id=ledger_id if isinstance(ledger_id, str) else None,
            is_from_model=runtime is not None,
            tools=tuple(getattr(runtime, "tools", None) or ()),
            messages=_messages(runtime.state) if runtime else (),
            state=runtime.state if runtime else None,
        )


def _message_of(runtime: AnyRuntime) -> Any:
    """The last message that holds this tool call. Some models number their calls anew in each message, so the
    id of the call itself says nothing.
    """
    for message in reversed(_messages(runtime.state)):
        calls = getattr(message, "tool_calls", None) or ()
        if any(call.get("id") == runtime.tool_call_id for call in calls):
            return message
    return None


def _answers(message: ToolMessage, run_id: str) -> bool:
    if message.status == "error":
        return False
    return state_value(message.artifact or {}, "run_id") == run_id or run_id in message.text


def _messages(state: Any) -> Sequence[Any]:
    messages = state if isinstance(state, list) else state_value(state, "messages")
    return messages if isinstance(messages, list | tuple) else ()
