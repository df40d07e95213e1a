"""`research`: the graph that `langgraph.json` names. The server brings the checkpointer and the store."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..research import create_research_graph
from .settings import Settings


@cache
def _graph(settings: Settings) -> Any:
    return create_research_graph(**settings.graph_options()).compile(name="research")


def research() -> Any:
    """The research graph, configured by the environment; made once, for it holds connections.

    Raises:
        InvalidRequest: The environment says something that is not allowed.
        MissingKey: `PARALLEL_API_KEY` is not set.
    """
    return _graph(Settings.from_environment())
