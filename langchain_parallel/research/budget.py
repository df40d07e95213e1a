"""What a session may use, what it has used, and what the planned runs would add: pure functions.

Rule: a planned run counts as spent. It is in the state, checkpointed, before its request leaves, and all
branches of a verdict are weighed in one step: so no two of them can take the same dollar. What a run
really cost replaces its reservation once it has ended; failed runs give theirs back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, cast

from .._core.timestamps import covered_seconds, span
from ..errors import InvalidRequest
from ..processors import PROCESSORS, price_usd
from .state import Budget, Pending, Turn

_CENTS = 1e-9
"""Prices are sums of floats: less than this is no difference."""


def spent_usd(turns: Iterable[Turn]) -> float:
    """What these turns cost, in USD; turns of unknown cost are left out."""
    return round(sum(turn["cost_usd"] or 0.0 for turn in turns), 6)


def used(turns: Sequence[Turn]) -> Budget:
    """What these turns have used. Where nobody knows whether a run was billed, it counts."""
    dollars = sum(_dollars(turn) for turn in turns)
    return Budget(max_cost_usd=round(dollars, 6), max_turns=_runs(turns), max_seconds=_busy(turns))


def used_with(turns: Sequence[Turn], planned: Sequence[Pending]) -> Budget:
    """The same, once the planned runs have ended: at list price, and after their usual longest time.

    Runs that are asked at the same time take as long as the longest of them.
    """
    so_far = used(turns)
    dollars = sum(price_usd(run["processor"]) or 0.0 for run in planned)
    return Budget(
        max_cost_usd=round(so_far["max_cost_usd"] + dollars, 6),
        max_turns=so_far["max_turns"] + len(planned),
        max_seconds=so_far["max_seconds"] + max(map(_longest, planned), default=0.0),
    )


def objections(
    turns: Sequence[Turn], planned: Sequence[Pending], limits: Mapping[str, Any]
) -> Iterator[str]:
    """Which limits the planned runs would pass, in words."""
    after = used_with(turns, planned)
    if (dollars := limits.get("max_cost_usd")) is not None:
        unknown = sorted({r["processor"] for r in planned if price_usd(r["processor"]) is None})
        if unknown:
            yield f"Nobody knows what {', '.join(unknown)} costs, and the budget is {dollars:g} USD."
        if after["max_cost_usd"] > dollars + _CENTS:
            yield f"It would have cost {after['max_cost_usd']:g} of {dollars:g} USD."
    if (runs := limits.get("max_turns")) is not None and after["max_turns"] > runs:
        yield f"It would have made {after['max_turns']} of {runs} runs."
    if (seconds := limits.get("max_seconds")) is not None and after["max_seconds"] > seconds:
        yield f"It could have taken {after['max_seconds']:,.0f} of {seconds:,.0f} seconds."


def raised(limits: Budget, needed: Budget) -> Budget:
    """The limits, each at least as high as what is needed."""
    least = cast("dict[str, float]", needed)
    now = cast("dict[str, float]", limits)
    return cast(Budget, {name: max(value, least[name]) for name, value in now.items()})


def checked_budget(budget: object) -> Budget:
    """A budget from outside, once it is known to be one.

    Raises:
        InvalidRequest: A limit is unknown, is no number, or is negative.
    """
    problems = list(_problems(budget))
    if problems:
        raise InvalidRequest(problems)
    return cast(Budget, dict(cast("Mapping[str, Any]", budget)))


def _problems(budget: object) -> Iterator[str]:
    if not isinstance(budget, Mapping):
        yield f"A budget is an object such as {{'max_cost_usd': 2.0}}, not {type(budget).__name__}."
        return
    allowed = Budget.__annotations__
    for name, value in budget.items():
        if name not in allowed:
            yield f"{str(name)[:40]!r} is no limit of a budget; {', '.join(allowed)} are."
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
            yield f"{name} must be a number from 0 up."


def _dollars(turn: Turn) -> float:
    known = turn["cost_usd"]
    return (price_usd(turn["processor"]) or 0.0) if known is None else known


def _runs(turns: Sequence[Turn]) -> int:
    return sum(turn["status"] != "refused" for turn in turns)


def _longest(run: Pending) -> float:
    known = PROCESSORS.get(run["processor"])
    return known.seconds[1] if known else 0.0


def _busy(turns: Iterable[Turn]) -> float:
    """Seconds in which at least one run was active."""
    return covered_seconds(filter(None, map(_span, turns)))


def _span(turn: Turn) -> tuple[float, float] | None:
    return span(turn.get("started_at"), turn.get("ended_at"))
