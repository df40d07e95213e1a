"""A research session on the simulator, driven blocking or asynchronously from one test source."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel import AsyncParallelClient, ParallelClient, create_research_graph
from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport

Mode = Literal["sync", "async"]


def blocking_client(simulator: Simulator, **settings: Any) -> ParallelClient:
    """A client on the simulator's transport and clock."""
    how: dict[str, Any] = {"transport": SimulatorTransport(simulator), "clock": simulator.clock}
    return ParallelClient("key-of-a-test", **how, **settings)


def async_client(simulator: Simulator, **settings: Any) -> AsyncParallelClient:
    """The same for asynchronous calls."""
    how: dict[str, Any] = {"transport": SimulatorTransport(simulator), "clock": simulator.clock}
    return AsyncParallelClient("key-of-a-test", **how, **settings)


def client_of(
    mode: Mode, simulator: Simulator, **settings: Any
) -> ParallelClient | AsyncParallelClient:
    """The client whose calls are made in this mode."""
    make = blocking_client if mode == "sync" else async_client
    return make(simulator, **settings)


@dataclass
class Session:
    """One LangGraph thread with a research graph, on a simulator with virtual time."""

    mode: Mode
    simulator: Simulator = field(default_factory=lambda: Simulator(ManualClock()))
    checkpointer: Any = field(default_factory=InMemorySaver)
    store: InMemoryStore | None = None
    options: dict[str, Any] = field(default_factory=dict)
    config: Any = field(default_factory=lambda: {"configurable": {"thread_id": "thread"}})

    def graph(self) -> Any:
        """A graph as a new process would build it."""
        client = client_of(self.mode, self.simulator)
        usual: dict[str, Any] = {"processor": ("pro", "core-fast"), "client": client}
        graph = create_research_graph(**{**usual, **self.options})
        return graph.compile(checkpointer=self.checkpointer, store=self.store)

    def ask(self, question: str | None = None, *, config: Any = None, **more: Any) -> Any:
        """Ask a question on the thread, or resume it with None."""
        given = None if question is None else {"question": question, **more}
        return invoke(self.mode, self.graph(), given, config or self.config)

    def state(self) -> dict[str, Any]:
        values: dict[str, Any] = self.graph().get_state(self.config).values
        return values

    @property
    def runs(self) -> list[dict[str, Any]]:
        """Every run the API has started, oldest first."""
        return list(self.simulator.runs())


def as_json(state: Any) -> str:
    """A state as JSON: all of it is, but for LangChain's own messages."""
    return json.dumps(state, default=BaseMessage.model_dump_json)


def invoke(mode: Mode, graph: Any, given: Any, config: Any) -> Any:
    """Run a graph to its end, with `durability="sync"` where there is a checkpointer."""
    more: dict[str, Any] = {"durability": "sync"} if graph.checkpointer else {}
    if mode == "sync":
        return graph.invoke(given, config, **more)
    return asyncio.run(graph.ainvoke(given, config, **more))


def stream(mode: Mode, graph: Any, given: Any, config: Any, **options: Any) -> list[Any]:
    """Everything a graph streams."""
    if mode == "sync":
        return list(graph.stream(given, config, **options))

    async def collect() -> list[Any]:
        return [chunk async for chunk in graph.astream(given, config, **options)]

    return asyncio.run(collect())


def script(*verdicts: Any) -> Callable[[Any, Any], Any]:
    """An evaluation that gives these verdicts one after the other."""
    left = list(verdicts)

    def evaluate(state: Any, turn: Any) -> Any:
        return left.pop(0) if left else None

    return evaluate
