"""LangChain's callbacks: progress as custom events, and costs in the trace.

Rule: an event belongs to the run of the step or tool that the config is of. A config without one (a graph
whose caller gave no callbacks, a call by hand) hears nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackManager, CallbackManager
from langchain_core.callbacks.manager import adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import RunnableConfig, RunnableLambda
from typing_extensions import NotRequired, TypedDict

from .._core.calls import Call, Calls
from ..text.progress import CUSTOM_EVENT
from .runtime import runtime_of


def emit(message: dict[str, Any], config: RunnableConfig, name: str = CUSTOM_EVENT) -> Any:
    """Send a message as a LangChain event, of progress unless it has another name; in awaited steps, return
    what is to be awaited for that.
    """
    manager = config.get("callbacks")
    if not isinstance(manager, AsyncCallbackManager | CallbackManager):
        return None
    if manager.parent_run_id is None or not manager.handlers:
        return None
    if isinstance(manager, AsyncCallbackManager):
        return adispatch_custom_event(name, message, config=config)
    return dispatch_custom_event(name, message, config=config)


class Spending(TypedDict):
    """A message on the custom stream, after each run. USD; `cost_usd` is None if the price is unknown."""

    type: str
    """`spending`."""
    run_id: str
    interaction_id: str | None
    processor: str
    cost_usd: float | None
    seconds: float | None
    """From the run's start to its end; None where either is unknown."""
    spent_usd: NotRequired[float]
    """The session up to this turn, where the state has a session; of branches asked at the same time each
    counts itself alone."""


def tell_cost(spending: Spending, config: RunnableConfig) -> Calls[None]:
    """Send what a run cost to LangGraph's custom stream, and into the trace as `parallel_run`."""
    if runtime := runtime_of(config):
        runtime.stream_writer(dict(spending))
    yield from trace_cost("parallel_run", spending, config)


def trace_cost(name: str, spent: Mapping[str, Any], config: RunnableConfig) -> Calls[None]:
    """A run of this name in the trace, whose metadata LangSmith adds up as cost; `spent` has `cost_usd`.

    Where that is None, nobody knows the price, and LangSmith is told none. Where nobody listens, nothing is
    made: that would take half a millisecond.
    Source: https://docs.langchain.com/langsmith/cost-tracking (`usage_metadata` of a custom run).
    """
    callbacks = config.get("callbacks")
    if not callbacks or (isinstance(callbacks, BaseCallbackManager) and not callbacks.handlers):
        return
    metadata: dict[str, Any] = {**config.get("metadata", {}), **spent}
    if spent["cost_usd"] is not None:
        metadata["usage_metadata"] = {"total_cost": spent["cost_usd"]}
    run = RunnableLambda(lambda given: given, name=name)
    traced: RunnableConfig = {"callbacks": callbacks, "metadata": metadata}
    yield Call(lambda: run.invoke(spent, traced), lambda: run.ainvoke(spent, traced))
