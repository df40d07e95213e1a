"""The thread that all callers resume: research, a person's decision, and a last node with a visible
effect."""

from __future__ import annotations

import operator
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph

from langchain_parallel import create_research_graph
from langchain_parallel._graph.runtime import ask_person
from langchain_parallel.client.client_pair import AnyClient
from langchain_parallel.research import ResearchState, Turn, Verdict, merge_turns

QUESTION = "Who leads in cargo bikes?"


class State(TypedDict, total=False):
    """The parent's."""

    question: str
    answer: Any
    interaction_id: str | None
    ledger_id: str
    turns: Annotated[list[Turn], merge_turns]
    words: Annotated[list[str], operator.add]
    tails: Annotated[list[str], operator.add]


def _review(state: State, config: RunnableConfig) -> State:
    # Not plain `interrupt`: Python 3.10 does not carry context variables into asynchronous nodes.
    return {"words": [ask_person(config, "Good?", {"type": "string"})]}


def build(
    client: AnyClient,
    tail: Callable[[], None],
    *,
    review: bool,
    dies: Path | None = None,
    **compiled_with: Any,
) -> Any:
    """Research, review (if wished), tail.

    Args:
        client: The client, for both kinds of calls.
        tail: What the last node does to the world.
        review: Whether a person is asked.
        dies: A file; the process that can delete it dies in the middle of the research.
        compiled_with: Checkpointer and store.
    """

    def evaluate(state: ResearchState, turn: Turn) -> Verdict | None:
        if dies is not None:
            try:
                dies.unlink()
            except FileNotFoundError:
                return None
            os.kill(os.getpid(), signal.SIGKILL)
        return None

    def last(state: State) -> State:
        tail()
        return {"tails": ["done"]}

    research = create_research_graph(processor="lite", evaluate=evaluate, client=client)
    graph: Any = StateGraph(State)
    graph.add_node("research", research.compile())
    graph.add_node("review", _review if review else lambda state: {"words": ["good"]})
    graph.add_node("tail", last)
    graph.add_edge(START, "research")
    graph.add_edge("research", "review")
    graph.add_edge("review", "tail")
    graph.add_edge("tail", END)
    return graph.compile(**compiled_with)
