"""The graphs that `langgraph.json` names. The server brings the checkpointer and the store."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..parked import create_sweep_graph
from ..research import create_research_graph
from .deployment import Settings
from .server_threads import ServerThreads


@cache
def _research(settings: Settings) -> Any:
    return create_research_graph(**settings.graph_options()).compile(name="research")


@cache
def _sweep(settings: Settings) -> Any:
    options = settings.sweep_options()
    return create_sweep_graph(ServerThreads(), **options).compile(name="sweep")


def research() -> Any:
    """The research graph, configured by the environment; made once, for it holds connections.

    Raises:
        InvalidRequest: The environment says something that is not allowed.
        MissingKey: `PARALLEL_API_KEY` is not set.
    """
    return _research(Settings.from_environment())


def sweep() -> Any:
    """A graph that lets the server's parked threads go on whose runs have ended: for a cron.

    Raises:
        InvalidRequest: The environment says something that is not allowed.
    """
    return _sweep(Settings.from_environment())
