"""refuse: say in words why the last message cannot be asked; or its answer again, which it has. Free."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..graph_config import GraphConfig
from ..messages import answer_update, refusal_update
from ..state import ResearchState
from .plan import why_refused


def refuse(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """The answer to a message that is no question, that the API would not take, or that was asked before."""
    yield from ()
    error = why_refused(graph, state)
    return refusal_update(state, error.message) if error else answer_update(state, state["verdict"])
