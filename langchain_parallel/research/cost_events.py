"""Cost and duration of turns, for the custom stream and for LangSmith's cost view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda
from typing_extensions import TypedDict

from .._core.calls import Call, Calls
from .._core.timestamps import elapsed_seconds
from .._graph.runtime import runtime_of
from .state import ResearchState, Turn
from .usage import spent_usd


class Spending(TypedDict):
    """A message on the custom stream, after each turn. USD; `cost_usd` is None if the price is unknown."""

    type: str
    """`spending`."""
    run_id: str
    interaction_id: str | None
    processor: str
    cost_usd: float | None
    seconds: float | None
    """From the run's start to its end; None where either is unknown."""
    spent_usd: float
    """The session up to this turn; of branches asked at the same time each counts itself alone."""


def emit_cost(turns: Sequence[Turn], state: ResearchState, config: RunnableConfig) -> Calls[None]:
    """Emit what these turns cost, just before they are checkpointed."""
    known = {turn["run_id"] for turn in turns}
    others = [other for other in state.get("turns") or () if other["run_id"] not in known]
    total = spent_usd(others) if "turns" in state else state.get("spent_usd") or 0.0
    for turn in turns:
        total = round(total + (turn["cost_usd"] or 0.0), 6)
        spending = Spending(
            type="spending",
            run_id=turn["run_id"],
            interaction_id=turn["interaction_id"],
            processor=turn["processor"],
            cost_usd=turn["cost_usd"],
            seconds=elapsed_seconds(turn["started_at"], turn["ended_at"]),
            spent_usd=total,
        )
        if runtime := runtime_of(config):
            runtime.stream_writer(dict(spending))
        if config.get("callbacks"):
            yield from _trace(spending, config)


def _trace(spending: Spending, config: RunnableConfig) -> Calls[None]:
    """A run of its own in the trace, whose metadata LangSmith adds up as cost.

    Source: https://docs.langchain.com/langsmith/cost-tracking (`usage_metadata` of a custom run).
    """
    metadata: dict[str, Any] = {**config.get("metadata", {}), **spending}
    metadata["usage_metadata"] = {"total_cost": spending["cost_usd"] or 0.0}
    run = RunnableLambda(lambda spent: spent, name="parallel_run")
    traced: RunnableConfig = {"callbacks": config.get("callbacks"), "metadata": metadata}
    yield Call(lambda: run.invoke(spending, traced), lambda: run.ainvoke(spending, traced))
