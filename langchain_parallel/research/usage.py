"""What a session has used, what its planned turns would add, and the events that tell it.

Rule: a planned run counts as spent. It is in the state, checkpointed, before its request leaves, and all
branches of a verdict are reviewed in one step: so no two of them can take the same dollar. What a run
really cost replaces its reservation once it has ended; failed runs give theirs back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, floor
from typing import cast

from langchain_core.runnables import RunnableConfig
from typing_extensions import TypedDict

from .._core.calls import Calls
from .._core.plain_text import count
from .._core.timestamps import covered_seconds, elapsed_seconds, span
from .._graph.callbacks import Spending, tell_cost
from .._graph.quotas import QuotaUse, beyond_quota
from ..options import SessionLimits
from ..processors import expected_seconds, price_usd
from ..text.format import usd
from ..text.untrusted import harmless
from .state import ResearchState, Turn, id_of

CENTS = 1e-9
"""Prices are sums of floats: less than this is no difference."""


class Usage(TypedDict):
    """What a session has used, or would have used."""

    cost_usd: float
    runs: int
    seconds: float
    """In which at least one run was active."""


class Forecast(TypedDict):
    """What a session will have used, as people are shown it."""

    cost_usd: float | None
    """None if the price of a run is not known."""
    runs: int
    seconds: float
    """In which at least one run was active, at the most."""


_LIMITED_BY = {"max_cost_usd": "cost_usd", "max_runs": "runs", "max_seconds": "seconds"}


def spent_usd(turns: Iterable[Turn]) -> float:
    """What these turns cost, in USD; turns of unknown cost are left out."""
    return round(sum(turn["cost_usd"] or 0.0 for turn in turns), 6)


def usage(turns: Sequence[Turn], planned: Sequence[Turn] = ()) -> Usage:
    """What these turns have used. Planned ones count with their list price and their usual longest time, of
    which turns asked at the same time share the longest. A run whose billing is unknown counts.
    """
    dollars = sum(counted_usd(turn) for turn in turns)
    dollars += sum(price_usd(turn["processor"]) or 0.0 for turn in planned)
    seconds = covered_seconds(filter(None, map(_span, turns)))
    return Usage(
        cost_usd=round(dollars, 6),
        runs=sum(turn["status"] != "refused" for turn in turns) + len(planned),
        seconds=round(seconds + max(map(_longest, planned), default=0.0), 3),
    )


def forecast(turns: Sequence[Turn], planned: Sequence[Turn]) -> Forecast:
    """What these turns will have used, once the planned ones have answers."""
    after = usage(turns, planned)
    paid = [turn for turn in turns if turn["cost_usd"] is None]  # as `counted_usd` counts them
    is_known = all(price_usd(turn["processor"]) is not None for turn in (*paid, *planned))
    cost = after["cost_usd"] if is_known else None
    return Forecast(cost_usd=cost, runs=after["runs"], seconds=after["seconds"])


def price_of(planned: Sequence[Turn]) -> float | None:
    """What planned turns cost together, in USD, if all have answers; None if a price is not known."""
    return forecast([], planned)["cost_usd"]


def exceeded_limits(
    turns: Sequence[Turn], planned: Sequence[Turn], limits: SessionLimits
) -> Iterator[str]:
    """Which limits the planned turns would pass, as sentences."""
    after = usage(turns, planned)
    if (dollars := limits.get("max_cost_usd")) is not None:
        unknown = sorted({t["processor"] for t in planned if price_usd(t["processor"]) is None})
        if unknown:
            one = "price" if len(unknown) == 1 else "prices"
            verb = "is" if len(unknown) == 1 else "are"
            names = harmless(" and ".join(unknown))
            yield f"The {one} of {names} {verb} not known, and the limit is {_at_most(dollars)}."
        if after["cost_usd"] > dollars + CENTS:
            total = usd(after["cost_usd"])
            yield f"This would bring the session to {total}; the limit is {_at_most(dollars)}."
    if (runs := limits.get("max_runs")) is not None and after["runs"] > runs:
        total = count(after["runs"], "run")
        yield f"This would bring the session to {total}; the limit is {floor(runs):,}."
    if (seconds := limits.get("max_seconds")) is not None and after["seconds"] > seconds:
        total = count(ceil(after["seconds"]), "second")
        yield (
            f"This could bring the session to {total} of research; the limit is {floor(seconds):,}."
        )


def exceeded_quotas(planned: Sequence[Turn], quotas: Sequence[QuotaUse]) -> Iterator[str]:
    """Which quotas the planned turns would pass that are not reserved yet, as sentences."""
    planned = [turn for turn in planned if not turn["run_id"]]
    new = [turn["processor"] for turn in planned if turn["status"] == "planned"]
    yield from filter(None, (beyond_quota(use, new) for use in quotas))


def raise_limits(limits: SessionLimits, needed: Usage) -> SessionLimits:
    """The limits, each at least as high as what is needed."""
    least, now = cast("dict[str, float]", needed), cast("dict[str, float]", limits)
    raised = {name: max(value, least[_LIMITED_BY[name]]) for name, value in now.items()}
    return cast(SessionLimits, raised)


def _at_most(dollars: float) -> str:
    """A limit as it is shown, not rounded up to what passes it."""
    return usd(floor(dollars * 1e6 + 1e-3) / 1e6)


def counted_usd(turn: Turn) -> float:
    """What a turn counts in USD: what it cost, or its list price where that is not known."""
    known: object = turn["cost_usd"]
    if (
        isinstance(known, int | float) and known >= 0
    ):  # an edited state may hold anything, NaN included
        return float(known)
    return price_usd(turn["processor"]) or 0.0


def _longest(turn: Turn) -> float:
    seconds = expected_seconds(turn["processor"])
    return seconds[1] if seconds else 0.0


def _span(turn: Turn) -> tuple[float, float] | None:
    return span(turn.get("started_at"), turn.get("ended_at"))


# --- events --------------------------------------------------------------------------------------


def emit_cost(turns: Sequence[Turn], state: ResearchState, config: RunnableConfig) -> Calls[None]:
    """Emit what these turns cost, just before they are checkpointed."""
    known = {id_of(turn) for turn in turns}
    others = [other for other in state.get("turns") or () if id_of(other) not in known]
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
        yield from tell_cost(spending, config)
