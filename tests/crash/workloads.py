"""What is run and killed: graphs and agents, built as a new process would build them.

The evaluation and the model are scripted.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph

from langchain_parallel import ParallelTaskTool, create_research_graph
from langchain_parallel.batch import create_table_node
from langchain_parallel.client.client_pair import AnyClient
from langchain_parallel.options import Limits
from langchain_parallel.research import (
    ResearchState,
    Turn,
    Verdict,
    merge_turns,
    write_turns_once,
)

from .agents import QUICK, WAYS, middleware, quickly, records
from .scripted import FIRST, SAID, SECOND, THIRD, GaveUp, Heard, Model, calling


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


def once(client: AnyClient, **compiled_with: Any) -> Any:
    """The same, and each turn is written once."""
    return write_turns_once(_research(client)).compile(**compiled_with)


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


def _quickly(state: ResearchState, turn: Turn) -> Verdict | None:
    """One automatic quick question."""
    if turn["asked_by"] == "evaluation":
        return None
    return {"action": "follow_up", "question": SECOND, "processor": QUICK, "reason": "scripted"}


def quick(client: AnyClient, **compiled_with: Any) -> Any:
    """(f) The research graph, which asks a quick question about what it has found."""
    graph = create_research_graph(
        processor="lite", evaluate=_quickly, limits=Limits(max_runs_per_question=2), client=client
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


_TOOL = "parallel_task"


def _agent(says: Any, client: AnyClient, compiled_with: dict[str, Any]) -> Any:
    tool = ParallelTaskTool(processor="lite", client=client)
    return create_agent(Model(says=says), tools=[tool], **compiled_with)


def _once_more(heard: Heard) -> AIMessage:
    """Ask again what nobody knows, but not at once."""
    if heard.is_news:
        raise GaveUp(heard.answers[-1].text)
    return calling(*heard.failed)


def _one_after_the_other(heard: Heard) -> AIMessage:
    if heard.failed:
        return _once_more(heard)
    seen = [answer for answer in heard.answers if answer.status != "error"]
    if not seen:
        return calling((_TOOL, {"input": FIRST}))
    if len(seen) == 1:
        head = seen[0].artifact["interaction_id"]
        return calling((_TOOL, {"input": SECOND, "previous_interaction_id": head}))
    return AIMessage("done")


def tool(client: AnyClient, **compiled_with: Any) -> Any:
    """(c) The tool in an agent: a call, and a follow-up in a later message."""
    return _agent(_one_after_the_other, client, compiled_with)


def _all_at_once(heard: Heard) -> AIMessage:
    if heard.failed:
        return _once_more(heard)
    if heard.answers:
        return AIMessage("done")
    return calling(*((_TOOL, {"input": question}) for question in (FIRST, SECOND, THIRD)))


def three_calls(client: AnyClient, **compiled_with: Any) -> Any:
    """(d) The tool in an agent: three calls in one message, run in parallel."""
    return _agent(_all_at_once, client, compiled_with)


COUNTRIES = [{"country": name} for name in ("France", "Ghana", "Japan", "Peru", "Samoa")]


class _Table(TypedDict, total=False):
    countries: list[dict[str, str]]
    leaders: list[dict[str, Any]]


def table(wait: Literal["block", "park"]) -> Callable[..., Any]:
    """A node that researches a list of the state, in chunks."""

    def build(client: AnyClient, **compiled_with: Any) -> Any:
        how: Any = {"processor": "lite", "chunk_size": 3, "wait": wait, "client": client}
        graph: Any = StateGraph(_Table)
        graph.add_node(
            "lead", create_table_node("countries", "leaders", "Who leads {country}?", **how)
        )
        graph.add_edge(START, "lead")
        graph.add_edge("lead", END)
        return graph.compile(**compiled_with)

    return build


@dataclass(frozen=True)
class Workload:
    """How to build it, what it is invoked with, and how many runs it pays for.

    `compared`: what of its final state is the same after a kill.
    """

    build: Callable[..., Any]
    given: dict[str, Any]
    questions: int
    compared: Callable[[Any], Any] = lambda state: state


WORKLOADS: dict[str, Workload] = {
    "subgraph": Workload(subgraph, {"question": FIRST}, 2),
    "turns once": Workload(once, {"question": FIRST}, 2),
    "branches": Workload(branches, {"question": FIRST}, 3),
    "node": Workload(node, {"topic": "cargo bikes"}, 2),
    "tool": Workload(tool, SAID, 2),
    "three calls": Workload(three_calls, SAID, 3),
    "table node": Workload(table("block"), {"countries": COUNTRIES}, len(COUNTRIES)),
    "table node, park": Workload(table("park"), {"countries": COUNTRIES}, len(COUNTRIES)),
    "quick": Workload(quick, {"question": FIRST}, 1),
    "agent, quick": Workload(quickly, SAID, 1, records),
    **{f"agent, {way}": Workload(middleware(way), SAID, 3, records) for way in WAYS},
}
