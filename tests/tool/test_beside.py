"""Steps of a graph beside each other that ask the same: while the run is on its way, it is one for all."""

from __future__ import annotations

import operator
from typing import Annotated, Any

import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from typing_extensions import TypedDict

from langchain_parallel import ParallelTaskTool

from .helpers import Account, How, invoke, thread

HERE = thread("a.thread")


class Told(TypedDict):
    told: Annotated[list[str], operator.add]


def graph_of(tool: ParallelTaskTool, kind: str, *, one_by_one: bool) -> Any:
    """Two steps that ask the same, each in a node or in a subgraph."""

    def ask(state: Told, config: RunnableConfig) -> Any:
        return {"told": [tool.invoke({"input": "Who leads?"}, config)]}

    async def aask(state: Told, config: RunnableConfig) -> Any:
        return {"told": [await tool.ainvoke({"input": "Who leads?"}, config)]}

    step: Any = RunnableLambda(ask, aask)
    inner = StateGraph(Told).add_node("ask", step).add_edge("__start__", "ask").compile()
    graph: Any = StateGraph(Told)
    for name in ("one", "two"):
        graph.add_node(name, step if kind == "nodes" else inner)
    graph.add_edge("__start__", "one").add_edge("one" if one_by_one else "__start__", "two")
    return graph.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("kind", ["nodes", "subgraphs"])
async def test_steps_beside_each_other_share_the_run_that_is_on_its_way(
    account: Account, how: How, kind: str
) -> None:
    """Nothing tells the second call from one that goes on where a call was cut off."""
    account.script(seconds=1_000.0)
    tool = account.tool(timeout=100.0)
    graph = graph_of(tool, kind, one_by_one=False)
    first = await invoke(graph, {"told": []}, how, HERE)
    assert all("Make the same call again" in text for text in first["told"])
    tool.timeout = None
    (before,) = (s for s in graph.get_state_history(HERE) if set(s.next) == {"one", "two"})
    for _ in range(2):
        found = await invoke(graph, None, how, before.config)
        (run,) = account.runs
        assert [text.splitlines()[-1] for text in found["told"]] == [f"run_id: {run['run_id']}"] * 2
    assert account.billed == 1


@pytest.mark.parametrize("kind", ["nodes", "subgraphs"])
async def test_steps_one_after_the_other_are_a_run_each(
    account: Account, how: How, kind: str
) -> None:
    graph = graph_of(account.tool(), kind, one_by_one=True)
    await invoke(graph, {"told": []}, how, HERE)
    assert len(account.runs) == account.billed == 2
