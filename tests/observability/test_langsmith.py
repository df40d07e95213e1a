"""What a research cost, as LangSmith reads it: `usage_metadata.total_cost` of a run's metadata.

Its real client and tracer send it; a stand-in takes what they send. Source:
https://docs.langchain.com/langsmith/cost-tracking.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel import (
    ChatParallel,
    ParallelClient,
    ParallelExtractTool,
    ParallelResearchMiddleware,
    ParallelSearchRetriever,
    ParallelSearchTool,
    ParallelTaskTool,
    create_research_graph,
)
from langchain_parallel._core.calls import drive
from langchain_parallel._graph.callbacks import trace_cost
from langchain_parallel.batch import research_table
from langchain_parallel.simulator import ManualClock, Simulator
from langchain_parallel.testing import ScriptedModel, call, simulated_client

from ..secrets_kit import LangSmith

QUESTION = "Who makes cargo bikes in Europe?"
Ask = Callable[[ParallelClient, Any], Any]


def runs_of(langsmith: LangSmith) -> list[dict[str, Any]]:
    """The runs of a trace, each with all that was sent of it."""
    runs: dict[str, dict[str, Any]] = {}
    for text in langsmith.texts:
        sent = json.loads(text)
        runs.setdefault(sent["id"], {}).update({k: v for k, v in sent.items() if v is not None})
    return [*runs.values()]


def by_graph(client: ParallelClient, config: Any) -> None:
    graph = create_research_graph(client=client, processor="lite").compile(
        checkpointer=InMemorySaver()
    )
    graph.invoke({"question": QUESTION}, config)


def by_quick_graph(client: ParallelClient, config: Any) -> None:
    graph = create_research_graph(client=client, processor="chat:lite").compile(
        checkpointer=InMemorySaver()
    )
    graph.invoke({"question": QUESTION}, config)


def by_middleware(client: ParallelClient, config: Any) -> None:
    model = ScriptedModel(call("start_research", question=QUESTION), "It is so [1].")
    research = ParallelResearchMiddleware(client=client, processor="lite")
    agent = create_agent(model, middleware=[research], checkpointer=InMemorySaver())
    agent.invoke({"messages": [("user", "Find out")]}, config)


def by_agents_tool(client: ParallelClient, config: Any) -> None:
    model = ScriptedModel(call("parallel_task", input=QUESTION), "It is so [1].")
    tool = ParallelTaskTool(client=client, processor="lite")
    agent = create_agent(model, [tool], checkpointer=InMemorySaver())
    agent.invoke({"messages": [("user", "Find out")]}, config)


def by_awaited_model(client: ParallelClient, config: Any) -> None:
    asyncio.run(ChatParallel(client=client).ainvoke(QUESTION, config))


DOORS: dict[str, tuple[Ask, str, float]] = {
    "graph": (by_graph, "parallel_run", 0.005),
    "quick graph": (by_quick_graph, "parallel_run", 0.005),
    "middleware": (by_middleware, "parallel_run", 0.005),
    "tool of an agent": (by_agents_tool, "parallel_run", 0.005),
    "tool": (
        lambda client, config: ParallelTaskTool(client=client, processor="lite").invoke(
            {"input": QUESTION}, config
        ),
        "parallel_run",
        0.005,
    ),
    "table": (
        lambda client, config: research_table(
            [{"what": "bikes"}],
            "Who makes {what}?",
            client=client,
            processor="lite",
            config=config,
        ),
        "parallel_run",
        0.005,
    ),
    "search": (
        lambda client, config: ParallelSearchTool(client=client).invoke(
            {"search_queries": ["bikes"], "objective": QUESTION}, config
        ),
        "parallel_web_search_cost",
        0.005,
    ),
    "extract": (
        lambda client, config: ParallelExtractTool(client=client).invoke(
            {"urls": ["https://example.com"]}, config
        ),
        "parallel_extract_cost",
        0.001,
    ),
    "retriever": (
        lambda client, config: ParallelSearchRetriever(client=client).invoke(QUESTION, config),
        "parallel_search_cost",
        0.005,
    ),
    "chat model": (
        lambda client, config: ChatParallel(client=client).invoke(QUESTION, config),
        "parallel_chat_cost",
        0.005,
    ),
    "awaited chat model": (by_awaited_model, "parallel_chat_cost", 0.005),
}


@pytest.mark.parametrize("door", DOORS)
def test_langsmith_is_told_what_each_door_paid_once(door: str) -> None:
    ask, name, usd = DOORS[door]
    langsmith = LangSmith()
    config = {
        "callbacks": [langsmith.tracer()],
        "configurable": {"thread_id": "bikes"},
        "metadata": {"thread_id": "bikes"},
    }
    ask(simulated_client(Simulator(ManualClock())), config)
    runs = runs_of(langsmith)
    told = [
        (run, metadata)
        for run in runs
        if "usage_metadata" in (metadata := run.get("extra", {}).get("metadata", {}))
    ]
    [(paid, metadata)] = told
    assert paid["name"] == name
    assert metadata["usage_metadata"] == {"total_cost": usd}
    # By which LangSmith adds up a trace and a thread.
    assert metadata["thread_id"] == "bikes"
    [root] = [run for run in runs if run["id"] == paid["trace_id"]]
    assert paid["parent_run_id"] in {run["id"] for run in runs}
    assert root["id"] != paid["id"]


def test_of_an_unknown_price_langsmith_is_told_none() -> None:
    langsmith = LangSmith()
    spent = {"run_id": "trun_1", "cost_usd": None}
    drive(trace_cost("parallel_run", spent, {"callbacks": [langsmith.tracer()]}))
    [run] = runs_of(langsmith)
    assert run["extra"]["metadata"]["run_id"] == "trun_1"
    assert "usage_metadata" not in run["extra"]["metadata"]
