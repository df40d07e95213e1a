"""The graphs to measure: those of the package, and what one would write without it."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage
from langchain_core.messages.tool import tool_call
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from langchain_parallel import ParallelClient, ParallelTaskTool, create_research_graph
from langchain_parallel.models import TaskRunInput
from langchain_parallel.research import write_turns_once

PROCESSOR = "core-fast"


def research(client: ParallelClient, **options: Any) -> Any:
    """The package's research graph."""
    return create_research_graph(processor=PROCESSOR, client=client, **options)


def research_with_excerpts(client: ParallelClient) -> Any:
    """The same, and the state has the citations' excerpts."""
    return research(client, keep_excerpts=True)


def research_with_deltas(client: ParallelClient) -> Any:
    """The same, and each turn is written once."""
    return write_turns_once(research(client))


def agent(client: ParallelClient) -> Any:
    """A graph of a model that always calls the tool, and the tool."""
    graph = StateGraph(MessagesState)
    graph.add_node("model", _model)
    graph.add_node("tools", ToolNode([ParallelTaskTool(processor=PROCESSOR, client=client)]))
    graph.add_edge(START, "model")
    graph.add_edge("model", "tools")
    graph.add_edge("tools", END)
    return graph


def _model(state: MessagesState) -> dict[str, Any]:
    asked = state["messages"][-1].content
    call = tool_call(name="parallel_task", args={"input": asked}, id="1")
    # The id always has the same length, so that it does not look like growth.
    return {"messages": [AIMessage("", tool_calls=[call], id=f"{len(state['messages']):06}")]}


class _WholeState(TypedDict, total=False):
    question: str
    interaction_id: str | None
    results: Annotated[list[dict[str, Any]], operator.add]


def whole_results(client: ParallelClient) -> Any:
    """A graph of one node without a ledger. Its state has every result whole."""

    def ask(state: _WholeState) -> dict[str, Any]:
        head = state.get("interaction_id")
        request = TaskRunInput(
            input=state["question"], processor=PROCESSOR, previous_interaction_id=head
        )
        result = client.wait(client.create(request).run_id)
        results = [result.model_dump(mode="json")]
        return {"results": results, "interaction_id": result.run.interaction_id}

    graph = StateGraph(_WholeState)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph


def question(graph: Any, text: str) -> dict[str, Any]:
    """The input for one of these graphs, compiled or not."""
    return {"question": text} if "question" in graph.channels else {"messages": [("user", text)]}
