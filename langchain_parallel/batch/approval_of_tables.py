"""What a person is asked before a table is paid for.

Rule: a person sees rows and price before anything is sent, and the table is started as a whole or not at all.
In a step of a graph with a checkpointer the person is asked by an interrupt; elsewhere by `approve`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig

from .._graph.runtime import ask_person, came_through_server, checkpointer_of, runtime_of
from ..errors import LimitExceeded
from ..options import Limits
from ..processors import costs_more
from .spending import BatchSpending
from .table_plan import TablePlan

Approve: TypeAlias = Callable[[TablePlan], bool]
"""Whether a table may be started; called before anything is sent."""
_ANSWERS = {
    "type": "object",
    "properties": {"approve": {"type": "boolean"}},
    "required": ["approve"],
}


def clear(
    plan: TablePlan,
    spending: BatchSpending,
    approve: Approve | None,
    config: RunnableConfig,
    *,
    goes_on: bool,
) -> None:
    """Start, ask, or refuse: what a table may cost is decided here, before anything is sent.

    Of a batch that is gone on with it is not known yet what is paid for; its rows are refused one by one.

    Raises:
        LimitExceeded: It would pass a limit, or costs more than may be spent without asking; and nobody was
            asked, or has approved it.
    """
    limits, price = spending.limits, [] if goes_on else limits_note(plan, spending)
    above = limits.approve_above is not None and costs_more(plan.processor, limits.approve_above)
    if not price and not above:
        return
    reasons = price or [f"{plan.processor} costs more than {limits.approve_above}."]
    if price and limits.on_exceed == "stop":
        raise LimitExceeded(
            " ".join(reasons), hint="Nothing was sent. Raise the limit, or ask less."
        )
    approved = _ask(plan, reasons, approve, config, passes_limits=bool(price))
    if approved:
        spending.limits = _raise_limits(limits, plan)
        return
    how = "give `approve`, or call it in a step of a graph with a checkpointer."
    said = f"It needs an approval: {how}" if approved is None else "It was not approved with True."
    raise LimitExceeded(" ".join(reasons), hint=f"Nothing was sent. {said}")


def limits_note(plan: TablePlan, spending: BatchSpending) -> list[str]:
    """Which limit the whole table would pass, as far as its length is known."""
    if plan.rows is None:
        return []
    refused = spending.refusal(plan.to_start or 0)
    return [] if refused is None else [refused.message]


def _raise_limits(limits: Limits, plan: TablePlan) -> Limits:
    """The limits as they were approved: what was shown, and no more."""
    cost = None if plan.cost_usd is None else max(plan.cost_usd, limits.max_cost_usd or 0.0)
    runs = None if limits.max_runs is None else max(plan.rows or 0, limits.max_runs)
    return replace(
        limits, max_cost_usd=None if limits.max_cost_usd is None else cost, max_runs=runs
    )


def _ask(
    plan: TablePlan,
    reasons: list[str],
    approve: Approve | None,
    config: RunnableConfig,
    *,
    passes_limits: bool,
) -> bool | None:
    """Whether it was approved; None where there is nobody to ask."""
    if approve is not None:
        return approve(plan) is True
    if runtime_of(config) is None or checkpointer_of(config) is None:
        return None
    if passes_limits and came_through_server(config):
        return None  # whoever reaches the thread may not raise what it may spend
    request: dict[str, Any] = {"type": "approve_batch", "reasons": reasons, **plan.to_json()}
    answer = ask_person(config, request, _ANSWERS)
    return answer is True or (isinstance(answer, dict) and answer.get("approve") is True)
