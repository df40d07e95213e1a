"""The graphs that are measured: the package's, and what one would write without it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage
from langchain_core.messages.tool import tool_call
from langgraph.channels import DeltaChannel
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from langchain_parallel import ParallelClient, ParallelTaskTool, create_research_graph
from langchain_parallel.client.client_pair import AnyClient
from langchain_parallel.models import TaskRunInput
from langchain_parallel.research import Turn, merge_turns

PROCESSOR = "core-fast"


def research(client: AnyClient, **options: Any) -> Any:
    """The package's research graph."""
    return create_research_graph(processor=PROCESSOR, client=client, **options)


def research_with_excerpts(client: AnyClient) -> Any:
    """The same, keeping the citations' excerpts."""
    return research(client, keep_excerpts=True)


def research_with_deltas(client: AnyClient) -> Any:
    """The same, with its turns in LangGraph's `DeltaChannel` (beta): an experiment, not the package."""
    graph = research(client)
    graph.channels["turns"] = DeltaChannel(_all_merged, list[Turn])
    return graph


def _all_merged(turns: list[Turn], writes: Sequence[list[Turn]]) -> list[Turn]:
    for write in writes:
        turns = merge_turns(turns, write)
    return turns


def agent(client: AnyClient) -> Any:
    """A graph in which a model that always calls the tool stands before it."""
    graph = StateGraph(MessagesState)
    graph.add_node("model", _always_calls)
    graph.add_node("tools", ToolNode([ParallelTaskTool(processor=PROCESSOR, client=client)]))
    graph.add_edge(START, "model")
    graph.add_edge("model", "tools")
    graph.add_edge("tools", END)
    return graph


def _always_calls(state: MessagesState) -> dict[str, Any]:
    asked = state["messages"][-1].content
    call = tool_call(name="parallel_task", args={"input": asked}, id="1")
    # Of another length each time, ids would count as growth.
    return {"messages": [AIMessage("", tool_calls=[call], id=f"{len(state['messages']):06}")]}


class _Whole(TypedDict, total=False):
    question: str
    interaction_id: str | None
    results: Annotated[list[dict[str, Any]], operator.add]


def whole_results(client: ParallelClient) -> Any:
    """A graph of one node without a ledger, which keeps every result whole in its state."""

    def ask(state: _Whole) -> dict[str, Any]:
        before = state.get("interaction_id")
        asked = TaskRunInput(
            input=state["question"], processor=PROCESSOR, previous_interaction_id=before
        )
        result = client.wait(client.create(asked).run_id)
        found = [result.model_dump(mode="json")]
        return {"results": found, "interaction_id": result.run.interaction_id}

    graph = StateGraph(_Whole)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph


def question(graph: Any, text: str) -> dict[str, Any]:
    """What one of these graphs, uncompiled or compiled, is invoked with."""
    return {"messages": [("user", text)]} if "messages" in graph.channels else {"question": text}
