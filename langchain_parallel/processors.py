"""The processors: what a run costs and how long it takes.

The numbers are those of the page `SOURCE` in the month of `SOURCE_DATE`. The API has no call that returns
prices, so they may have changed since. A `-fast` processor costs the same as the one without, and takes a
third to a fifth of its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

SOURCE = "https://docs.parallel.ai/task-api/guides/choose-a-processor"
"""The page the table was read from."""
SOURCE_DATE = date(2026, 8, 1)
"""The month in which it was read; the day is not on record."""


@dataclass(frozen=True, slots=True)
class Processor:
    """One processor. `usd` is the price of a run, `seconds` the usual shortest and longest time of one."""

    name: str
    usd: float
    seconds: tuple[float, float]
    deep: bool
    """Deep research (`pro` and above), for which the API records progress without being asked."""


_PLAIN: tuple[tuple[str, float, float, float], ...] = (
    # name, USD for 1,000 runs, seconds at the least, seconds at the most
    ("lite", 5, 10, 60),
    ("base", 10, 15, 100),
    ("core", 25, 60, 300),
    ("core2x", 50, 60, 600),
    ("pro", 100, 120, 600),
    ("ultra", 300, 300, 1500),
    ("ultra2x", 600, 300, 3000),
    ("ultra4x", 1200, 300, 5400),
    ("ultra8x", 2400, 300, 7200),
)


def _table() -> dict[str, Processor]:
    table = {}
    for name, price, least, most in _PLAIN:
        deep = name.startswith(("pro", "ultra"))
        table[name] = Processor(name, price / 1000, (least, most), deep)
        fast = f"{name}-fast"
        table[fast] = Processor(fast, price / 1000, (least / 5, most / 3), deep)
    return table


PROCESSORS: Mapping[str, Processor] = MappingProxyType(_table())
"""Every known processor by name."""


def price_usd(processor: str) -> float | None:
    """What one run costs, in USD; None for a processor this table does not know."""
    known = PROCESSORS.get(processor)
    return known.usd if known else None


def expected_seconds(processor: str) -> tuple[float, float] | None:
    """The usual shortest and longest time of a run, in seconds; None for an unknown processor."""
    known = PROCESSORS.get(processor)
    return known.seconds if known else None


def costs_more(processor: str, than: str) -> bool:
    """Whether a run costs more than with another processor.

    True if either price is unknown: this function guards money, so an unknown price must not pass.
    """
    price, limit = price_usd(processor), price_usd(than)
    if price is None or limit is None:
        return processor != than
    return price > limit
