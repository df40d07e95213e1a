"""`create_sweep_graph`: a sweep as a graph, so that a LangGraph cron can run it."""

from __future__ import annotations

from typing import Any, TypedDict

from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph

from ..client import AsyncParallelClient, ParallelClient
from .resumption import AnyGraph
from .sweeper import asweep, sweep
from .threads import Threads


class SweepState(TypedDict, total=False):
    """What the last sweep found, in numbers."""

    swept: dict[str, int]


def create_sweep_graph(
    graph: AnyGraph | Threads,
    *,
    client: ParallelClient | None = None,
    async_client: AsyncParallelClient | None = None,
    **options: Any,
) -> StateGraph[SweepState, None, SweepState, SweepState]:
    """A graph that sweeps another one's threads each time it runs: for a LangGraph cron. Uncompiled.

    Args:
        graph: As for `sweep`; `options`, too.
        client: For blocking runs.
        async_client: For asynchronous runs.
        options: `at_once`, `per_second`, `stranded_after`, `config`, `context`.
    """

    def blocking(state: SweepState) -> SweepState:
        return {"swept": sweep(graph, client, **options).counts()}

    async def asynchronous(state: SweepState) -> SweepState:
        return {"swept": (await asweep(graph, async_client, **options)).counts()}

    made: Any = StateGraph(SweepState)
    made.add_node("sweep", RunnableLambda(blocking, asynchronous))
    made.add_edge(START, "sweep")
    made.add_edge("sweep", END)
    return made  # type: ignore[no-any-return]  # LangGraph's generics do not follow add_node
