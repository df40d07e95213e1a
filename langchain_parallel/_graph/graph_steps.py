"""Steps and choices as LangGraph takes them, each for blocking and for asynchronous runs.

Rule: an asynchronous run takes no thread for a step or a choice. LangGraph would take one for a function that
is blocking alone, and the event loop of Temporal's workflows has none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig, RunnableLambda

from .._core.calls import Calls, adrive, drive
from .runtime import whole_config
from .user_key import hide_key

Step: TypeAlias = Callable[[Any, RunnableConfig], Calls[Any]]
"""What a node does with state and config: it returns the state's update, and yields the calls it needs."""
_FUNCTIONS_GET_CONFIG: bool = sys.version_info >= (3, 11)
"""Whether LangGraph gives an asynchronous function its config; before, it must be a Runnable of LangChain."""


def add_step(graph: Any, name: str, step: Step, place: str, **options: Any) -> None:
    """Add a step as a node, in the form that Temporal's plugin takes: a function that LangGraph wraps, whose
    name differs from those of other graphs and is the same in every process.

    Args:
        graph: The `StateGraph`.
        name: Of the node.
        step: Sees the user's key as a secret alone.
        place: The name of the graph.
        options: Further ones of `add_node`.
    """

    def blocking(state: Any, config: RunnableConfig) -> Any:
        config = hide_key(whole_config(config))
        return drive(step(state, config))

    async def asynchronous(state: Any, config: RunnableConfig) -> Any:
        config = hide_key(whole_config(config))
        return await adrive(step(state, config))

    blocking.__qualname__ = asynchronous.__qualname__ = f"{place}.{name}"
    if not _FUNCTIONS_GET_CONFIG:
        graph.add_node(name, RunnableLambda(blocking, asynchronous, name=name), **options)
        return
    graph.add_node(name, blocking, **options)
    node = graph.nodes[name].runnable
    node.afunc, node.trace = asynchronous, True


def add_choice(graph: Any, after: str, choose: Callable[..., Any], *ends: str) -> None:
    """Add a choice of the next step after one, by a function of the state, or of state and config."""

    @wraps(choose)
    async def asynchronous(state: Any, **config: Any) -> Any:
        return choose(state, **config)

    graph.add_conditional_edges(after, choose, list(ends))
    [*_, branch] = graph.branches[after].values()
    branch.path.afunc, branch.path.trace = (
        asynchronous,
        False,
    )  # it is quick, and no step of its own
