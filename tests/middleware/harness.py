"""An agent with the middleware, a scripted model and a simulated account, driven blocking or awaiting."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Callable
from typing import Any, Literal

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from langchain_parallel import AsyncParallelClient, ParallelClient
from langchain_parallel.middleware import AgentTurn, ParallelResearchMiddleware
from langchain_parallel.simulator import (
    Fault,
    ManualClock,
    RunScript,
    Scenario,
    Simulator,
    SimulatorTransport,
)

How = Literal["sync", "async"]
Says = AIMessage | str | Callable[[list[BaseMessage]], AIMessage]
KEY = "key-aaaabbbb"


class Model(BaseChatModel):
    """Says what the test scripts; keeps what it was shown."""

    _says: list[Says] = PrivateAttr(default_factory=list)
    _seen: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _tools: list[Any] = PrivateAttr(default_factory=list)

    def __init__(self, *says: Says) -> None:
        super().__init__()
        self._says = list(says)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        self._tools = list(tools)
        return self

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> ChatResult:
        self._seen.append(list(messages))
        say = self._says.pop(0) if self._says else "done"
        message = AIMessage(say) if isinstance(say, str) else say
        if not isinstance(message, AIMessage):
            message = message(messages)
        fresh = message.model_copy(update={"id": f"msg_{uuid.uuid4().hex}"})
        return ChatResult(generations=[ChatGeneration(message=fresh)])

    def says(self, *more: Says) -> None:
        """What it says next."""
        self._says.extend(more)

    @property
    def notes(self) -> list[str]:
        """The system message of each of its turns; empty without one."""
        firsts = [seen[0] for seen in self._seen]
        return [m.text if isinstance(m, SystemMessage) else "" for m in firsts]


def calls(*named: tuple[str, dict[str, Any]]) -> AIMessage:
    """A model message with tool calls, numbered from 1 in each message as some models do."""
    made: Any = [
        {"name": name, "args": args, "id": str(nth), "type": "tool_call"}
        for nth, (name, args) in enumerate(named, start=1)
    ]
    return AIMessage("", tool_calls=made)


def start(question: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "start_research", {"question": question, **more}


def follow_up(handle: str, question: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "follow_up", {"handle": handle, "question": question, **more}


def branch(handle: str, *questions: str) -> tuple[str, dict[str, Any]]:
    return "branch", {"handle": handle, "questions": list(questions)}


def check(handle: str | None = None) -> tuple[str, dict[str, Any]]:
    return "check_research", {} if handle is None else {"handle": handle}


def read(handle: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "read_research", {"handle": handle, **more}


def listing() -> tuple[str, dict[str, Any]]:
    return "list_research", {}


class Account:
    """One account with Parallel. A `middleware` made anew stands for a new process."""

    def __init__(
        self,
        how: How = "sync",
        scenario: Scenario | None = None,
        simulator: Simulator | None = None,
    ) -> None:
        self.how = how
        self.simulator = simulator or Simulator(ManualClock(), scenario=scenario)

    def clients(self) -> dict[str, Any]:
        """The option that connects a door with the account."""
        return {"client": self.client()}

    def client(self, **settings: Any) -> ParallelClient:
        how: dict[str, Any] = {"clock": self.simulator.clock, **settings}
        return ParallelClient(KEY, transport=SimulatorTransport(self.simulator), **how)

    def async_client(self) -> AsyncParallelClient:
        clock = self.simulator.clock
        return AsyncParallelClient(KEY, transport=SimulatorTransport(self.simulator), clock=clock)

    def middleware(self, **options: Any) -> ParallelResearchMiddleware:
        return ParallelResearchMiddleware(**{"processor": "lite", **self.clients(), **options})

    def agent(
        self, model: Model, *others: Any, compiled: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        """An agent with the middleware, made of `options`, and with others behind it."""
        return create_agent(
            model, middleware=[self.middleware(**options), *others], **(compiled or {})
        )

    def invoke(self, agent: Any, given: Any, config: Any = None, **more: Any) -> dict[str, Any]:
        if agent.checkpointer is not None:
            more.setdefault("durability", "sync")
        if self.how == "async":
            try:
                return asyncio.run(agent.ainvoke(given, config, **more))
            except RuntimeError as error:
                if sys.version_info < (3, 11) and "outside of a runnable context" in str(error):
                    pytest.skip("Python 3.10 carries no context into tasks: LangChain cannot ask")
                raise
        return agent.invoke(given, config, **more)  # type: ignore[no-any-return]

    def script(self, **options: Any) -> None:
        self.simulator.scripts.add(RunScript(**options))

    def fault(self, kind: Any, **options: Any) -> None:
        self.simulator.faults.add(Fault(kind, **options))

    def pass_time(self, seconds: float = 10_000) -> None:
        clock = self.simulator.clock
        assert isinstance(clock, ManualClock)
        clock.advance(seconds)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """Every run that was started."""
        return self.simulator.runs()

    @property
    def asked(self) -> list[str]:
        """What each of them was asked."""
        return [self.simulator.find_run(run["run_id"]).text for run in self.runs]

    @property
    def billed(self) -> int:
        return len(self.simulator.billing.billed_runs())


SAID: dict[str, Any] = {"messages": [("user", "Find out")]}


def more(text: str = "And now?") -> dict[str, Any]:
    return {"messages": [("user", text)]}


def thread(thread_id: str = "thread") -> Any:
    return {"configurable": {"thread_id": thread_id}}


def answers(state: dict[str, Any]) -> list[ToolMessage]:
    return [m for m in state["messages"] if isinstance(m, ToolMessage)]


def texts(state: dict[str, Any]) -> list[str]:
    return [message.text for message in answers(state)]


def record(state: dict[str, Any], handle: str) -> AgentTurn:
    found: AgentTurn = state["parallel_research"][handle]
    return found
