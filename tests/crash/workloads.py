"""What is run and killed: five graphs, built as a new process would build them.

Each asks two questions, so an uncrashed run pays for two; the one that branches asks three. The
evaluation and the model are scripted, and as deterministic as they may be: the model answers from the
messages it sees, but its messages get a new id every time it speaks, as those of real models do.
"""

from __future__ import annotations

import json
import operator
import uuid
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import END, START, StateGraph

from langchain_parallel import ParallelTaskTool, create_research_graph
from langchain_parallel.client.client_pair import AnyClient
from langchain_parallel.options import Limits
from langchain_parallel.research import ResearchState, Turn, Verdict, merge_turns

FIRST, SECOND = "Who leads in cargo bikes?", "By how much, and since when?"
THIRD = "Who follows?"


def _evaluate(state: ResearchState, turn: Turn) -> Verdict | None:
    """One automatic follow-up."""
    if turn["asked_by"] == "evaluation":
        return None
    return {"action": "follow_up", "question": SECOND, "reason": "scripted"}


def _research(client: AnyClient) -> Any:
    return create_research_graph(
        processor=("lite", "base"),
        evaluate=_evaluate,
        limits=Limits(max_runs_per_question=2),
        client=client,
    )


def subgraph(client: AnyClient, **compiled_with: Any) -> Any:
    """(a) The research graph by itself."""
    return _research(client).compile(**compiled_with)


def _fork(state: ResearchState, turn: Turn) -> Verdict | None:
    """Two automatic follow-ups at the same time."""
    if turn["asked_by"] == "evaluation":
        return None
    asked: Any = [{"question": SECOND}, {"question": THIRD, "processor": "lite"}]
    return {"action": "branch", "questions": asked, "reason": "scripted"}


def branches(client: AnyClient, **compiled_with: Any) -> Any:
    """(e) The research graph, which branches."""
    graph = create_research_graph(
        processor=("lite", "base"),
        evaluate=_fork,
        limits=Limits(max_runs_per_question=3),
        client=client,
    )
    return graph.compile(**compiled_with)


class _Parent(TypedDict, total=False):
    topic: str
    question: str
    answer: Any
    interaction_id: str | None
    ledger_id: str
    turns: Annotated[list[Turn], merge_turns]
    notes: Annotated[list[str], operator.add]


def node(client: AnyClient, **compiled_with: Any) -> Any:
    """(b) The same as a node of a parent that shares the session's keys."""
    graph: Any = StateGraph(_Parent)
    graph.add_node("ask", lambda state: {"question": f"Who leads in {state['topic']}?"})
    graph.add_node("research", _research(client).compile())
    graph.add_node("note", lambda state: {"notes": [json.dumps(state["answer"])]})
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "research")
    graph.add_edge("research", "note")
    graph.add_edge("note", END)
    return graph.compile(**compiled_with)


class _Model(BaseChatModel):
    """Speaks from what it has seen."""

    says: Callable[[list[ToolMessage]], AIMessage]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> ChatResult:
        seen = [message for message in messages if isinstance(message, ToolMessage)]
        return ChatResult(generations=[ChatGeneration(message=self.says(seen))])


def _calls(*arguments: dict[str, Any]) -> AIMessage:
    calls: Any = [
        {"name": "parallel_task", "args": args, "id": f"call_{uuid.uuid4().hex}"}
        for args in arguments
    ]
    return AIMessage("", tool_calls=calls, id=f"msg_{uuid.uuid4().hex}")


def _agent(says: Any, client: AnyClient, compiled_with: dict[str, Any]) -> Any:
    tool = ParallelTaskTool(processor="lite", client=client)
    return create_agent(_Model(says=says), tools=[tool], **compiled_with)


def _one_after_the_other(seen: list[ToolMessage]) -> AIMessage:
    if not seen:
        return _calls({"input": FIRST})
    if len(seen) == 1:
        head = seen[0].artifact["interaction_id"]
        return _calls({"input": SECOND, "previous_interaction_id": head})
    return AIMessage("done")


def tool(client: AnyClient, **compiled_with: Any) -> Any:
    """(c) The tool in an agent: a call, and a follow-up in a later message."""
    return _agent(_one_after_the_other, client, compiled_with)


def _both_at_once(seen: list[ToolMessage]) -> AIMessage:
    return AIMessage("done") if seen else _calls({"input": FIRST}, {"input": SECOND})


def two_calls(client: AnyClient, **compiled_with: Any) -> Any:
    """(d) The tool in an agent: two calls in one message, run in parallel."""
    return _agent(_both_at_once, client, compiled_with)


_SAID: dict[str, Any] = {"messages": [("user", "Find out")]}

QUESTIONS = {"subgraph": 2, "branches": 3, "node": 2, "tool": 2, "two calls": 2}
"""How many runs each pays for."""
WORKLOADS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "subgraph": (subgraph, {"question": FIRST}),
    "branches": (branches, {"question": FIRST}),
    "node": (node, {"topic": "cargo bikes"}),
    "tool": (tool, _SAID),
    "two calls": (two_calls, _SAID),
}
"""How to build each, and what it is invoked with."""
