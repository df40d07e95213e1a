"""A graph of your own, with a `ToolNode`: the tools without the hooks, the records in its state."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from scripted import run

from langchain_parallel.middleware import ParallelResearchMiddleware, ResearchAgentState
from langchain_parallel.testing import call

QUESTIONS = ["Who makes cargo bikes?", "Why those, and where?"]
SCRIPT = {
    "agent": [
        call("start_research", question="Who makes cargo bikes?"),
        "Several makers do [1].",
        call("branch", handle="r1", questions=["Why those?", "Where are they?"]),
        "Because they can [101]; in Europe [201].",
    ]
}


def build(models: Any, **options: Any) -> Any:
    """The graph; `options` are further ones of the middleware."""
    tools = ParallelResearchMiddleware(processor="lite", **options).tools
    model = models["agent"].bind_tools(tools)

    def speak(state: ResearchAgentState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    graph = StateGraph(ResearchAgentState)
    graph.add_node("model", speak)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=InMemorySaver())


if __name__ == "__main__":
    raise SystemExit(run(build, SCRIPT, QUESTIONS))
