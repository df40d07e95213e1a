"""What came of a run, as a tool's content and artifact, and as what it cost."""

from __future__ import annotations

from typing import Any

from .._core.timestamps import elapsed_seconds
from .._graph.callbacks import Spending
from .._graph.paid_run import PaidAnswer
from ..processors import price_usd

Told = tuple[str, dict[str, Any]]
"""Content and artifact."""


def spending(got: PaidAnswer, processor: str) -> Spending:
    """What a run cost, for who listens to it."""
    run = got.result.run
    return Spending(
        type="spending",
        run_id=run.run_id,
        interaction_id=run.interaction_id,
        processor=run.processor,
        cost_usd=cost_usd(got, processor),
        seconds=elapsed_seconds(run.created_at, run.modified_at),
    )


def cost_usd(got: PaidAnswer, processor: str) -> float | None:
    """What all runs of an answer cost; None for an unknown processor."""
    usd = price_usd(got.result.run.processor or processor)
    return None if usd is None else usd * got.paid


def artifact_of(got: PaidAnswer, processor: str) -> dict[str, Any]:
    """The whole result as plain JSON, with what a program asks for first."""
    result = got.result
    return {
        **result.model_dump(mode="json"),
        "run_id": result.run.run_id,
        "interaction_id": result.run.interaction_id,
        "cost_usd": cost_usd(got, processor),
        "duplicates": list(got.duplicates),
    }
