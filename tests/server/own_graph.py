"""A graph of a team's own on the server: the research graph as a node, and a context."""

from __future__ import annotations

from typing import Any

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from langchain_parallel.research import ResearchState
from langchain_parallel.server import research


class Tone(TypedDict):
    """How to write."""

    tone: str


class Signed(ResearchState):
    """Research, and what it was signed with."""

    signed: str


def sign(state: Signed, runtime: Runtime[Tone]) -> Any:
    return {"signed": runtime.context["tone"]}


def graph() -> Any:
    made: Any = StateGraph(Signed, context_schema=Tone)
    made.add_node("research", research())
    made.add_node("sign", sign)
    made.add_edge(START, "research")
    made.add_edge("research", "sign")
    return made.compile()
