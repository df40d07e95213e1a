"""Who reads the runs of a graph's threads takes the graph's own client, wherever it stands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore

from langchain_parallel import (
    AsyncParallelClient,
    ParallelClient,
    ParallelTaskTool,
    create_research_graph,
)
from langchain_parallel.errors import InvalidRequest, MissingKey
from langchain_parallel.middleware import ParallelResearchMiddleware
from langchain_parallel.parked import (
    asweep,
    create_sweep_graph,
    resume_parked,
    sweep,
)
from langchain_parallel.parked.graph_clients import choose_clients
from langchain_parallel.parked.threads import threads_of
from langchain_parallel.research import ResearchState
from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport
from langchain_parallel.webhooks import webhook_app

from ..middleware.harness import Model
from ..research.harness import Mode, client_of, invoke
from ..webhooks.deliveries import SECRET

MODULE_TOOL: Any = None
"""Used by a node, as a global of its module."""


def client_for(simulator: Simulator, key: str = "key") -> ParallelClient:
    return ParallelClient(key, transport=SimulatorTransport(simulator), clock=simulator.clock)


def around(node: Any, state: Any = ResearchState) -> Any:
    builder: Any = StateGraph(state)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile(checkpointer=InMemorySaver())


def research(client: Any) -> Any:
    return create_research_graph(client=client).compile(checkpointer=InMemorySaver())


def subgraph(client: Any) -> Any:
    return around(create_research_graph(client=client).compile())


def closure(client: Any) -> Any:
    graph: Any = create_research_graph(client=client).compile()

    def node(state: ResearchState) -> Any:
        return graph.invoke(state)

    return around(node)


def bare(client: Any) -> Any:
    return around(lambda state: {"turns": client.retrieve("x")})


def partial(client: Any) -> Any:
    def node(tool: Any, state: Any) -> Any:
        return tool.invoke("x")

    return around(functools.partial(node, ParallelTaskTool(client=client)))


def in_module(client: Any) -> Any:
    global MODULE_TOOL  # noqa: PLW0603 -- what is tested
    MODULE_TOOL = ParallelTaskTool(client=client)
    return around(lambda state: MODULE_TOOL.invoke("x"))


def agent_with_tool(client: Any) -> Any:
    return create_agent(
        Model("done"), tools=[ParallelTaskTool(client=client)], checkpointer=InMemorySaver()
    )


def agent_with_middleware(client: Any) -> Any:
    middleware: Any = [ParallelResearchMiddleware(client=client)]
    return create_agent(
        Model("done"), middleware=middleware, checkpointer=InMemorySaver(), store=InMemoryStore()
    )


def agent_in_parent(client: Any) -> Any:
    return around(agent_with_middleware(client).with_config({"tags": ["x"]}))


GRAPHS = [
    research,
    subgraph,
    closure,
    bare,
    partial,
    in_module,
    agent_with_tool,
    agent_with_middleware,
    agent_in_parent,
]


@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_it_is_found_wherever_it_stands(make: Callable[[Any], Any]) -> None:
    client = client_for(Simulator(ManualClock()))
    clients, is_made_here = choose_clients(None, threads_of(make(client)))
    assert clients.sync is client
    assert not is_made_here


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_no_key_is_asked_for_where_the_graph_has_its_client(mode: Mode) -> None:
    simulator = Simulator(ManualClock())
    graph = create_research_graph(client=client_of(mode, simulator), wait="park").compile(
        checkpointer=InMemorySaver()
    )
    thread: Any = {"configurable": {"thread_id": "t"}}
    if mode == "sync":
        graph.invoke({"question": "Who?"}, thread)
    else:
        await graph.ainvoke({"question": "Who?"}, thread)
    simulator.settle(simulator.runs()[0]["run_id"])
    swept = sweep(graph) if mode == "sync" else await asweep(graph)
    assert swept.resumed == ["t"]
    assert len(simulator.runs()) == 1


def test_the_sweep_graph_the_wake_up_and_the_webhook_take_it_too() -> None:
    simulator = Simulator(ManualClock())
    graph = create_research_graph(client=client_for(simulator), wait="park").compile(
        checkpointer=InMemorySaver()
    )
    webhook_app(graph, secrets=[SECRET])
    assert invoke("sync", create_sweep_graph(graph).compile(), {}, {})["counts"]["threads"] == 0
    assert resume_parked(graph, "trun_" + "0" * 32).outcome == "unknown_run"


def test_what_is_given_comes_first_and_the_environment_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulator = Simulator(ManualClock())
    other = AsyncParallelClient("other", transport=SimulatorTransport(simulator))
    graph = research(client_for(simulator))
    assert choose_clients(other, threads_of(graph))[0].async_ is other
    plain = around(lambda state: {})
    with pytest.raises(MissingKey, match="pass `client=`"):
        choose_clients(None, threads_of(plain))
    monkeypatch.setenv("PARALLEL_API_KEY", "from-env")
    clients, is_made_here = choose_clients(None, threads_of(plain))
    assert is_made_here
    assert clients.sync._settings.api_key.get_secret_value() == "from-env"
    assert (
        choose_clients(None, threads_of(graph))[0].sync._settings.api_key.get_secret_value()
        == "key"
    )


def test_clients_of_several_accounts_are_not_mixed() -> None:
    simulator = Simulator(ManualClock())
    tools = [
        ParallelTaskTool(client=client_for(simulator, key), name=f"tool_{key}")
        for key in ("one", "two")
    ]
    graph = create_agent(Model("done"), tools=tools, checkpointer=InMemorySaver())
    with pytest.raises(InvalidRequest, match="several accounts") as caught:
        sweep(graph)
    assert "client=" in str(caught.value)
