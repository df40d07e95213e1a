"""The graphs of `parked`: the research graph, and bare LangGraph with the same steps.

Rule: the control does exactly LangGraph's part of the work. It has the same channels and the same steps,
and each step writes what the research graph's step of that name writes. It trusts what it is resumed with,
records no parked thread, and takes no lock.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import httpx
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from langchain_parallel import AsyncParallelClient, ParallelClient, create_research_graph
from langchain_parallel._core.calls import Calls
from langchain_parallel.parked import GraphThreads, ThreadStatus
from langchain_parallel.parked.threads import ChooseInterrupts
from langchain_parallel.research import ResearchState
from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport

from .threads import open_storage as open_sqlite

Kind = Literal["research graph", "bare", "bare, and a GET"]
KEY = "key-of-a-benchmark"
POOL = 20
"""The size of a process's connection pool to PostgreSQL."""

_STEPS = ("plan", "submit", "wait", "evaluate")
_Write: TypeAlias = Callable[[str, str], None]


def question(thread_id: str) -> dict[str, str]:
    """The input for a thread."""
    return {"question": f"How large is the market of {thread_id}?"}


def thread_config(thread_id: str) -> Any:
    """LangGraph's config for a thread."""
    return {"configurable": {"thread_id": thread_id}}


def event_file(path: str) -> _Write:
    """Returns a function that appends a line: what happened to which thread, when, and in which process.

    A line survives if the process is killed afterwards.
    """
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(what: str, thread_id: str) -> None:
        os.write(file, f"{what} {thread_id} {time.monotonic():.6f} {os.getpid()}\n".encode())

    return write


def research_graph(api: str, write: _Write) -> tuple[Any, AsyncParallelClient]:
    """The research graph, whose evaluator writes a line, and its client."""

    def evaluate(state: Any, turn: Any) -> None:
        # The question names the thread, because an evaluator does not get its id.
        write("evaluated", turn["question"].rpartition(" ")[2].rstrip("?"))

    client = AsyncParallelClient(KEY, api)
    graph = create_research_graph(processor="lite", wait="park", evaluate=evaluate, client=client)
    return graph, client


class TimedThreads(GraphThreads):
    """The threads of the research graph. A resumed one writes a line after its last checkpoint."""

    write: _Write = staticmethod(lambda what, thread_id: None)

    def resume_if(
        self, thread_id: str, choose: ChooseInterrupts
    ) -> Calls[tuple[ThreadStatus, ThreadStatus | None]]:
        """Resume, and write a line."""
        before, after = yield from super().resume_if(thread_id, choose)
        if after is not None:
            self.write("done", thread_id)
        return before, after


@cache
def record_writes() -> dict[str, Any]:
    """What the research graph's steps write to the state, and (`parked`) the value of its interrupt."""
    simulator = Simulator(ManualClock())
    how: Any = {"transport": SimulatorTransport(simulator), "clock": simulator.clock}
    graph: Any = create_research_graph(
        processor="lite",
        wait="park",
        evaluate=lambda state, turn: None,
        client=ParallelClient(KEY, **how),
    ).compile(checkpointer=InMemorySaver())
    found: dict[str, Any] = {}
    inputs: tuple[Any, Any] = (question("recorded"), Command(resume="look"))
    for given in inputs:
        for update in graph.stream(given, thread_config("recorded"), stream_mode="updates"):
            found.update(update)
        simulator.clock.sleep(3_600.0)
    [parked] = found.pop("__interrupt__")
    return {**found, "parked": parked.value}


def bare_graph(api: str, write: _Write, *, gets: bool) -> Any:
    """Bare LangGraph with the same steps and writes. With `gets`, it requests the answer from the API."""
    http = httpx.AsyncClient(base_url=api, headers={"x-api-key": KEY}, timeout=60.0)
    writes = record_writes()

    def step(name: str) -> Callable[[Any, RunnableConfig], Awaitable[Any]]:
        async def run(state: Any, config: RunnableConfig) -> Any:
            if name == "wait":
                delivery = interrupt(writes["parked"])
                if gets:
                    address = f"/v1/tasks/runs/{delivery['run_id']}/result"
                    (await http.get(address)).raise_for_status().json()
            if name == "evaluate":
                write("evaluated", config["configurable"]["thread_id"])
            return writes[name]

        return run

    graph: Any = StateGraph(ResearchState)
    for before, name in zip((START, *_STEPS), _STEPS, strict=False):
        graph.add_node(name, step(name))
        graph.add_edge(before, name)
    graph.add_edge(_STEPS[-1], END)
    return graph


@asynccontextmanager
async def storage(location: str) -> AsyncIterator[dict[str, Any]]:
    """Open checkpointer and store in a folder (SQLite) or at a URI (PostgreSQL, as in deployment.md)."""
    if not location.startswith("postgresql://"):
        async with open_sqlite(Path(location), "async", store=True) as made:
            yield made
        return
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from langgraph.store.postgres import AsyncPostgresStore
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool

    settings: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncExitStack() as stack:
        pool: Any = AsyncConnectionPool(location, max_size=POOL, kwargs=settings, open=False)
        await stack.enter_async_context(pool)
        yield {"checkpointer": AsyncPostgresSaver(pool), "store": AsyncPostgresStore(pool)}
