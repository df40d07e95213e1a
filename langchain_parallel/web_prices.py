"""What Search and Extract cost, and how long they take.

The API has no call that returns prices: these are of the pages in the month of `SOURCE_DATE`, and may have
changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from .models import SearchResponse

SOURCE = "https://docs.parallel.ai/llms-full.txt"
"""The pages that the numbers were read from."""
SOURCE_DATE = date(2026, 10, 1)
"""The month in which they were read; the day is not on record."""


@dataclass(frozen=True, slots=True)
class SearchMode:
    """A mode of Search: its price in USD, and how long an answer takes, in seconds."""

    name: str
    usd: float
    seconds: float


SEARCH_MODES: Mapping[str, SearchMode] = MappingProxyType(
    {
        name: SearchMode(name, usd, seconds)
        for name, usd, seconds in (
            ("turbo", 0.001, 0.2),
            ("fast", 0.001, 0.7),
            ("basic", 0.005, 1.0),
            ("advanced", 0.005, 3.0),
        )
    }
)
"""Every known mode by name."""
DEFAULT_MODE = "advanced"
"""The API's own, where a request names none."""
INCLUDED_RESULTS = 10
RESULT_USD = 0.001
"""For each result beyond the included ones."""
EXTRACT_USD = 0.001
"""For each URL."""
_ADDITIONAL = "sku_search_additional_results"


def search_usd(mode: str | None, max_results: int | None = None) -> float | None:
    """What a search costs at the most, in USD; None for a mode that this table does not know."""
    known = SEARCH_MODES.get(mode or DEFAULT_MODE)
    more = max(0, (max_results or INCLUDED_RESULTS) - INCLUDED_RESULTS)
    return round(known.usd + more * RESULT_USD, 6) if known else None


def billed_search_usd(mode: str | None, response: SearchResponse) -> float | None:
    """What a search has cost, in USD, by what its answer says was used; None for an unknown mode."""
    counts = {item.name: item.count for item in response.usage or ()}
    more = counts.get(_ADDITIONAL, 0) if counts else len(response.results) - INCLUDED_RESULTS
    return search_usd(mode, INCLUDED_RESULTS + max(0, more))


def extract_usd(urls: int) -> float:
    """What reading so many pages costs at the most, in USD."""
    return round(urls * EXTRACT_USD, 6)
