"""A simulated account on a manual clock, tools that talk to it, and what they really sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import httpx
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.messages.tool import ToolCall, tool_call
from langchain_core.tools import BaseTool

from langchain_parallel import ParallelClient, ParallelTaskTool
from langchain_parallel.simulator import ManualClock, RunScript, Simulator, SimulatorTransport

KEY = "key-aaaabbbb"
How = Literal["sync", "async"]


class Wire(SimulatorTransport):
    """Keeps every paid request as it left the client, secrets and all."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self.paid: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._note(request)
        return super().handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._note(request)
        return await super().handle_async_request(request)

    def _note(self, request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path.endswith("/runs"):
            self.paid.append(request)


class Account:
    """One account with Parallel. A `tool` made anew stands for a new process."""

    def __init__(self, simulator: Simulator | None = None) -> None:
        self.simulator = simulator or Simulator(ManualClock())
        self.wire = Wire(self.simulator)

    def tool(self, **options: Any) -> ParallelTaskTool:
        unknown = "request" in options and options["request"].allow_unknown_processor
        return ParallelTaskTool(
            client=ParallelClient(
                KEY,
                transport=self.wire,
                clock=self.simulator.clock,
                allow_unknown_processor=unknown,
            ),
            **options,
        )

    def script(self, **options: Any) -> None:
        self.simulator.scripts.add(RunScript(**options))

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The input of every run that was asked for, as the client sent it."""
        bodies = [json.loads(request.content) for request in self.wire.paid]
        return [asked for body in bodies for asked in body["inputs"]]

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The runs there are, each started and so to be paid."""
        return self.simulator.runs()

    @property
    def billed(self) -> int:
        return len(self.simulator.billing.billed_runs())

    def new_ledger(self) -> str:
        client = ParallelClient(KEY, transport=self.wire, clock=self.simulator.clock)
        return client.create_group().taskgroup_id


class Scripted(GenericFakeChatModel):
    """A scripted model that takes any tools."""

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self


def model(*says: AIMessage | str) -> Scripted:
    return Scripted(messages=iter(says), disable_streaming=True)  # streamed, it drops tool calls


def calls(*arguments: dict[str, Any]) -> AIMessage:
    """A model message with tool calls, numbered from 1 in each message as some models do."""
    return AIMessage("", tool_calls=[_call(str(i), args) for i, args in enumerate(arguments, 1)])


def _call(call_id: str, args: dict[str, Any]) -> ToolCall:
    return tool_call(name="parallel_task", args=args, id=call_id)


def agent(tool: BaseTool, *says: AIMessage | str, **options: Any) -> Any:
    return create_agent(model(*says), tools=[tool], **options)


START: dict[str, Any] = {"messages": [("user", "Find out")]}


async def invoke(runnable: Any, input: Any, how: How, config: Any = None) -> Any:
    if how == "async":
        return await runnable.ainvoke(input, config)
    return runnable.invoke(input, config)


async def ask(tool: ParallelTaskTool, how: How = "sync", **arguments: Any) -> ToolMessage:
    message = await invoke(tool, _call("1", arguments), how)
    assert isinstance(message, ToolMessage)
    return message


def answers(state: dict[str, Any]) -> list[ToolMessage]:
    return [m for m in state["messages"] if isinstance(m, ToolMessage)]


def run_ids(messages: list[ToolMessage]) -> list[str]:
    return [message.artifact["run_id"] for message in messages]


def thread(thread_id: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread_id}}


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    for part in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from strings(part)
